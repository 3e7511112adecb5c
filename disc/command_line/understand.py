"""From the words of a command line to what is to be done: help, the version, or a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import disc
from disc.command_line.help import Command, print_options, tell_commands, tell_presets
from disc.command_line.options import list_options
from disc.command_line.parse import choose, parse_request, parse_some
from disc.command_line.places import check_places
from disc.command_line.shown import CHANGED, find_kind, keep_kind
from disc.data.readers.source import KINDS
from disc.files import BadInput
from disc.pipeline.request import RunRequest
from disc.presets import PRESETS

HELP = frozenset({"-h", "--help", "--help-all"})
RUN_FIRST = ("sample", "synthesize", "bank")
"""Commands whose run may stand first, without --run, as in those that need one."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A command line, read as far as its options.

    Attributes:
        name: the command.
        command: what it is.
        prog: its words before the options.
        rest: the options.
        default: the request that the options change; None: its dataclass's defaults.
        help: which help is asked for; "": none.
    """

    name: str
    command: Command
    prog: str
    rest: Sequence[str]
    default: Any = None
    help: str = field(default="")


@dataclass(frozen=True, kw_only=True)
class _ConfigFile:
    config: Path | None = None


def understand(
    words: Sequence[str], commands: Mapping[str, Command], about: str
) -> Callable[[], int]:
    """What the words ask for, ready to be called; it gives the exit code.

    Raises:
        BadInput: if they cannot be understood.
    """
    first, *rest = [*words, ""]
    if first in HELP:
        return lambda: _show(lambda: print(tell_commands(commands, about)))
    if first == "--version":
        return lambda: _show(lambda: print(f"disc {disc.__version__}"))
    if not first:
        raise BadInput(f"a command is missing: {', '.join(commands)}; see disc --help")
    choose(first, commands, "command")
    line = _read_line(first, commands[first], rest[:-1])
    if line.help:
        return lambda: _show(lambda: _help_on(line))
    request = parse_request(line.command.request, line.rest, prog=line.prog, default=line.default)
    if line.default is not None and line.prog != "disc run" and request.config is not None:
        raise BadInput(f"{line.prog} and --config: give a preset or a file, not both")
    check_places(request)
    return lambda: line.command.call(request)


def _read_line(name: str, command: Command, words: Sequence[str]) -> Line:
    """Set help apart; a run begins from a preset or from the configuration of another run."""
    targets = [word for word in words if word in HELP]
    if name in RUN_FIRST and words and not words[0].startswith("-"):
        if any(word.partition("=")[0] == "--run" for word in words):
            raise BadInput(f"disc {name}: {words[0]} and --run; give the run once")
        words = ["--run", *words]
    line = Line(
        name=name,
        command=command,
        prog=f"disc {name}",
        rest=[word for word in words if word not in HELP],
        help=targets[-1] if targets else "",
    )
    return _start_run(line) if name == "run" else line


def _start_run(line: Line) -> Line:
    """The line of a run, with the settings that it begins from."""
    preset = next(iter(line.rest), "-")
    if not preset.startswith("-"):
        choose(preset, PRESETS, "preset")
        start = RunRequest(run=PRESETS[preset]())
        return replace(line, prog=f"disc run {preset}", rest=line.rest[1:], default=start)
    path = parse_some(_ConfigFile, line.rest, prog=line.prog).config
    if path is not None:
        from disc.pipeline.config_file import read_config

        return replace(line, default=RunRequest(run=read_config(path)))
    if not line.help:
        raise BadInput(
            f"disc run needs a preset first ({', '.join(PRESETS)}), or --config with the "
            "config.json of a run; see disc run --help"
        )
    return line


def _show(tell: Callable[[], None]) -> int:
    """Print something short; that a reader such as `head` has seen enough is no error."""
    try:
        tell()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _help_on(line: Line) -> None:
    """Help on a command: of a run what people change, of a data set what its kind has."""
    about, request = line.command.summary, line.command.request
    if line.name == "run" and line.default is None:
        print(tell_presets(PRESETS, about))
        return
    options, depth = list(list_options(request, line.default)), 9
    if line.name == "run" and line.help != "--help-all":
        num, depth = len(options), 1
        options = [option for option in options if option.path in CHANGED]
        about = f"{about} --help-all shows all {num} options; here are those that people change."
    elif line.name in {"convert", "select"}:
        kind = find_kind(line.rest, line.prog)
        options = keep_kind(options, kind)
        about += f" Options of kind {kind}." if kind != "auto" else _tell_kinds(line.prog)
    print_options(options, prog=line.prog, description=about, depth=depth)


def _tell_kinds(prog: str) -> str:
    return (
        f" The options that every set has; each kind ({', '.join(KINDS)}) has more: "
        f"{prog} --kind {KINDS[1]} --help."
    )
