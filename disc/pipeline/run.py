"""A run: all stages in order, in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from disc.files import BadInput, holds_files, write_bytes
from disc.pipeline.config_file import list_differences, to_json
from disc.pipeline.context import Context
from disc.pipeline.stage import Stage, find_lost, run_stages
from disc.pipeline.stages.agreement import judge_stages
from disc.pipeline.stages.autoencoder import autoencoder_stage, latents_stage
from disc.pipeline.stages.bank import bank_stage
from disc.pipeline.stages.data import data_stage
from disc.pipeline.stages.denoiser import sd_stages
from disc.pipeline.stages.distillation import distillation_stages
from disc.pipeline.stages.features import features_stage
from disc.pipeline.stages.pixel_graders import pixel_graders_stage
from disc.pipeline.stages.referee import referee_stage
from disc.pipeline.stages.report import page_stage
from disc.pipeline.stages.slide_graders import slide_graders_stage
from disc.pipeline.stages.synthesis import synthesis_stages
from disc.processes import own_share
from disc.settings.run import Run
from disc.train.tensorboard import require_tensorboard


def generator_stages(context: Context) -> list[Stage]:
    """The stages from data to distilled denoisers."""
    return [
        data_stage(context),
        autoencoder_stage(context),
        latents_stage(context),
        *sd_stages(context),
        bank_stage(context),
        *distillation_stages(context),
    ]


def grading_stages(context: Context) -> list[Stage]:
    """Synthetic slides and the graders trained with them."""
    generated = synthesis_stages(context)
    names = tuple(stage.name for stage in generated)
    return [
        *generated,
        features_stage(context, names),
        slide_graders_stage(context),
        pixel_graders_stage(context, names),
    ]


MAX_SHOWN = 6
"""Differences of two configurations that are listed."""


def all_stages(context: Context) -> list[Stage]:
    """Every stage of a run, in the order of the data."""
    data, *generative = generator_stages(context)
    stages = [data, referee_stage(context), *generative]
    stages += [*judge_stages(context), *grading_stages(context)]
    return [*stages, page_stage(context, stages)]


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
        BadInput: if the configuration or the data cannot be used, or the folder holds what another
            configuration trained.
    """
    folder = run.out / run.name
    console = Console(highlight=False, quiet=not own_share().is_first)
    if run.validation.tensorboard:
        require_tensorboard()
    stages = all_stages(Context(run, folder))
    if own_share().is_first:
        _write_config(run, folder, stages)
    run_stages(stages, folder, until=run.until, say=console.print)
    return folder / "report" / "index.html"


def _write_config(run: Run, folder: Path, stages: Sequence[Stage]) -> None:
    path = folder / "config.json"
    if folder.is_file():
        raise BadInput(f"{folder}: a file; name another run with --name")
    if holds_files(folder) and not path.exists():
        raise BadInput(f"{folder}: holds files but no config.json of a run; name another run")
    lost = [] if run.redo or not path.exists() else find_lost(stages, folder)
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
