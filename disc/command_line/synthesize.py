"""What `disc synthesize` does: balanced synthetic slides, in the layout of SICAPv2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from disc.api import Model, load
from disc.audit.copies.screen import RECORD, drop_copies, read_dropped
from disc.files import BadInput, claim_folder, digest
from disc.labels import GRADES, NAMES, Label, label_of_grade
from disc.model.latent_shape import LATENT_FACTOR
from disc.model.store import hash_weights
from disc.pipeline.weights.source import Weights
from disc.pipeline.weights.trained import TrainedWeights
from disc.processes import own_share, wait_for_all
from disc.sample.bank import Bank, read_bank
from disc.sample.generation import BankSampler, LatentSource, VariantSampler, generate_slides
from disc.sample.request import SynthesisRequest
from disc.sample.synthesis import SlideRecipe, deal_bundles, plan_slides


def synthesize_slides(request: SynthesisRequest) -> str:
    """Generate a set of synthetic slides, or what is missing of it.

    Returns:
        What was written, in a line.

    Raises:
        FileNotFoundError: if there is no such run or bank.
        BadInput: if the slides, the variant, the plan or the bank cannot be, or `out` holds
            something else.
    """
    model = load(request.run)
    weights = model.weights
    name = model.find_variant(request.variant)
    sampler = model.sampler(name, plan=request.plan or None, steps=request.steps)
    plans = _plan(request, weights)
    screen = _open_screen(request, weights) if request.drop_copies else None
    source: LatentSource = VariantSampler(sampler, name)
    if request.from_bank is not None:
        bank = _open_bank(request, model, source)
        plans = deal_bundles(plans, bank.seeds, seed=request.seed, reuse=request.reuse)
        _check_labels(request, bank, plans)
        source = BankSampler(sampler, bank)
    if own_share().is_first:
        claim_folder(request.out, _describe(request, weights, source, plans))
    wait_for_all()
    value = generate_slides(
        plans,
        weights.book,
        source,
        request.out,
        weights.origin,
        um_per_px=model.um_per_px,
        screen=screen,
        is_simulated=weights.is_simulated,
    )
    num = sum(len(plan.tiles) for plan in plans)
    return (
        f"{request.out}: {_count(plans)}, {num} tiles by {name}; "
        f"standard deviation {value:.2f} (data: 1){_tell_absent(request, weights)}"
        f"{_tell_dropped(request, plans)}"
    )


def _plan(request: SynthesisRequest, weights: Weights) -> list[SlideRecipe]:
    settings, known = weights.synthesis, weights.known
    settings = replace(
        settings,
        seed=request.seed,
        tiles=request.tiles or settings.tiles,
        sizes="range" if request.tiles else settings.sizes,
        slides_per_grade=request.slides_per_grade or settings.slides_per_grade,
    )
    counts = request.by_grade if request.counts else None
    for grade, count in (counts or {}).items():
        if count and label_of_grade(grade) not in known:
            raise BadInput(
                f"--counts asks for {label_of_grade(grade).name}, which no training tile of "
                f"{weights.folder} has; leave it out"
            )
    try:
        plans = plan_slides(weights.slides, weights.book, known, settings, counts)
    except ValueError as error:
        raise BadInput(f"{weights.folder}: {error}") from error
    if not plans:
        raise BadInput(
            f"{weights.folder}: its primary grades need no slide more; ask for more with "
            "--slides-per-grade, or say how many with --counts"
        )
    return plans


def _open_bank(request: SynthesisRequest, model: Model, source: LatentSource) -> Bank:
    """The bank, if it is one of this run's `sd`."""
    assert request.from_bank is not None
    bank, weights = read_bank(request.from_bank), source.facts["checkpoint"]
    made, latent_px = bank.facts, model.tile_px // LATENT_FACTOR
    if made is None:
        raise BadInput(
            f"{request.from_bank}: does not say which weights made it (an older bank); make one "
            "with disc bank"
        )
    if (made.weights, made.latent_px) != (weights, latent_px):
        raise BadInput(
            f"{request.from_bank}: made by weights {made.weights} at {made.latent_px} latent px, "
            f"not by sd of {model.weights.folder} ({weights}, {latent_px}); make one with disc bank"
        )
    return bank


def _check_labels(request: SynthesisRequest, bank: Bank, plans: Sequence[SlideRecipe]) -> None:
    asked = {label for plan in plans for tile in plan.tiles for label in tile.labels}
    if missing := sorted(asked - set(bank.labels)):
        raise BadInput(f"{request.from_bank}: holds no {Label(missing[0]).name}, which masks have")


def _describe(
    request: SynthesisRequest,
    weights: Weights,
    source: LatentSource,
    plans: Sequence[SlideRecipe],
) -> dict[str, str]:
    """All that the bytes of a set depend on."""
    autoencoder, shapes = source.sampler.autoencoder, weights.book.shapes
    used = sorted({tile.shape for plan in plans for tile in plan.tiles})
    banked = source.bank.facts if isinstance(source, BankSampler) else None
    return {
        **({} if banked is None else {"bank": digest(asdict(banked))}),
        **({"copies": "dropped"} if request.drop_copies else {}),
        "facts": digest({**source.facts, **weights.origin}),
        "precision": source.sampler.settings.precision,
        "decoder": digest([hash_weights(autoencoder), autoencoder.scale]),
        "slides": digest([asdict(plan) for plan in plans]),
        "shapes": digest([digest(np.ascontiguousarray(shapes[i]).tobytes()) for i in used]),
    }


def _tell_absent(request: SynthesisRequest, weights: Weights) -> str:
    """Which grades were filled up with nothing."""
    absent = {*Label} - {*weights.known}
    if request.counts or not absent:
        return ""
    names = ", ".join(label.name for label in sorted(absent))
    return f"; none of {names}, which no training tile has"


def _open_screen(request: SynthesisRequest, weights: Weights) -> Callable[[Path], Collection[str]]:
    """What takes copies of the run's training tiles out of a set."""
    if not isinstance(weights, TrainedWeights):
        raise BadInput(
            f"{weights.folder}: exported weights hold no training tiles to tell copies by; give "
            "the run itself, or leave out --drop-copies"
        )
    return partial(drop_copies, training=weights.context.split.train, seed=request.seed)


def _tell_dropped(request: SynthesisRequest, plans: Sequence[SlideRecipe]) -> str:
    """How many copies were taken out, and slides of which nothing is left."""
    if not request.drop_copies:
        return ""
    dropped = read_dropped(request.out)
    counts = Counter(name.partition("_Block_")[0] for name in dropped)
    lost = [p.slide.slide_id for p in plans if counts[p.slide.slide_id] == len(p.tiles)]
    gone = f"; with all of their tiles these slides: {', '.join(lost)}" if lost else ""
    said = f"; {len(dropped)} of these tiles were copies and are dropped ({request.out / RECORD})"
    return said + gone


def _count(plans: Sequence[SlideRecipe]) -> str:
    """How many slides, and of which primary grades."""
    numbers = {label: sum(p.slide.primary == GRADES[label] for p in plans) for label in Label}
    parts = [f"{NAMES[label]} {number}" for label, number in numbers.items() if number]
    return f"{len(plans)} slide(s): {', '.join(parts)}"
