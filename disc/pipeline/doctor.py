"""Which files of a run, or of a study, are whole: what `disc doctor` finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from disc.files import BadInput, read_bytes, read_json
from disc.pipeline.config_file import read_config
from disc.records.listing import BEGUN, DONE, UNREAD, Listed, find_fault, tell_remedy, walk_files
from disc.records.lock import Holder, find_holder
from disc.records.markers import has_marker, read_begun, read_done, result_key
from disc.records.seal import check_sealed_file
from disc.records.typed import stands

CONFIG = "config.json"
STUDY = "study.json"
_CHECKPOINT = "checkpoint.safetensors"
_DELETE = "bring it back, or delete it: the command that made it then makes it again"


@dataclass(frozen=True)
class Fault:
    """A file that is not what it was.

    Attributes:
        path: of the file, within the run.
        why: what is wrong with it.
        remedy: what to do.
    """

    path: str
    why: str
    remedy: str


@dataclass
class Health:
    """How a stage is.

    Attributes:
        name: of the stage.
        state: done, begun, or of unknown state.
        whole: number of files that are what they were.
        damaged: files that are not, or are missing.
        extra: files that the stage did not write.
        unrecorded: files of which nothing was noted, as in runs from before files were.
        stale: stages that are not done, or were made again since; `disc run` makes this one again.
    """

    name: str
    state: str
    whole: int = 0
    damaged: list[Fault] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a run.

    Attributes:
        stages: in the order in which they were done.
        loose: files at the run's top, and folders of no stage.
        holder: the process that is at work on it, if one is.
    """

    stages: list[Health]
    loose: Health
    holder: Holder | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not any(health.damaged for health in (*self.stages, self.loose))


def examine_run(folder: Path) -> Diagnosis:
    """Compare every file of a run, or of a study, with what was noted when it was written.

    Raises:
        BadInput: if the folder is neither's.
    """
    is_study = stands(folder / STUDY)
    places = sorted({path.parent for path in _markers(folder, is_study=is_study)})
    # graded slides have markers, too
    is_run = stands(folder / CONFIG) or any(not stands(place / "grade.json") for place in places)
    if not (is_study or is_run):
        raise BadInput(
            f"{folder}: no run (no {CONFIG}, no stage) and no study (no {STUDY}); give the folder "
            "of one"
        )
    stages = [_examine_stage(place, folder) for place in places]
    outputs = {
        os.path.normpath(place / name) for place in places for name in _list(place) if ".." in name
    }
    loose, inside = Health(name="", state=""), set(places)
    top = folder / (STUDY if is_study else CONFIG)
    _examine_top(top, loose)
    for path in sorted(walk_files(folder)):
        is_known = path == top or str(path) in outputs
        if not is_known and inside.isdisjoint(path.parents):
            is_old = is_study or any(one.unrecorded and one.state == "done" for one in stages)
            if is_old:
                _examine_unrecorded(path, _DELETE, folder, loose)
            else:
                loose.extra.append(_name(path, folder))
    return Diagnosis(stages, loose, find_holder(folder))


def _markers(folder: Path, *, is_study: bool) -> Iterator[Path]:
    for depth in ("**",) if is_study else ("*", "*/*"):
        for name in (DONE, BEGUN):
            yield from folder.glob(f"{depth}/{name}")


def _list(place: Path) -> list[str]:
    try:
        return list(read_done(place).files or {})
    except (OSError, BadInput):
        return []


def _examine_top(path: Path, loose: Health) -> None:
    command = "study" if path.name == STUDY else "run"
    try:
        (read_json if command == "study" else read_config)(path)
    except (OSError, BadInput) as error:
        why = str(error).partition(": ")[2] or str(error)
        advice = f"bring it back, or start disc {command} with the same options, which writes it"
        loose.damaged.append(Fault(path.name, why, advice))


def _examine_stage(place: Path, folder: Path) -> Health:
    name = _name(place, folder)
    health = Health(name=name, state="done" if has_marker(place, DONE) else "begun")
    try:
        if has_marker(place, BEGUN):
            read_begun(place)
        done = read_done(place) if health.state == "done" else None
    except (OSError, BadInput) as error:
        path = DONE if DONE in str(error) else BEGUN
        why = str(error).partition(": ")[2].partition("; ")[0] or str(error)
        health.damaged.append(Fault(f"{name}/{path}", why, tell_remedy(place)))
        return health
    if done is not None:
        health.stale = [one for one, key in done.inputs.items() if _result(folder / one) != key]
    noted = (done.files if done is not None else None) or {}
    for path, text in noted.items():
        why = find_fault(place / path, Listed.parse(text))
        if why:
            fault = Fault(_name(place / path, folder), why, _remedy(place, path))
            health.damaged.append(fault)
        else:
            health.whole += 1
    for found in sorted(walk_files(place)):
        within = found.relative_to(place).as_posix()
        if within in noted or within in (DONE, BEGUN):
            continue
        if done is not None and done.files is not None:
            health.extra.append(_name(found, folder))
        else:
            _examine_unrecorded(found, _remedy(place, within), folder, health)
    return health


def _examine_unrecorded(path: Path, remedy: str, folder: Path, health: Health) -> None:
    """What a file of which nothing was noted says of itself."""
    why, is_known = "", False
    try:
        if not path.is_file():
            why = "not a file"
        elif path.suffix == ".safetensors":
            is_known = check_sealed_file(path, "")
        elif path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".parquet" and read_bytes(path)[-4:] != b"PAR1":
            why = "no whole Parquet file"
    except (OSError, BadInput) as error:
        why = str(error).partition(": ")[2].rpartition(";")[0] or str(error)
    if why:
        health.damaged.append(Fault(_name(path, folder), why, remedy))
    elif is_known:
        health.whole += 1
    else:
        health.unrecorded.append(_name(path, folder))


def _remedy(place: Path, path: str) -> str:
    if path.rpartition("/")[2] == _CHECKPOINT and not has_marker(place, DONE):
        return "delete it: the same command begins that training anew"
    if not UNREAD.isdisjoint(path.split("/")):
        return "delete it, or leave it: no later stage reads it"
    return tell_remedy(place)


def _result(place: Path) -> str:
    try:
        return result_key(place)
    except (OSError, BadInput):
        return ""


def _name(path: Path, folder: Path) -> str:
    return Path(os.path.normpath(path)).relative_to(os.path.normpath(folder)).as_posix()
