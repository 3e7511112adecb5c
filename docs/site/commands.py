"""Help on every command, as the program itself tells it."""

from __future__ import annotations

import contextlib
import io
import os

from disc import cli
from disc.command_line.understand import understand
from disc.presets import PRESETS

WIDTH = "100"
"""Columns of the help."""


def tell_all() -> str:
    """Sections of Markdown: the program, its commands, and every option of a run."""
    preset = next(name for name in PRESETS if name == "laptop")
    sections = [_tell("disc", "--help")]
    for name in cli.COMMANDS:
        sections.append(_tell(f"disc {name}", name, "--help"))
        if name == "run":
            sections.append(_tell(f"disc run {preset}", name, preset, "--help"))
    sections.append(_tell(f"disc run {preset} --help-all", "run", preset, "--help-all"))
    return "\n".join(sections)


def _tell(title: str, *words: str) -> str:
    told = io.StringIO()
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS=WIDTH, NO_COLOR="1")
    try:
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            understand(words, cli.COMMANDS, cli.ABOUT)()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
    text = "\n".join(line.rstrip() for line in told.getvalue().splitlines())
    return f"## {title}\n\n```text\n{text}\n```\n"
