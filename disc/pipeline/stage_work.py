"""What does the work of each stage; it loads torch and all that learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from disc.pipeline.configurations import features_of
from disc.pipeline.context import FOLDS, Context
from disc.pipeline.stages.agreement import measure_agreement
from disc.pipeline.stages.autoencoder import make_autoencoder, make_latents
from disc.pipeline.stages.bank import make_bank
from disc.pipeline.stages.data import prepare_data
from disc.pipeline.stages.denoiser import train_on_all, train_on_fold, train_on_one_fold
from disc.pipeline.stages.distillation import distil
from disc.pipeline.stages.features import make_features
from disc.pipeline.stages.pixel_graders import grade_pixels
from disc.pipeline.stages.referee import make_referee
from disc.pipeline.stages.report import write_page
from disc.pipeline.stages.slide_graders import grade_slides
from disc.pipeline.stages.student import train_student
from disc.pipeline.stages.synthesis import synthesise
from disc.sample.bank import read_bank
from disc.settings.synthesis import STUDENT, VARIANTS


def find_work(context: Context, name: str) -> Callable[..., str]:
    """What does a stage, from its folder to what was done in a few words.

    The report is also given the names of the stages before it.
    """
    sd = train_on_all if context.run.denoiser.protocol == "paper" else train_on_one_fold
    works: Mapping[str, Callable[..., str]] = {
        "data": partial(prepare_data, context),
        "referee": partial(make_referee, context),
        "autoencoder": partial(make_autoencoder, context),
        "latents": partial(make_latents, context),
        **{f"denoiser/{fold}": partial(train_on_fold, context, fold) for fold in FOLDS},
        "denoiser/sd": partial(sd, context),
        "bank": partial(make_bank, context),
        "denoiser/sd-disc": partial(distil, context, "sd-disc"),
        "denoiser/sd-disc-cotrain": partial(distil, context, "sd-disc-cotrain"),
        f"denoiser/{STUDENT}": partial(_student, context),
        "agreement": partial(measure_agreement, context),
        **{
            f"synthetic/{name}": partial(synthesise, context, name) for name in (*VARIANTS, STUDENT)
        },
        **{
            features_of(name): partial(make_features, context, name)
            for name in context.run.grade.encoders
        },
        "graders/slides": partial(grade_slides, context),
        "graders/pixels": partial(grade_pixels, context),
        "report": partial(write_page, context),
    }
    return works[name]


def _student(context: Context, folder: Path) -> str:
    return train_student(context, read_bank(context.folder / "bank"), folder)
