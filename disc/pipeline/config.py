"""The configuration of a run as a file, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from disc.files import BadInput, read_json
from disc.settings import Run

FREE = ("name", "out", "until", "redo", "data.workers", "report.palette")
"""Settings that no result depends on."""
ABSENT = "absent"


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


def list_differences(path: Path, run: Run) -> list[str]:
    """What a configuration on disk has otherwise than a run: "denoiser.layers: 1 -> 2".

    Settings that no result depends on are left out.
    """
    before, now = dict(_flatten(read_json(path))), dict(_flatten(json.loads(to_json(run))))
    names = [name for name in {**now, **before} if name not in FREE and ".speed." not in name]
    return [
        f"{name}: {before.get(name, ABSENT)} -> {now.get(name, ABSENT)}"
        for name in names
        if before.get(name, ABSENT) != now.get(name, ABSENT)
    ]


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict) or not value:
        yield name, json.dumps(value)
        return
    for key, part in value.items():
        yield from _flatten(part, f"{name}.{key}" if name else key)
