"""The command `disc`: parse, call, show. Heavy imports happen inside commands."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from disc.data.request import TileRequest
from disc.data.sources import ConvertRequest, SelectRequest
from disc.files import BadInput
from disc.model.request import ImportRequest
from disc.presets import PRESETS
from disc.settings import Run

if TYPE_CHECKING:
    RunConfig = Run
else:
    RunConfig = tyro.extras.subcommand_type_from_defaults(
        {name: preset() for name, preset in PRESETS.items()},
        {name: (preset.__doc__ or "").splitlines()[0] for name, preset in PRESETS.items()},
    )

ALLOCATOR = {-3: 2**25, -1: 2**31 - 1, -2: 2**28}
"""mallopt's mmap threshold (32 MiB: glibc refuses more), trim threshold and top padding."""


def run(config: Annotated[RunConfig, tyro.conf.arg(name="")]) -> int:
    """Do what is missing or stale of a run: data, generator, synthetic slides, graders, report."""
    prepare_process()
    from disc.pipeline.run import execute

    page = execute(config)
    if config.until == "report":
        print(f"report: {page}")
    return 0


def tile(request: Annotated[TileRequest, tyro.conf.arg(name="")]) -> int:
    """Cut slides, and masks beside them, into tiles in the SICAPv2 layout."""
    prepare_process()
    from disc.data.tiling import tile_slides

    print(tile_slides(request))
    return 0


def select(request: Annotated[SelectRequest, tyro.conf.arg(name="")]) -> int:
    """Select as many slides of every primary grade, by a seed, and write their names."""
    from disc.data.selection import select_slides

    print(select_slides(request))
    return 0


def convert(request: Annotated[ConvertRequest, tyro.conf.arg(name="")]) -> int:
    """Write a set of any kind in the SICAPv2 layout, which every command reads."""
    from disc.data.conversion import convert_set

    print(convert_set(request))
    return 0


def import_(request: Annotated[ImportRequest, tyro.conf.arg(name="")]) -> int:
    """Import a public VQ autoencoder (vq-f4), and check on tiles what it keeps of them."""
    prepare_process()
    from disc.pipeline.foreign import import_autoencoder

    print(import_autoencoder(request))
    return 0


COMMANDS: dict[str, Any] = {"run": run, "tile": tile, "select": select, "convert": convert}
COMMANDS["import"] = import_


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what a user got wrong is one line and exit code 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_preset(words)
        return int(
            tyro.extras.subcommand_cli_from_dict(
                COMMANDS, prog="disc", description=__doc__, args=words
            )
        )
    except (BadInput, OSError, FloatingPointError) as error:
        print(f"disc: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("disc: stopped; the same command goes on", file=sys.stderr)
        return 130


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
