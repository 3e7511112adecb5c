"""How much work the stages of a configuration are: tiles, steps, evaluations of networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from disc.data.check.rules.published_counts import PARTS
from disc.labels import GRADES, NUM_LABELS
from disc.masks.recipes import fill_counts
from disc.pipeline.configurations import pixel_configurations, slide_configurations
from disc.pipeline.context import FOLDS, Context
from disc.pipeline.stage import why_stale
from disc.pipeline.stage_list import generator_stages
from disc.pipeline.stages.denoiser import count_steps
from disc.settings.run import Run
from disc.settings.synthesis import STUDENT
from disc.settings.training import Optim

SICAPV2_SLIDES = (30, 31, 54, 9)
"""Slides of SICAPv2's training partition by primary grade."""
LABELS_A_MASK = 2.0
"""Labels of a multi-class mask, which separated conditions denoise one by one; assumed."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much data there is.

    Attributes:
        train: tiles that the generator trains on.
        slides: slides of the training tiles, by primary grade.
        source: where the numbers come from, for people.
    """

    train: int
    slides: tuple[int, ...]
    source: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """A stage: how many units of which network."""

    stage: str
    what: str
    units: Mapping[str, float]


def find_sizes(run: Run) -> Sizes:
    """The sizes of the data that is there; else those of SICAPv2, or of the phantom to be drawn.

    Raises:
        BadInput: if there is data, and it cannot be used.
    """
    context = Context(run, run.out / run.name)
    if context.is_simulated:
        # Another phantom may stand in the folder, which the run would draw anew.
        is_drawn = why_stale(generator_stages(context)[0], context.folder) is None
        return _read_sizes(context) if is_drawn else _guess_phantom(run)
    return _read_sizes(context) if context.root.exists() else _assume_sicapv2(run)


def _read_sizes(context: Context) -> Sizes:
    split = context.split
    primaries = [slide.primary for slide in split.train.slides.values()]
    return Sizes(
        train=len(split.train),
        slides=tuple(primaries.count(grade) for grade in GRADES.values()),
        source=f"tiles as found in {context.root}",
    )


def _assume_sicapv2(run: Run) -> Sizes:
    fold = run.data.fold
    book = PARTS["Test/Train" if fold == "All" else f"Validation/{fold}/Train"]
    fraction = book["slides"] / PARTS["Test/Train"]["slides"]
    return Sizes(
        train=book["tiles"],
        slides=tuple(round(fraction * num) for num in SICAPV2_SLIDES),
        source=f"{run.data.root} is not there: the numbers of SICAPv2 are assumed",
    )


def _guess_phantom(run: Run) -> Sizes:
    """Windows with half overlap on cores of the mean size; three of four slides train a fold."""
    tile_um = run.data.tile_px * run.data.um_per_px
    windows = prod(max(1.0, 2 * side / tile_um - 1) for side in run.phantom.core_um)
    fraction = 1.0 if run.data.fold == "All" else 0.75
    slides = run.phantom.slides
    return Sizes(
        train=round(fraction * windows * sum(slides)),
        slides=tuple(round(fraction * num) for num in slides),
        source="the phantom is not drawn yet: tiles are guessed from the size of its cores",
    )


def list_work(run: Run, sizes: Sizes) -> list[Work]:
    """The work of every stage that a network does."""
    works = [_training("referee", "referee", run.evaluate.referee.optim), *_autoencoder(run)]
    codes = sizes.train * run.denoiser.dihedral
    what = f"{sizes.train:,} tiles in {run.denoiser.dihedral} flips and rotations"
    works += [Work(stage="latents", what=what, units={"autoencoder, to latents": codes})]
    works += _generative(run, sizes)
    return [*works, *_synthesis(run, sizes), *_grading(run, sizes)]


def _training(stage: str, network: str, optim: Optim, fraction: float = 1.0) -> Work:
    what = f"{optim.steps:,} steps of {optim.batch}"
    return Work(stage=stage, what=what, units={f"{network}, a step": fraction * optim.steps})


