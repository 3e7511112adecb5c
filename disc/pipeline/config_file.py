"""The configuration of a run as a file, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from disc.files import BadInput, read_json
from disc.pipeline.renamed import find_new_name
from disc.settings.run import Run

MAX_FAULTS = 6
"""Faults of a file that are told at once."""
VERSION = 1
"""Of the settings' names and meanings, in `config.json`; files of before it have none."""
FREE = ("version", "name", "out", "until", "redo", "data.workers", "report.palette")
"""Settings that no result depends on."""
ABSENT = "absent"


def to_json(run: Run) -> bytes:
    """The whole configuration, as `config.json` holds it.

    The version stands in the file alone: it is no setting, and no stage depends on it.
    """
    values = {"version": VERSION, **_adapter().dump_python(run, mode="json")}
    return json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n"


def read_config(path: Path) -> Run:
    """Read what `to_json` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is of another version, or a field is unknown, missing or of another type.
    """
    values = read_json(path, "give the config.json of a run")
    if not isinstance(values, dict):
        raise BadInput(f"{path}: not the configuration of a run; give the config.json of one")
    version = values.pop("version", "none")
    try:
        run = _adapter().validate_json(json.dumps(values), extra="forbid")
    except ValidationError as error:
        faults = "; ".join(tell_fault(fault) for fault in error.errors()[:MAX_FAULTS])
    else:
        faults = ""
    if version != VERSION:
        advice = f'correct its keys and write "version": {VERSION}, or begin from a preset'
        told = f"version: {version}, expected {VERSION}; written by another disc; {advice}"
        raise BadInput(f"{path}: {'; '.join(filter(None, (told, faults)))}")
    if faults:
        raise BadInput(f"{path}: {faults}")
    return run


@cache
def _adapter() -> TypeAdapter[Run]:
    return TypeAdapter(Run)


def tell_fault(fault: Mapping[str, Any]) -> str:
    """What is wrong with one key, and its present name where it was renamed."""
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "unexpected_keyword_argument":
        return f"{name or 'the file'}: {fault['msg']}"
    new = find_new_name(name)
    return f"{name} is now called {new}" if new else f"{name}: no such setting; delete it"


def list_differences(path: Path, run: Run) -> list[str]:
    """What a configuration on disk has otherwise than a run: "denoiser.layers: 1 -> 2".

    Settings that no result depends on are left out, and old names count as the present ones.
    """
    now = dict(_flatten(json.loads(to_json(run))))
    before = {
        name if name in now else find_new_name(name) or name: value
        for name, value in _flatten(read_json(path, "bring it back, or name another run"))
    }
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
