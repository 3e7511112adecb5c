"""A run: all stages in order, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from disc.files import BadInput, holds_files, sweep, write_bytes
from disc.pipeline.config_file import list_differences, to_json
from disc.pipeline.context import Context
from disc.pipeline.stage import Stage, find_lost, run_stages
from disc.pipeline.stage_list import all_stages
from disc.processes import own_share
from disc.progress import print_line
from disc.records.lock import hold_folder
from disc.records.typed import stands
from disc.settings.run import Run
from disc.train.tensorboard import require_tensorboard

MAX_SHOWN = 6
"""Differences of two configurations that are listed."""


def split_folds(run: Run) -> list[Run]:
    """The runs that a configuration asks for: one for each of its folds, or itself."""
    return [
        replace(run, out=run.out / run.name, name=fold, folds=(), data=replace(run.data, fold=fold))
        for fold in run.folds
    ] or [run]


def execute(run: Run) -> Path:
    """Do what is missing or stale of a run.

    Returns:
        The report page (which stands only if the run went up to it).

    Raises:
        BadInput: if the configuration or the data cannot be used, another process writes to the
            folder, or it holds what another configuration trained.
    """
    folder, is_first = run.out / run.name, own_share().is_first
    say = print_line if is_first else _say_nothing
    if run.validation.tensorboard:
        require_tensorboard()
    stages = all_stages(Context(run, folder))
    with _hold(folder, say) if is_first else nullcontext():
        if is_first:
            _write_config(run, folder, stages)
        run_stages(stages, folder, until=run.until, say=say)
    return folder / "report" / "index.html"


@contextmanager
def _hold(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep others from the folder, and clear it of what killed processes left half written."""
    if folder.is_file():
        raise BadInput(f"{folder}: a file; name another run with --name")
    with hold_folder(folder, say):
        sweep(folder)
        yield


def _say_nothing(text: str) -> None:
    """What processes other than the first say."""


def _write_config(run: Run, folder: Path, stages: Sequence[Stage]) -> None:
    path = folder / "config.json"
    if holds_files(folder) and not stands(path):
        raise BadInput(f"{folder}: holds files but no config.json of a run; name another run")
    lost = [] if run.redo or not stands(path) else find_lost(stages, folder)
    if lost:
        raise BadInput(
            f"{folder}: {', '.join(lost)}: trained with another configuration "
            f"({_tell_difference(path, run)}); give another --name, or --redo to train anew here"
        )
    write_bytes(path, to_json(run))


def _tell_difference(path: Path, run: Run) -> str:
    found = list_differences(path, run)
    if not found:
        return "the files of the data or of autoencoder.source changed, or a --redo was stopped"
    rest = len(found) - MAX_SHOWN
    return ", ".join(found[:MAX_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
