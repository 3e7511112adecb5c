"""The templates that pages are made of."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from disc.labels import COLOURS, NAMES


def open_template(name: str) -> Template:
    """A template of this folder; what it lacks is an error, what it is given is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def legend() -> list[tuple[str, str]]:
    """Labels with their colours, as the style sheet writes colours."""
    return [(NAMES[label], "rgb({}, {}, {})".format(*colour)) for label, colour in COLOURS.items()]
