"""What `disc doctor` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from disc.pipeline.doctor import Diagnosis, Health, examine_run
from disc.pipeline.request import DoctorRequest

_MAX_SHOWN = 6
"""Files of a kind that are named."""


def tell_health(request: DoctorRequest) -> tuple[str, bool]:
    """What is whole in a run or a study and what is not, in lines, and whether nothing is damaged.

    Raises:
        BadInput: if the folder is neither's.
    """
    found = examine_run(request.run)
    return "\n".join(_lines(found, 10**9 if request.all else _MAX_SHOWN)), found.is_whole


def _lines(found: Diagnosis, limit: int) -> Iterator[str]:
    if found.holder is not None:
        yield f"in use by {found.holder}: what is being written is not finished"
    width = max((len(health.name) for health in found.stages), default=0)
    for health in found.stages:
        yield f"{health.name:{width}}  {health.state:5}  {_count(health)}"
    for health in (*found.stages, found.loose):
        for fault in health.damaged[:limit]:
            yield f"damaged: {fault.path}: {fault.why}; {fault.remedy}"
        yield from _more(health.damaged, limit)
    for health in (*found.stages, found.loose):
        yield from (f"extra: {name}: written by no stage" for name in health.extra[:limit])
        yield from _more(health.extra, limit)
    every = (*found.stages, found.loose)
    if unrecorded := sum(len(health.unrecorded) for health in every):
        yield (
            f"{unrecorded:,} files were not recorded when they were written (by an older version, "
            "or a stage at work): that they can be read is all that is known of them"
        )
    num = sum(len(health.damaged) for health in every)
    whole = sum(health.whole for health in every)
    yield f"{whole:,} files whole, {num:,} damaged or missing"


def _count(health: Health) -> str:
    counts = {
        "whole": health.whole,
        "damaged": len(health.damaged),
        "extra": len(health.extra),
        "not recorded": len(health.unrecorded),
    }
    told = [f"{num:,} {name}" for name, num in counts.items() if num] or ["no files"]
    if health.stale:
        told.append(f"out of date: {', '.join(health.stale)} not done, or made again since")
    return ", ".join(told)


def _more(names: Sequence[object], limit: int) -> Iterator[str]:
    if len(names) > limit:
        yield f"  and {len(names) - limit:,} more; --all lists them"
