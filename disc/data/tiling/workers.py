"""Slides distributed to processes; each one's outcome is recorded when its tiles stand."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from disc.data.readers.slide_masks import name_slide
from disc.data.tiles.names import as_id
from disc.data.tiling.cut_slide import contradicts, cut_slide, open_slide
from disc.data.tiling.jobs import Job
from disc.data.tiling.request import TileRequest
from disc.data.writing.set_writer import SetWriter
from disc.files import BadInput, read_json, sync_all, write_json
from disc.processes import Share, num_cores, open_pool
from disc.progress import Bar

Part = tuple[Job, Share]
Facts = dict[str, Any]

_SYNC_SECONDS = 5.0
"""Slides become durable together, at most this far apart: a sync takes as long for one."""
_UNDONE = {"failed": "its tiles were being taken away"}
"""Recorded before the first of them goes: a kill may follow."""


def record_of(request: TileRequest, job: Job) -> Path:
    """Where a slide's outcome is recorded."""
    return request.out / "slides" / f"{job.slide.slide_id}.json"


def is_done(request: TileRequest, job: Job) -> bool:
    """Whether the tiles of a slide stand; one that failed is tried again.

    So is one whose file does not say its resolution, when another is given for it, and one whose
    file said another than the table does.
    """
    facts = read_facts(request, job)
    if "failed" in facts or (request.scores_from_masks and "pixels" not in facts):
        return False
    return not _has_other_width(job, facts)


def find_refused(jobs: Sequence[Job], request: TileRequest) -> dict[str, str]:
    """Why slides whose tiles stand would fail now, by id; their tiles are to stay as they are.

    These are slides that a table given later contradicts, or whose resolution is not given any
    more. A file that agrees by now is to be cut anew.
    """
    refused = {}
    for job in jobs:
        facts = read_facts(request, job)
        if "failed" in facts or not _has_other_width(job, facts):
            continue
        if why := _find_refusal(job, request):
            refused[job.slide.slide_id] = f"{why}; until then its tiles stay as they were"
    return refused


def _find_refusal(job: Job, request: TileRequest) -> str:
    try:
        open_slide(job, request)
    except BadInput as error:
        return " ".join(str(error).split())
    return ""


def read_facts(request: TileRequest, job: Job) -> Facts:
    """What is recorded of a slide; it has `failed`, unless its tiles stand."""
    path = record_of(request, job)
    facts: Facts = read_json(path) if path.exists() else {"failed": ""}
    return facts


def _has_other_width(job: Job, facts: Facts) -> bool:
    is_same = facts.get("given_um") in (None, job.um_per_px)
    return contradicts(job, facts.get("um_per_px")) or not is_same


def discard_former(jobs: Sequence[Job], request: TileRequest) -> None:
    """Take away what earlier tries filed under names that slides have no more.

    These are slides whose name another one has got since, and OME-TIFFs, once called `x.ome`.
    """
    current = {job.slide.slide_id for job in jobs}
    names = {name for job in jobs for name in job.earlier_names if as_id(name) not in current}
    records = {name: request.out / "slides" / f"{as_id(name)}.json" for name in names}
    # Two names may have one record, and it is the last to go.
    found = {name: record for name, record in records.items() if record.exists()}
    for record in set(found.values()):
        write_json(record, _UNDONE)
    for name in found:
        _discard(as_id(name), name, request)
    for record in found.values():
        record.unlink(missing_ok=True)


def cut_slides(jobs: Sequence[Job], request: TileRequest, *, shown: bool) -> None:
    """Cut slides by the processes of the request; few slides are cut by several at once each.

    Args:
        jobs: slides whose tiles do not stand; what is left of them is taken away first.
        request: what to cut.
        shown: whether to show progress.
    """
    for job in jobs:
        if record_of(request, job).exists():
            if "failed" not in read_facts(request, job):
                write_json(record_of(request, job), _UNDONE)
            _discard_job(job, request)
    count = request.processes or num_cores()
    num_parts = 1 if len(jobs) >= 2 * count else count
    parts = [(job, Share(rank, num_parts)) for job in jobs for rank in range(num_parts)]
    count = min(count, len(parts))
    bar = Bar("tiling", total=len(parts), unit="part", shown=shown)
    results = _alone(parts, request) if count <= 1 else _shared(parts, request, count)
    try:
        _record_all(results, request, bar)
    finally:
        bar.close()


