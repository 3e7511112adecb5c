"""The stage `denoiser/sd-disc-fast`: the few-step student, taught from the bank."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from disc.pipeline.context import Context
from disc.pipeline.stages.denoiser import finish, train_and_save, watch_as
from disc.sample.bank import Bank
from disc.settings.synthesis import STUDENT
from disc.train.diagnose import NamedBatches
from disc.train.objectives.student import student_batches, teach


def train_student(context: Context, bank: Bank, folder: Path) -> str:
    """Train the student on a bank and write it into a folder.

    Returns:
        What was done, in a few words.
    """
    run, settings = context.run, context.run.distil.student
    batch_at = student_batches(
        bank,
        context.book.shapes,
        batch=settings.optim.batch,
        seed=run.seed,
        purpose=STUDENT,
        is_paired=settings.paired_noise,
    )
    noise = "the bank's noise" if settings.paired_noise else "fresh noise"
    return teach_student(context, batch_at, folder, noise)


def teach_student(context: Context, batch_at: NamedBatches, folder: Path, on: str) -> str:
    """Train the student on some batches, from the weights of sd, and write it into a folder.

    Args:
        context: the run.
        batch_at: as of `student_batches`.
        folder: of the student.
        on: what its noise is, in a few words.

    Returns:
        What was done, in a few words.
    """
    settings = context.run.distil.student
    train = partial(teach, settings=settings)
    denoiser = context.denoiser("sd")
    train_and_save(_watched(context), folder, denoiser, batch_at, settings.optim, train=train)
    what = f"{settings.optim.steps} steps of {settings.optim.batch} on {on}"
    return finish(context, folder, context.split.train, what)


def _watched(context: Context) -> Context:
    """The run as a student in training is looked at: sampled in its own few steps.

    Its last weights are kept: what it loses on real latents with fresh noise, as validation
    measures it, does not tell which of its weights sample best.
    """
    watched = watch_as(context, STUDENT)
    validation = replace(watched.run.validation, keep="last")
    return Context(replace(watched.run, validation=validation), context.folder)
