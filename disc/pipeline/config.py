"""The configuration of a run as a file, and back."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from disc.files import BadInput
from disc.settings import Run


def to_json(run: Run) -> bytes:
    """The whole configuration, as `config.json` holds it."""
    return TypeAdapter(Run).dump_json(run, indent=2) + b"\n"


def read_config(path: Path) -> Run:
    """Read what `to_json` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if a field is unknown, missing or of another type.
    """
    try:
        return TypeAdapter(Run).validate_json(path.read_bytes(), extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {place or 'the file'}: {first['msg']}") from error
