"""The templates that pages are made of."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from disc.data.pixels.mask_colours import name_colours
from disc.labels import Palette

_OWN = Path(__file__).parent


def open_template(name: str, folder: Path = _OWN) -> Template:
    """A template; what it lacks is an error, and what a page is given is escaped.

    Args:
        name: of its file; a page ends in .html.
        folder: where it lies; what it takes in may lie beside this file.
    """
    is_page = name.endswith(".html")
    environment = Environment(
        loader=FileSystemLoader([folder, _OWN, _OWN / "frame"]),
        autoescape=is_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_page,
    )
    return environment.get_template(name)


def legend(palette: Palette = "safe") -> list[tuple[str, str]]:
    """What the colours of masks mean, as the style sheet writes colours."""
    return [(name, "rgb({}, {}, {})".format(*colour)) for name, colour in name_colours(palette)]
