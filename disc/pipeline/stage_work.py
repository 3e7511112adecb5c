"""What does the work of each stage; it loads torch and all that learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from disc.pipeline.arms import FEATURES
from disc.pipeline.context import FOLDS, TRAINED, Context
from disc.pipeline.generator import _autoencoder, _bank, _data, _distilled, _latents
from disc.pipeline.grading import _features, _grade_pixels, _grade_slides, _paint
from disc.pipeline.judge import _agreement
from disc.pipeline.page import _write
from disc.pipeline.protocol import _on_all, _on_fold, _on_one_fold
from disc.pipeline.referee import _referee
from disc.settings import VARIANTS


def find_work(context: Context, name: str) -> Callable[..., str]:
    """What does a stage, from its folder to what was done in a few words.

    The report is also given the names of the stages before it.
    """
    sd = _on_all if context.run.denoiser.protocol == "paper" else _on_one_fold
    works: Mapping[str, Callable[..., str]] = {
        "data": partial(_data, context),
        "referee": partial(_referee, context),
        "autoencoder": partial(_autoencoder, context),
        "latents": partial(_latents, context),
        **{f"denoiser/{fold}": partial(_on_fold, context, fold) for fold in FOLDS},
        "denoiser/sd": partial(sd, context),
        "bank": partial(_bank, context),
        **{f"denoiser/{name}": partial(_distilled, context, name) for name in TRAINED[1:]},
        "agreement": partial(_agreement, context),
        **{f"synthetic/{name}": partial(_paint, context, name) for name in VARIANTS},
        FEATURES: partial(_features, context),
        "graders/slides": partial(_grade_slides, context),
        "graders/pixels": partial(_grade_pixels, context),
        "report": partial(_write, context),
    }
    return works[name]
