"""The stage that draws the phantom, or reads every tile of the given sets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, write_json
from disc.labels import IGNORE, Label
from disc.model.autoencoder import Autoencoder
from disc.phantom.sets import write_external_set, write_referee_set, write_training_set
from disc.pipeline.context import Context
from disc.processes import num_cores
from disc.progress import Bar
from disc.sample.shape_store import write_shapes
from disc.sample.synthesis import plan_slides
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings

_GRADED = ("graders/pixels", "report")
"""Up to where a run has to go to train pixel graders."""
_BEFORE_SLIDES = frozenset({"data", "autoencoder", "latents", "denoiser", "bank", "referee"})
"""Stages that need no synthetic slides."""
NO_SCORE = (
    "no training slide has a score, so no synthetic slide will be made and no slide graded; "
    "disc convert --scores-from-masks derives scores"
)
SUMMARY = "summary.json"
_SAME_SCALE = 0.05
"""How far two scales may differ and be called the same."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of tiles."""

    train: int
    val: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is noted of the data of a run."""

    tiles: Sizes
    slides: int
    """Of training."""
    notes: tuple[str, ...] = ()


def check_source(settings: AutoencoderSettings) -> None:
    """Refuse an autoencoder that cannot be loaded, or fine-tuned, before anything is trained.

    Raises:
        BadInput: if it cannot be.
    """
    if settings.finetune and (settings.source is None or settings.optim.steps == 0):
        raise BadInput(
            "autoencoder.finetune needs autoencoder.source and autoencoder.optim.steps > 0"
        )
    if settings.source is not None:
        Autoencoder.load(settings.source)


def prepare_data(context: Context, folder: Path) -> str:
    """Draw the phantom, or read every tile of the given sets."""
    run = context.run
    check_source(run.autoencoder)
    if context.is_simulated:
        cores = num_cores()
        write_training_set(folder / "training", run.phantom, run.data, processes=cores)
        write_external_set(folder / "shifted", run.phantom, run.data, processes=cores)
        write_referee_set(folder / "referee", run.phantom, run.data, processes=cores)
    split, external = context.split, run.data.external_root
    sets = [] if context.is_simulated else [context.read(context.root)]
    given = [split.train] if context.is_simulated else [split.train, split.val, split.test]
    if external is not None:
        sets.append(context.read_external(external))
        given.append(sets[-1])
    notes = [note for tiles in sets for note in tiles.notes]
    if external is not None:
        notes += compare_scales(split.train, sets[-1], external)
    known, *others = [read_all(tiles) for tiles in given]
    if not context.is_simulated:
        look_at_judges(context, known, (others[0], others[1]), notes)
    write_shapes(folder / "shapes", split.train)
    plan_ahead(context, known, notes)
    sizes = {name: len(getattr(split, name)) for name in ("train", "val", "test")}
    summary = Summary(tiles=Sizes(**sizes), slides=len(split.train.slides), notes=tuple(notes))
    write_json(folder / SUMMARY, asdict(summary))
    counted = ", ".join(f"{size} {name}" for name, size in sizes.items())
    return "; ".join([f"{counted} tiles", *notes])


def compare_scales(training: TileSet, external: TileSet, root: Path) -> list[str]:
    """A note where tiles to train on and of an external set are known to differ in scale."""
    train, test = (tiles.tiles[0].um_per_px for tiles in (training, external))
    if train is None or test is None or abs(test / train - 1) <= _SAME_SCALE:
        return []
    return [
        f"{root}: {test:.3g} µm per pixel, training tiles {train:.3g}: graders see another "
        "magnification; give --data.external-um-per-px, or tiles of the same scale"
    ]


def look_at_judges(
    context: Context,
    known: Collection[int],
    others: tuple[Collection[int], Collection[int]],
    notes: list[str],
) -> None:
    """See that validation tiles can teach the referee, and test tiles can judge it.

    Args:
        context: of the run.
        known: labels of training tiles.
        others: labels of validation and of test tiles.
        notes: to which it is added what the referee cannot learn.

    Raises:
        BadInput: if no mask of either part has a label, and the run goes so far.
    """
    split, until = context.split, context.run.until.partition("/")[0]
    parts = {"validation": (split.val, {"data"}), "test": (split.test, _BEFORE_SLIDES)}
    for labels, (name, (tiles, before)) in zip(others, parts.items(), strict=True):
        if len(tiles) and not labels and until not in before:
            raise BadInput(
                f"{context.root}: no mask of the {name} tiles of fold {context.run.data.fold} has "
                "a label; give masks, or another fold: the referee is trained on validation "
                "tiles, and mask agreement is held against test tiles"
            )
    unlearnt = [Label(label).name for label in sorted(set(known) - set(others[0]))]
    if unlearnt and len(split.val):
        notes.append(
            f"{context.root}: no validation tile has {', '.join(unlearnt)}: the referee is "
            "trained on these, so that its agreement on such labels says nothing"
        )


def plan_ahead(context: Context, known: Collection[int], notes: list[str]) -> None:
    """Plan the synthetic slides, which need no network, so that what hinders them is said at once.

    Args:
        context: of the run.
        known: labels that occur in the masks of training tiles.
        notes: to which it is added that none will be made.

    Raises:
        BadInput: if no training mask has a label, no validation tile says when to stop, no shape
            map suits a slide that is planned, or no grade lacks slides (a run that ends before
            slides are made says so only).
    """
    if not known:
        raise BadInput(
            f"{context.root}: no mask of the training tiles has a label. Such a set serves for "
            "features and slide-level grading with other tools, or as --data.external-root; a "
            "generator needs masks"
        )
    run = context.run
    is_blind = run.grade.carcino.patience > 0 and not len(context.split.val)
    if is_blind and run.until in _GRADED:
        raise BadInput(
            f"{context.root}: no validation tiles in fold {run.data.fold}, and pixel "
            "graders are trained until validation gets no better; give a fold that has some, or "
            "--grade.carcino.patience 0 for a fixed number of steps"
        )
    if hindrance := find_hindrance(context, known):
        is_wanted = run.until.partition("/")[0] not in _BEFORE_SLIDES
        if is_wanted and hindrance != NO_SCORE:
            raise BadInput(f"{context.root}: {hindrance}")
        notes.append(f"{context.root}: {hindrance}")


def find_hindrance(context: Context, known: Collection[int]) -> str:
    """Why no synthetic slide can be planned, and what to do; empty where some can."""
    slides = list(context.split.train.slides.values())
    try:
        plans = plan_slides(slides, context.book, known, context.run.synthesis)
    except ValueError as error:
        return (
            f"synthetic slides cannot be planned: {error}; draw or give more training tiles, some "
            "of them with one label"
        )
    if plans or not context.run.synthesis.variants:
        return ""
    if not any(slide.primary is not None for slide in slides):
        return NO_SCORE
    return (
        "no primary grade lacks training slides, so no synthetic slide would be made; say how many "
        "real and synthetic slides of each grade there shall be with --synthesis.slides-per-grade"
    )


def read_all(tiles: TileSet) -> list[int]:
    """Decode every image and mask, so that a damaged one is named before hours of training.

    Returns:
        The labels that occur in masks.
    """
    found: set[int] = set()
    bar = Bar("reading tiles", total=len(tiles), unit="tile")
    for i in range(len(tiles)):
        tiles.image(i)
        found |= set(np.unique(tiles.mask(i)).tolist())
        bar.advance()
    bar.close()
    return sorted(found - {IGNORE})
