"""Where a command writes: looked at before any work, since work may take days."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disc.data.check.request import CheckRequest
from disc.data.writing.request import SelectRequest
from disc.files import BadInput
from disc.pipeline.request import RunRequest

FILES = ("page", "table", "json")
"""Options that name a file to write; `out` names a folder."""
ON_STANDARD_OUTPUT = "-"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something is to be written.

    Attributes:
        path: of it.
        option: that names it.
        is_file: whether it is a file, or a folder.
    """

    path: Path
    option: str
    is_file: bool = False


def check_places(request: Any) -> None:
    """See that all that a command is to write can be where it is to be.

    Args:
        request: of a command.

    Raises:
        BadInput: if a file is in the way of a folder, or a folder of a file, or what is there
            cannot be written to.
    """
    for place in _list_places(request):
        _check(place)


def _list_places(request: Any) -> Iterator[Place]:
    if isinstance(request, RunRequest):
        run = request.run
        if not request.dry_run:
            yield Place(path=run.out / run.name, option="--out or --name")
        return
    if isinstance(request, CheckRequest):  # what it found is said in any case, then what it writes
        return
    if (out := getattr(request, "out", None)) is not None:
        yield Place(path=out, option="--out", is_file=isinstance(request, SelectRequest))
    for name in FILES:
        path = getattr(request, name, None)
        if path is not None and str(path) != ON_STANDARD_OUTPUT:
            yield Place(path=path, option=f"--{name}", is_file=True)


def _check(place: Place) -> None:
    path, advice = place.path, f"give another place with {place.option}"
    if place.is_file and path.is_dir():
        raise BadInput(f"{path}: is a folder; name the file to write")
    there = path.parent if place.is_file else path
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        what = "a file" if there.exists() else "a link that leads nowhere"
        said = "is" if there == path else f"{there} is"
        raise BadInput(f"{path}: {said} {what}, not a folder; {advice}")
    if not os.access(there, os.W_OK | os.X_OK):
        said = "" if there == path else f"{there} "
        raise BadInput(f"{path}: {said}cannot be written to; see its permissions, or {advice}")
