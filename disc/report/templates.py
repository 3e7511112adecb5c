"""The templates that pages are made of."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from disc.data.pixels.mask_colours import name_colours
from disc.labels import Palette


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


def legend(palette: Palette = "safe") -> list[tuple[str, str]]:
    """What the colours of masks mean, as the style sheet writes colours."""
    return [(name, "rgb({}, {}, {})".format(*colour)) for name, colour in name_colours(palette)]
