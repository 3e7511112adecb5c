"""Stages: named pieces of work with a folder each, done once and redone when stale."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from disc.files import BadInput, digest, holds_files, read_bytes
from disc.processes import own_share, wait_for_all
from disc.progress import tell_progress
from disc.records.listing import BEGUN, DONE, hash_once, list_files
from disc.records.markers import (
    Done,
    check_files,
    has_marker,
    read_begun,
    read_done,
    result_key,
    write_begun,
    write_done,
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One piece of work.

    Attributes:
        name: also its folder in the run.
        needs: names of the stages whose results it reads.
        settings: what of the configuration it depends on, any JSON value.
        work: does it; returns what was done, in a few words.
        outputs: files outside the folder that must stand.
        is_shared: whether all processes work on it, or only the first.
        kept: folders in its own that are not cleared: its work knows by itself what in them is
            stale.
        result: a file in its folder, with hashes of all that it made: done again with the same
            result, the stage leaves what follows done. "": what follows is done again in any case.
        is_trained: whether it makes weights, which no change of settings throws away unasked.
        given: the files of others that it reads, those that are there; each is known by its
            content, wherever it lies.
        look_ahead: sees, before the first stage is done, that what its settings name is there.
    """

    name: str
    needs: tuple[str, ...]
    settings: Any
    work: Callable[[Path], str]
    outputs: tuple[Path, ...] = ()
    is_shared: bool = False
    kept: tuple[str, ...] = ()
    result: str = ""
    is_trained: bool = False
    given: Callable[[], Sequence[Path]] = tuple
    look_ahead: Callable[[], object] = tuple


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What became of a stage."""

    name: str
    seconds: float
    what: str


def run_stages(
    stages: Sequence[Stage], root: Path, *, until: str, say: Callable[[str], None]
) -> list[StageRecord]:
    """Do what is missing or stale, in order, up to and including stage `until`.

    A stage is done when its `done.json`, written last, stands for the present configuration and
    the present results of what it needs. A stage that was stopped resumes where it was; one that
    was begun for another configuration is cleared first. Stages that are done are told in one line.

    Raises:
        BadInput: if there is no stage `until`, or a file that a stage needs is not what it was when
            it was written.
    """
    wanted = list_wanted(stages, until)
    records, done, whole = list[StageRecord](), list[str](), set[str]()
    for number, stage in enumerate(wanted, 1):
        wait_for_all()
        reason = why_stale(stage, root)
        wait_for_all()
        if reason is None:
            done.append(stage.name)
        else:
            _tell_done(done, len(wanted), say)
            done, place = [], f"stage {number} of {len(wanted)}, {stage.name}"
            say(f"{place}: {reason}")
            with tell_progress(place, say):
                check_needs(stage, root, whole)
                what = _do(stage, root)
            say(f"{place}: {what}")
            whole.add(stage.name)
        facts = read_done(root / stage.name)
        records.append(StageRecord(name=stage.name, seconds=facts.seconds, what=facts.what))
    _tell_done(done, len(wanted), say)
    return records


def list_wanted(stages: Sequence[Stage], until: str) -> Sequence[Stage]:
    """The stages up to and including one.

    Raises:
        BadInput: if there is no such stage.
    """
    names = [stage.name for stage in stages]
    if until not in names:
        raise BadInput(f"no stage '{until}'; the stages are {', '.join(names)}")
    return stages[: names.index(until) + 1]


def why_stale(stage: Stage, root: Path) -> str | None:
    """Why a stage must be done, or None if it is done."""
    folder = root / stage.name
    if not has_marker(folder, DONE):
        return "resuming" if has_marker(folder, BEGUN) else "starting"
    facts = read_done(folder)
    if facts.config != digest(stage.settings):
        return "again, its configuration changed"
    for name, key in _input_keys(stage, root).items():
        if facts.inputs.get(name) != key:
            return f"again, {name} was redone"
    if exchanged := _exchanged(stage, facts.given):
        return f"again, {exchanged} is not the file that it was"
    missing = [path.name for path in stage.outputs if not path.exists()]
    return f"again, {missing[0]} is missing" if missing else None


def is_resumed(stage: Stage, root: Path) -> bool:
    """Whether a stage was begun for its present settings, and stopped."""
    folder = root / stage.name
    return not has_marker(folder, DONE) and _made_for(folder) == digest(stage.settings)


def check_needs(stage: Stage, root: Path, whole: set[str]) -> None:
    """Compare all that the stages which a stage needs left with what they noted, once a process.

    Args:
        stage: that is to be done.
        root: folder of the run.
        whole: stages that need not be looked at again; added to.

    Raises:
        BadInput: at the first file that is missing or changed; what no later stage reads may be.
    """
    for name in stage.needs if own_share().is_first else ():
        if name in whole or not has_marker(root / name, DONE):
            continue
        check_files(root / name)
        whole.add(name)


def _tell_done(names: Sequence[str], total: int, say: Callable[[str], None]) -> None:
    """Tell in one line which stages that follow each other were done before."""
    if len(names) == total:
        say(f"all {total} stages, {names[0]} to {names[-1]}, were done before: nothing to do")
    elif names:
        say(f"{len(names)} of {total} stages were done before: {', '.join(names)}")


def find_lost(stages: Sequence[Stage], root: Path) -> list[str]:
    """Stages that hold weights which the present configuration would have trained anew.

    A stage that is stale for another reason, such as a deleted folder, is none of them.
    """
    changed = find_changed(stages, root)
    return [
        stage.name
        for stage in stages
        if stage.is_trained
        and stage.name in changed
        and any((root / stage.name).rglob("*.safetensors"))
    ]


def find_changed(stages: Sequence[Stage], root: Path) -> set[str]:
    """Stages that were done, or begun, for other settings or files, and those that need them."""
    changed = set[str]()
    for stage in stages:
        folder = root / stage.name
        made_for = _made_for(folder)
        is_other = made_for not in (None, digest(stage.settings)) or _has_other_file(stage, folder)
        if is_other or changed & set(stage.needs):
            changed.add(stage.name)
    return changed


def _made_for(folder: Path) -> str | None:
    """Hash of the settings that a stage was done or begun for; None: neither."""
    if has_marker(folder, DONE):
        return read_done(folder).config
    return (read_begun(folder).config or None) if has_marker(folder, BEGUN) else None


def _has_other_file(stage: Stage, folder: Path) -> bool:
    """Whether a file of others was exchanged since a stage was done, or begun."""
    if has_marker(folder, DONE):
        return bool(_exchanged(stage, read_done(folder).given))
    if not has_marker(folder, BEGUN):
        return False
    return _differ(read_begun(folder).given or {}, _given(stage))


def _differ(noted: Mapping[str, str], there: Mapping[str, str]) -> bool:
    """Whether a file that was and is there has another content."""
    return any(noted[name] != there[name] for name in {*noted} & {*there})


def _exchanged(stage: Stage, noted: Mapping[str, str] | None) -> str:
    """The first file of others that is not what a stage read, where that was noted; "": none."""
    if noted is None:
        return ""
    return next((name for name, key in _given(stage).items() if noted.get(name) != key), "")


def _given(stage: Stage) -> dict[str, str]:
    """Hash of every file of others that a stage reads, by name."""
    return {path.name: hash_once(path) for path in stage.given()}


def _do(stage: Stage, root: Path) -> str:
    """Do a stage; what was done and how long it took, for people."""
    folder, share = root / stage.name, own_share()
    key: dict[str, Any] = {
        "config": digest(stage.settings),
        "inputs": _input_keys(stage, root),
        "given": _given(stage),
    }
    if share.is_first:
        _prepare(folder, key, stage.kept)
    wait_for_all()
    start = time.perf_counter()
    what = stage.work(folder) if stage.is_shared or share.is_first else ""
    wait_for_all()
    if share.is_first:
        seconds = round(time.perf_counter() - start, 2)
        done = Done(
            config=key["config"],
            inputs=key["inputs"],
            given=_given(stage),  # now, since the work may have fetched one
            seconds=seconds,
            what=what,
            finished=time.time_ns(),
            result=digest(read_bytes(folder / stage.result)) if stage.result else "",
            files=list_files(folder, stage.outputs),
        )
        write_done(folder, done)
    wait_for_all()
    return f"{what} ({time.perf_counter() - start:.0f} s)"


def _prepare(folder: Path, key: dict[str, Any], kept: Sequence[str]) -> None:
    """Keep what was begun for the same key; clear anything else that a stage left."""
    is_begun, is_done = (has_marker(folder, name) for name in (BEGUN, DONE))
    if holds_files(folder) and not (is_begun or is_done):
        raise BadInput(f"{folder}: holds files that no stage wrote; move it, or name another run")
    if is_begun and not is_done and _is_begun_for(folder, key):
        return
    # the marker goes first: cleared halfway, the folder must not look done
    (folder / DONE).unlink(missing_ok=True)
    write_begun(folder, {})
    for child in folder.iterdir():
        if child.name != BEGUN and child.name not in kept:
            is_folder = child.is_dir() and not child.is_symlink()
            shutil.rmtree(child) if is_folder else child.unlink()
    write_begun(folder, key)


def _is_begun_for(folder: Path, key: dict[str, Any]) -> bool:
    """Whether a stage at work is being made from this; a file that is, or was, lacking is any."""
    begun = asdict(read_begun(folder))
    is_other = _differ(begun.pop("given"), key["given"])
    return not is_other and begun == {name: value for name, value in key.items() if name != "given"}


def _input_keys(stage: Stage, root: Path) -> dict[str, str]:
    return {name: result_key(root / name) for name in stage.needs}
