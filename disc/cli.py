"""The command `disc`: parse, call, show. Heavy imports happen inside commands."""

from __future__ import annotations

import ctypes
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial, wraps
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from disc.data.check.request import CheckRequest
from disc.data.tiling.request import TileRequest
from disc.data.writing.request import ConvertRequest, SelectRequest
from disc.files import BadInput
from disc.model.request import ImportRequest
from disc.phantom.request import PhantomRequest
from disc.presets import PRESETS
from disc.settings.run import Run

if TYPE_CHECKING:
    RunConfig = Run
else:
    RunConfig = tyro.extras.subcommand_type_from_defaults(
        {name: preset() for name, preset in PRESETS.items()},
        {name: (preset.__doc__ or "").splitlines()[0] for name, preset in PRESETS.items()},
    )

ALLOCATOR = {-3: 2**25, -1: 2**31 - 1, -2: 2**28}
"""mallopt's mmap threshold (32 MiB: glibc refuses more), trim threshold and top padding."""


def run(config: Annotated[RunConfig, tyro.conf.arg(name="")], dry_run: bool = False) -> int:
    """Do what is missing or stale of a run: data, generator, synthetic slides, graders, report.

    Args:
        config: the preset, and what is changed of it.
        dry_run: do nothing of it; measure a few steps, and print what the run will take.
    """
    prepare_process()
    if dry_run:
        from disc.pipeline.dry_run.estimate import estimate_run
        from disc.report.estimate import print_estimate

        print_estimate(estimate_run(config))
        return 0
    from disc.pipeline.run import execute, split_folds

    for one in split_folds(config):
        page = execute(one)
        if one.until == "report":
            print(f"report: {page}")
    return 0


def tile(request: Annotated[TileRequest, tyro.conf.arg(name="")]) -> int:
    """Cut slides, and masks beside them, into tiles in the SICAPv2 layout."""
    prepare_process()
    from disc.data.tiling.tile_slides import tile_slides

    report = tile_slides(request)
    print(report)
    return 1 if report.failures else 0


def check(request: Annotated[CheckRequest, tyro.conf.arg(name="")]) -> int:
    """Find what is wrong with data sets; exit code 1 if anything is an error."""
    from rich.console import Console

    from disc.data.check.check_sets import check_sets
    from disc.files import write_json
    from disc.report.check_page import write_check_page
    from disc.report.check_table import print_check

    report, is_piped = check_sets(request), str(request.json) == "-"
    if request.page is not None:
        write_check_page(request.page, report)
    if request.json is not None and not is_piped:
        write_json(request.json, report.as_json())
    console = Console(stderr=is_piped)
    print_check(report, console)
    if request.page is not None:
        console.print(f"page: {request.page}", markup=False, highlight=False)
    if is_piped:
        print(json.dumps(report.as_json()))
    return 1 if report.num_errors else 0


def select(request: Annotated[SelectRequest, tyro.conf.arg(name="")]) -> int:
    """Select as many slides of every primary grade, by a seed, and write their names."""
    from disc.data.writing.select import select_slides

    print(select_slides(request))
    return 0


def convert(request: Annotated[ConvertRequest, tyro.conf.arg(name="")]) -> int:
    """Write a set of any kind in the SICAPv2 layout, which every command reads."""
    from disc.data.writing.convert import convert_set

    print(convert_set(request))
    return 0


def phantom(request: Annotated[PhantomRequest, tyro.conf.arg(name="")]) -> int:
    """Draw a small simulated data set in the layout of SICAPv2, PANDA or LAPC."""
    prepare_process()
    from disc.phantom.layouts import draw_set

    draw_set(request)
    print(f"{request.kind}: {request.out}")
    return 0


def import_(request: Annotated[ImportRequest, tyro.conf.arg(name="")]) -> int:
    """Import a public VQ autoencoder (vq-f4), and check on tiles what it keeps of them."""
    prepare_process()
    from disc.pipeline.import_autoencoder import import_autoencoder

    print(import_autoencoder(request))
    return 0


COMMANDS: dict[str, Any] = {
    "run": run,
    "check": check,
    "tile": tile,
    "convert": convert,
    "select": select,
    "import": import_,
    "phantom": phantom,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what a user got wrong is one line and exit code 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_preset(words)
        return _parse(words)()
    except (BadInput, OSError, FloatingPointError) as error:
        print(f"disc: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("disc: stopped; the same command goes on", file=sys.stderr)
        return 130


def _parse(words: Sequence[str]) -> Callable[[], int]:
    """What the words ask for, ready to be called.

    Raises:
        BadInput: if they cannot be understood; in one line, where tyro draws a box.
    """
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            parsed: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
                {name: _defer(command) for name, command in COMMANDS.items()},
                prog="disc",
                description=__doc__,
                args=words,
                # disc run smoke --dry-run: what belongs to a command may stand after its preset
                config=(tyro.conf.CascadeSubcommandArgs,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise BadInput(_first_words(told.getvalue())) from stop
    sys.stderr.write(told.getvalue())
    return parsed


def _defer(command: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """A command that is parsed now and called later, when errors are the program's own."""

    @wraps(command)
    def deferred(*values: Any, **named: Any) -> Callable[[], int]:
        return partial(command, *values, **named)

    return deferred


def _first_words(box: str) -> str:
    """What a box of tyro's says before its first rule, as one line."""
    lines = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    said = list(takewhile(lambda line: not line.startswith("──"), lines))
    text = re.sub(r"Error parsing __tyro\S*: ", "", " ".join(said)) or box
    return f"{text}; see disc --help"


def _check_preset(words: Sequence[str]) -> None:
    named = [word for word in words[1:2] if words[0] == "run" and not word.startswith("-")]
    if named and named[0] not in PRESETS:
        raise BadInput(f"no preset '{named[0]}'; choose one of {', '.join(PRESETS)}")


def prepare_process() -> None:
    """Keep memory between training steps; glibc else gives it back and asks for it again.

    Measured by benchmarks/allocator.py. OMP_WAIT_POLICY=PASSIVE halved the speed on quiet cores, so
    it is left alone.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")
    if sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "mallopt"):
        for option, value in ALLOCATOR.items():
            ctypes.CDLL(None).mallopt(option, value)


if __name__ == "__main__":
    sys.exit(main())