def _autoencoder(run: Run) -> list[Work]:
    """Its training where there is any, and that of its decoder afterwards."""
    settings, units, parts = run.autoencoder, dict[str, float](), list[str]()
    if settings.source is None or settings.finetune:
        units["autoencoder, a step"] = settings.optim.steps
        parts.append(f"{settings.optim.steps:,} steps of {settings.optim.batch}")
    tuning = settings.decoder.optim
    if tuning.steps:
        units["decoder, a step"] = tuning.steps
        parts.append(f"the decoder {tuning.steps:,} of {tuning.batch}")
    return [Work(stage="autoencoder", what=", then ".join(parts), units=units)] if units else []


def _generative(run: Run, sizes: Sizes) -> list[Work]:
    settings, optim = run.denoiser, run.denoiser.optim
    works = [_training("denoiser/sd", "denoiser", optim)]
    if settings.protocol == "paper":
        works = [_training(f"denoiser/{fold}", "denoiser", optim) for fold in FOLDS]
        steps = count_steps(settings, sizes.train)
        works += [_training("denoiser/sd", "denoiser", replace(optim, steps=steps))]
    latents = run.distil.num_bundles * NUM_LABELS
    bank = {"denoiser, an evaluation": float(latents * run.sample.solver.evaluations)}
    what = f"{latents:,} latents in {run.sample.solver.steps} steps"
    works += [Work(stage="bank", what=what, units=bank)]
    for name in run.distil.variants:
        own = run.distil.student.optim if name == STUDENT else run.distil.optim
        works += [_training(f"denoiser/{name}", "denoiser", own, own.batch / optim.batch)]
    return works


def _synthesis(run: Run, sizes: Sizes) -> list[Work]:
    settings = run.evaluate
    mixed = settings.num_mixed + settings.num_synthesis
    num, separated = settings.num_uniform + mixed, settings.num_uniform + LABELS_A_MASK * mixed
    units = {
        "denoiser, an evaluation": sum(
            run.solver_of(name).evaluations * (separated if name == "sd-sc" else num)
            for name in run.variants
        ),
        "autoencoder, to tiles": float(len(run.variants) * num),
    }
    what = f"{num} masks by {len(run.variants)} variants"
    works = [Work(stage="agreement", what=what, units=units)]
    slides = sum(fill_counts(sizes.slides, run.synthesis.slides_per_grade))
    tiles = slides * sum(run.synthesis.tiles) / 2
    for variant in run.synthesis.variants:
        passes, solver = LABELS_A_MASK if variant == "sd-sc" else 1.0, run.solver_of(variant)
        units = {
            "denoiser, an evaluation": tiles * solver.evaluations * passes,
            "autoencoder, to tiles": tiles,
        }
        what = f"{slides} slides, {tiles:,.0f} tiles in {solver.steps} steps"
        works += [Work(stage=f"synthetic/{variant}", what=what, units=units)]
    return works


def _grading(run: Run, sizes: Sizes) -> list[Work]:
    """Graders; a step on real and as many synthetic bags is two steps on real ones."""
    grade, carcino, transmil = run.grade, run.grade.carcino.optim, run.grade.transmil.optim
    configurations, pixels = slide_configurations(run), pixel_configurations(run)
    slide_steps = (
        transmil.steps
        * grade.seeds
        * len(grade.encoders)
        * len(grade.slide_graders)
        * sum(2 if configuration.balance_weight else 1 for configuration in configurations)
    )
    num_mixed = sum(1 for configuration in pixels if configuration.balance_weight)
    pixel_steps = {
        "pixel grader, a step": float(carcino.steps * (len(pixels) - num_mixed)),
        "pixel grader, mixed": float(carcino.steps * num_mixed),
    }
    embedded = Work(
        stage="features/carcino",
        what=f"2 networks, {carcino.steps:,} steps of {carcino.batch}",
        units={"pixel grader, a step": 2.0 * carcino.steps},
    )
    return [
        *([embedded] if "carcino" in grade.encoders else []),
        Work(
            stage="graders/slides",
            what=f"{len(configurations)} configurations, {grade.seeds} seeds, "
            f"{transmil.steps:,} steps",
            units={"slide grader, a step": float(slide_steps)},
        ),
        Work(
            stage="graders/pixels",
            what=f"{len(pixels)} configurations, {carcino.steps:,} steps of {carcino.batch}",
            units=pixel_steps,
        ),
    ]
