"""Every stage of a run: what it needs, and what of the configuration it depends on.

Free of torch, so that a run with nothing left to do says so at once: what does a stage's work is
loaded when there is work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from disc.pipeline.configurations import (
    ENCODER,
    features_of,
    needs_superpixels,
    pixel_configurations,
    slide_configurations,
)
from disc.pipeline.context import FOLDS, QUALITY, Context
from disc.pipeline.input_facts import (
    choosing_settings,
    data_settings,
    deciding_settings,
    encoder_file,
    first_weights,
    list_features,
    other_graders,
    other_sampling,
    require_data,
    require_features,
    require_first,
    require_plan,
    require_public,
    require_source,
    source_hash,
)
from disc.pipeline.renamed import as_json
from disc.pipeline.stage import Stage
from disc.settings.distillation import Distilled
from disc.settings.grading import GIVEN, EncoderName
from disc.settings.synthesis import STUDENT, Variant, weights_of

LATENTS = "latents.json"
"""What `disc.train.latents.encoding` writes last."""


def all_stages(context: Context) -> list[Stage]:
    """Every stage of a run, in the order of the data; nothing heavy is loaded or read."""
    data, *generative = generator_stages(context)
    stages = [data, referee_stage(context), *generative]
    stages += [*judge_stages(context), *grading_stages(context)]
    return [*stages, page_stage(context, stages)]


def generator_stages(context: Context) -> list[Stage]:
    """The stages from data to distilled denoisers."""
    run = context.run
    sampling = [as_json(run.sample.solver), run.distil.num_bundles, run.seed]
    sampling += other_sampling("sd", run.sample)
    return [
        Stage(
            name="data",
            needs=(),
            settings=data_settings(context),
            work=_later(context, "data"),
            look_ahead=partial(require_data, context),
        ),
        Stage(
            name="autoencoder",
            needs=("data",),
            settings=[as_json(run.autoencoder), source_hash(run.autoencoder), run.seed],
            work=_later(context, "autoencoder"),
            is_shared=True,
            is_trained=True,
            look_ahead=partial(require_source, run.autoencoder),
        ),
        Stage(
            name="latents",
            needs=("data", "autoencoder"),
            settings=[run.denoiser.dihedral, run.denoiser.latents_dtype],
            work=_later(context, "latents"),
            is_shared=True,
            kept=("shards",),
            result=LATENTS,
        ),
        *sd_stages(context),
        Stage(
            name="bank",
            needs=("denoiser/sd", "referee"),
            settings=sampling,
            work=_later(context, "bank"),
            is_shared=True,
        ),
        *[_distilling(context, variant) for variant in run.distil.variants],
    ]


def sd_stages(context: Context) -> list[Stage]:
    """The stages that end in `denoiser/sd`.

    Paper: Sec. 3 (two folds, the lower validation error, then 50 epochs on all).
    """
    run = context.run
    # slides' labels, and which tiles a fold trains on, may change where no latent does
    needs: tuple[str, ...] = ("data", "latents")
    if run.denoiser.protocol == "one-fold":
        return [_training(context, "sd", needs)]
    folds = [_training(context, fold, needs) for fold in FOLDS]
    last = _training(context, "sd", (*needs, *(stage.name for stage in folds)))
    return [*folds, replace(last, settings=[last.settings, run.denoiser.final_epochs])]


def _training(context: Context, name: str, needs: tuple[str, ...]) -> Stage:
    # What the last pass over all tiles alone depends on, and what stages there are, is left out.
    run, settings = context.run, as_json(context.run.denoiser)
    kept = {key: settings[key] for key in settings if key not in {"protocol", "final_epochs"}}
    return Stage(
        name=f"denoiser/{name}",
        needs=needs,
        settings=[kept, run.seed, *deciding_settings(run), *choosing_settings(run)],
        work=_later(context, f"denoiser/{name}"),
        is_shared=True,
        is_trained=True,
    )


def _distilling(context: Context, variant: Distilled) -> Stage:
    run = context.run
    settings = [as_json(run.distil.optim), run.seed, *deciding_settings(run)]
    if variant == STUDENT:
        student = as_json(run.distil.student)
        # how many evaluations it is sampled with changes no weight
        del student["evaluations"]
        settings = [student, run.seed]
    return Stage(
        name=f"denoiser/{variant}",
        needs=("bank",),
        settings=settings,
        work=_later(context, f"denoiser/{variant}"),
        is_shared=True,
        is_trained=True,
    )


def referee_stage(context: Context) -> Stage:
    """The referee, trained apart from everything that it judges."""
    return Stage(
        name="referee",
        needs=("data",),
        settings=[as_json(context.run.evaluate.referee), context.run.seed],
        work=_later(context, "referee"),
        is_shared=True,
        is_trained=True,
        given=partial(first_weights, context.run.evaluate.referee),
    )


def judge_stages(context: Context) -> list[Stage]:
    """Agreement of every variant with its masks, as the referee reads it."""
    run = context.run
    recipes = as_json(run.synthesis)
    # which variants are generated for graders changes no mask
    del recipes["variants"]
    sampling = [as_json(run.sample.solver), as_json(run.evaluate), recipes, run.seed]
    sampling += other_sampling("sd-sc", run.sample)
    # the student, and DISC of a guided bank, are drawn otherwise than `sd`
    for variant in run.variants:
        if variant == STUDENT or run.solver_of(variant) != run.sample.solver:
            sampling.append(as_json(run.solver_of(variant)))
    trained = [f"denoiser/{variant}" for variant in run.variants if variant != "sd-sc"]
    return [
        Stage(
            name="agreement",
            needs=("referee", *trained),
            settings=sampling,
            work=_later(context, "agreement"),
            outputs=(
                context.folder / "agreement.parquet",
                context.folder / "agreement" / QUALITY,
            ),
            is_shared=True,
            look_ahead=partial(require_plan, run),
        ),
    ]


def grading_stages(context: Context) -> list[Stage]:
    """Synthetic slides and the graders trained with them."""
    run, grade = context.run, context.run.grade
    stages = [_synthesis(context, variant) for variant in run.synthesis.variants]
    generated = tuple(stage.name for stage in stages)
    return [
        *stages,
        *[_features(context, name, generated) for name in grade.encoders],
        Stage(
            name="graders/slides",
            needs=tuple(features_of(name) for name in grade.encoders),
            settings=[
                as_json(grade.transmil),
                [configuration.name for configuration in slide_configurations(run)],
                grade.seeds,
                *other_graders(grade),
            ],
            work=_later(context, "graders/slides"),
            outputs=(context.folder / "scores.parquet",),
            is_shared=True,
            is_trained=True,
        ),
        Stage(
            name="graders/pixels",
            needs=("data", *generated),
            settings=[
                as_json(grade.carcino),
                [configuration.name for configuration in pixel_configurations(run)],
                run.seed,
            ],
            work=_later(context, "graders/pixels"),
            outputs=(context.folder / "pixels.parquet",),
            is_shared=True,
            is_trained=True,
            given=partial(first_weights, grade.carcino),
            look_ahead=partial(require_first, grade.carcino),
        ),
    ]


def _features(context: Context, name: EncoderName, generated: tuple[str, ...]) -> Stage:
    """The features of an encoder; runs from before there were others stay done."""
    run = context.run
    settings: list[Any] = [as_json(run.grade.carcino), run.seed]
    given: Callable[[], list[Path]] = partial(first_weights, run.grade.carcino)
    look_ahead: Callable[[], None] = partial(require_first, run.grade.carcino)
    if name == GIVEN:
        settings, given = [name, list_features(run.grade.feature_files)], list
        look_ahead = partial(require_features, context)
    elif name != ENCODER:
        settings, given = [name], partial(encoder_file, run.grade, name)
        look_ahead = partial(require_public, context, name)
    if needs_superpixels(run):
        settings.append("superpixels")
    return Stage(
        name=features_of(name),
        needs=("data", *generated),
        settings=settings,
        work=_later(context, features_of(name)),
        is_shared=True,
        is_trained=name == ENCODER,
        given=given,
        look_ahead=look_ahead,
    )


def _synthesis(context: Context, variant: Variant) -> Stage:
    run = context.run
    sampling = [as_json(run.synthesis), as_json(run.solver_of(variant))]
    return Stage(
        name=f"synthetic/{variant}",
        needs=("data", f"denoiser/{weights_of(variant)}"),
        settings=[*sampling, *other_sampling(variant, run.sample)],
        work=_later(context, f"synthetic/{variant}"),
        is_shared=True,
    )


def page_stage(context: Context, before: Sequence[Stage]) -> Stage:
    """The report; it depends on every stage before it."""
    names = [stage.name for stage in before]
    return Stage(
        name="report",
        needs=tuple(names),
        settings=[as_json(context.run.evaluate), as_json(context.run.report)],
        work=_later(context, "report", names),
        outputs=(context.folder / "report" / "index.html",),
    )


def _later(context: Context, name: str, *facts: Any) -> Callable[[Path], str]:
    """The work of a stage, loaded when it is done."""

    def work(folder: Path) -> str:
        from disc.pipeline.stage_work import find_work

        return find_work(context, name)(*facts, folder)

    return work