def _record_all(results: Iterator[tuple[Part, Facts]], request: TileRequest, bar: Bar) -> None:
    """Record every slide's outcome, when all of its parts are there and on disk."""
    waiting: dict[Job, list[Facts]] = {}
    cut: list[tuple[Job, Facts]] = []
    last = time.monotonic()
    for (job, share), facts in results:
        bar.advance()
        waiting.setdefault(job, []).append(facts)
        if len(waiting[job]) == share.count:
            cut.append((job, _join(waiting.pop(job))))
        if time.monotonic() - last > _SYNC_SECONDS:
            _record(cut, request)
            cut, last = [], time.monotonic()
    _record(cut, request)


def _record(cut: Sequence[tuple[Job, Facts]], request: TileRequest) -> None:
    for job, facts in cut:
        if "failed" in facts:
            _discard_job(job, request)
    sync_all()
    for job, facts in cut:
        write_json(record_of(request, job), facts)


def _join(parts: Sequence[Facts]) -> Facts:
    failed = sorted(part["failed"] for part in parts if "failed" in part)
    if failed:
        return {"failed": failed[0]}
    tiles = [tile for part in parts for tile in part["tiles"]]
    pixels = [sum(counts) for counts in zip(*(part["pixels"] for part in parts), strict=True)]
    ordered = sorted(tiles, key=lambda tile: (tile["y"], tile["x"]))
    return {**parts[0], "tiles": ordered, "pixels": pixels}


def _discard_job(job: Job, request: TileRequest) -> None:
    """Take away what was written of a slide before it failed."""
    slide_id, name = job.slide.slide_id, name_slide(job.path)
    # One with an id of its own, for another has its name, has left nothing under that.
    _discard(slide_id, name if as_id(name) == slide_id else "", request)


def _discard(slide_id: str, name: str, request: TileRequest) -> None:
    start = f"{slide_id}_Block_"
    whole = {"thumbnails": f"{slide_id}.jpg", "patches": f"{name}.h5"}
    for folder in (request.out / name for name in ("images", "masks", *whole)):
        names = list(folder.iterdir()) if folder.is_dir() else []
        for path in names:
            if path.name.startswith(start) or path.name == whole.get(folder.name):
                path.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _alone(parts: Sequence[Part], request: TileRequest) -> Iterator[tuple[Part, Facts]]:
    yield from ((part, _cut(part, request)) for part in parts)


def _shared(
    parts: Sequence[Part], request: TileRequest, count: int
) -> Iterator[tuple[Part, Facts]]:
    """Results as they come, from several processes; one that dies takes only its slide with it."""
    left = dict(enumerate(parts))
    while left:
        with open_pool(count, _context()) as pool:
            futures = {pool.submit(_cut, part, request): key for key, part in left.items()}
            for future in as_completed(futures):
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield left.pop(futures[future]), future.result()
        # The pool broke, at one of the first that are left; so these one by one.
        for key in list(left)[: 2 * count]:
            part = left.pop(key)
            yield part, _cut_guarded(part, request)


def _cut_guarded(part: Part, request: TileRequest) -> Facts:
    """The same in a process of its own, which may die."""
    with open_pool(1, _context()) as pool:
        try:
            return pool.submit(_cut, part, request).result()
        except BrokenProcessPool:
            return {"failed": f"{part[0].path}: the program that reads it crashed; replace it"}


def _context() -> BaseContext:
    """Workers that inherit imports, but no threads and no locks."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _cut(part: Part, request: TileRequest) -> Facts:
    """Outcome of a part of a slide: its facts, or why there are none."""
    job, share = part
    try:
        return cut_slide(job, request, SetWriter(request.out), share)
    except BadInput as error:
        return {"failed": " ".join(str(error).split())}
