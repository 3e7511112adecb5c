"""Help on the commands: what there is, and the options that people change or all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, make_dataclass
from functools import partial
from shutil import get_terminal_size
from textwrap import fill, indent
from typing import Annotated, Any

import tyro

from disc.command_line.options import Option, rename

WIDTH = 80


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes:
        call: does it; returns the exit code.
        request: the dataclass that holds its options.
        summary: what it does, in a line.
        group: the heading that it stands under.
    """

    call: Callable[[Any], int]
    request: type[Any]
    summary: str
    group: str


def tell_commands(commands: Mapping[str, Command], about: str) -> str:
    """Help on the program: its commands under their headings."""
    lines = [fill(about, WIDTH), "", "usage: disc COMMAND [OPTIONS]"]
    for group in dict.fromkeys(command.group for command in commands.values()):
        lines += ["", f"{group}:"]
        members = {name: c.summary for name, c in commands.items() if c.group == group}
        lines += _columns(members)
    lines += ["", "disc COMMAND --help tells a command's options, disc run --help the presets."]
    return "\n".join([*lines, "disc --version tells the version."])


def tell_presets(presets: Mapping[str, Callable[[], Any]], summary: str) -> str:
    """Help on runs before one is chosen: the presets."""
    about = {name: (preset.__doc__ or "").splitlines()[0] for name, preset in presets.items()}
    lines = [
        *(summary, ""),
        "usage: disc run PRESET [OPTIONS]",
        "       disc run --config runs/NAME/config.json [OPTIONS]    repeat a run",
        *("", "presets:", *_columns(about), ""),
        "disc run PRESET --help tells the options that people change, --help-all every one.",
        "disc run PRESET --dry-run measures what a run will take, and does nothing.",
    ]
    return "\n".join(lines)


def print_options(options: Sequence[Option], *, prog: str, description: str, depth: int) -> None:
    """Print options in boxes, as tyro shows them.

    Args:
        options: what is shown.
        prog: the words before them.
        description: what stands above.
        depth: how many parts of an option's name, from the left, make the box that it stands in.
    """
    boxes: dict[str, list[Option]] = {}
    for option in options:
        box = ".".join(option.path.split(".")[:-1][:depth])
        boxes.setdefault(box, []).append(option)
    # without a name of its own, a box's options go with the command's
    columns = [_column(option, option.path) for option in boxes.pop("", [])]
    for box, members in boxes.items():
        kind = _dataclass(
            [_column(option, option.path.removeprefix(f"{box}.")) for option in members],
            members[0].group,
        )
        columns.append((Annotated[kind, tyro.conf.arg(name=box.replace("_", "-"))], MISSING))
    print(fill(description, min(WIDTH, get_terminal_size().columns)), end="\n\n", flush=True)
    with suppress(SystemExit):
        tyro.cli(_dataclass(columns, ""), prog=prog, description="", args=["--help"])


def _columns(texts: Mapping[str, str]) -> list[str]:
    margin = max(len(name) for name in texts) + 4
    filled = (indent(fill(text, WIDTH - margin), " " * margin) for text in texts.values())
    pairs = zip(texts, filled, strict=True)
    return [f"  {name}".ljust(margin) + text[margin:] for name, text in pairs]


def _column(option: Option, name: str) -> tuple[Any, Any]:
    return rename(option, name), option.default


def _dataclass(columns: Sequence[tuple[Any, Any]], about: str) -> type[Any]:
    members: list[Any] = []
    for number, (hint, default) in enumerate(columns):
        given = field() if default is MISSING else field(default_factory=partial(_same, default))
        members.append((f"option{number}", hint, given))
    return make_dataclass("Options", members, kw_only=True, namespace={"__doc__": about})


def _same(value: Any) -> Any:
    return value
