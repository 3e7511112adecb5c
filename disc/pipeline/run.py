"""A run: all stages in order, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from disc.busy import tell_threads
from disc.files import BadInput, holds_files, sweep, write_bytes
from disc.pipeline.config_file import list_differences, to_json
from disc.pipeline.configurations import FEATURES
from disc.pipeline.context import Context
from disc.pipeline.stage import (
    Stage,
    find_changed,
    find_lost,
    is_resumed,
    list_wanted,
    run_stages,
    why_stale,
)
from disc.pipeline.stage_list import all_stages
from disc.processes import own_share
from disc.progress import print_line
from disc.records.lock import hold_folder
from disc.records.typed import stands
from disc.settings.run import Run
from disc.settings.synthesis import STUDENT
from disc.settings.training import Optim
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
        BadInput: if the configuration or the data cannot be used, a file that it names is missing,
            another process writes to the folder, or it holds what another configuration trained.
    """
    folder, is_first = run.out / run.name, own_share().is_first
    say = print_line if is_first else _say_nothing
    if run.validation.tensorboard:
        require_tensorboard()
    stages = all_stages(Context(run, folder))
    wanted = list_wanted(stages, run.until)
    refuse_uneven(run, [stage.name for stage in wanted], own_share().count)
    refuse_missing(wanted, folder)
    with _hold(folder, say) if is_first else nullcontext():
        if is_first:
            _write_config(run, folder, stages)
            if begins_training(wanted, folder):
                for note in tell_threads():
                    say(note)
        run_stages(stages, folder, until=run.until, say=say)
    return folder / "report" / "index.html"


@contextmanager
def _hold(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Keep others from the folder, and clear it of what killed processes left half written.

    Raises:
        BadInput: if it is no run's; nothing in it is touched then.
    """
    if folder.is_file():
        raise BadInput(f"{folder}: a file; name another run with --name")
    if holds_files(folder) and not stands(folder / "config.json"):
        raise BadInput(f"{folder}: holds files but no config.json of a run; name another run")
    with hold_folder(folder, say):
        sweep(folder)
        yield


def refuse_uneven(run: Run, names: Sequence[str], count: int) -> None:
    """See before the first stage that every batch can be shared by the processes.

    Args:
        run: the configuration.
        names: of the stages that are wanted.
        count: of processes.

    Raises:
        BadInput: if one cannot.
    """
    for stage, setting, optim in list_trainings(run):
        pieces = count * optim.speed.accumulate
        if stage in names and optim.steps and optim.batch % pieces:
            parts = f" in {optim.speed.accumulate} pieces" if optim.speed.accumulate > 1 else ""
            raise BadInput(
                f"{stage}: a batch of {optim.batch} cannot be shared by {count} processes{parts}; "
                f"give --{setting}.batch a multiple of {pieces}, or start fewer processes"
            )


def refuse_missing(stages: Sequence[Stage], folder: Path) -> None:
    """See before the first stage that what the settings name is there, for what will be done.

    Args:
        stages: that are wanted.
        folder: of the run.

    Raises:
        BadInput: if it is not.
    """
    ahead, changed = set[str](), find_changed(stages, folder)
    for stage in stages:
        if ahead & set(stage.needs) or why_stale(stage, folder) is not None:
            if not is_resumed(stage, folder):  # else it was looked at when it began
                stage.look_ahead()
            # a result that was lost may turn out the same, and leave what follows done
            if not stage.result or stage.name in changed:
                ahead.add(stage.name)


def begins_training(stages: Sequence[Stage], folder: Path) -> bool:
    """Whether networks will be trained in a folder where none is yet."""
    trained = [stage for stage in stages if stage.is_trained]
    return bool(trained) and not any((folder / stage.name).exists() for stage in trained)


def list_trainings(run: Run) -> list[tuple[str, str, Optim]]:
    """Stage, setting and optimisation of everything that all processes train together."""
    autoencoder, distil = run.autoencoder, run.distil
    is_trained = autoencoder.source is None or autoencoder.finetune
    own = [("autoencoder", "autoencoder.optim", autoencoder.optim)] if is_trained else []
    return [
        ("referee", "evaluate.referee.optim", run.evaluate.referee.optim),
        *own,
        ("autoencoder", "autoencoder.decoder.optim", autoencoder.decoder.optim),
        ("denoiser/sd", "denoiser.optim", run.denoiser.optim),
        *[
            (f"denoiser/{name}", "distil.student.optim", distil.student.optim)
            if name == STUDENT
            else (f"denoiser/{name}", "distil.optim", distil.optim)
            for name in distil.variants
        ],
        *[
            (stage, "grade.carcino.optim", run.grade.carcino.optim)
            for stage in (FEATURES, "graders/pixels")
        ],
    ]


def _say_nothing(text: str) -> None:
    """What processes other than the first say."""


def _write_config(run: Run, folder: Path, stages: Sequence[Stage]) -> None:
    path = folder / "config.json"
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
        return (
            "the files of the data or of autoencoder.source changed, another version of disc "
            "made what they learn from, or a --redo was stopped"
        )
    rest = len(found) - MAX_SHOWN
    return ", ".join(found[:MAX_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
