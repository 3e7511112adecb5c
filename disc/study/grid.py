"""The cells of a study: one training of one grader each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from disc.settings.grading import GIVEN, EncoderName, SlideGrader
from disc.study.request import (
    AGAIN,
    CONTROLS,
    REAL_CONTROLS,
    REMIXED,
    SHUFFLED,
    StudyRequest,
)
from disc.study.runs import StudyRun

REAL = "real"
"""Variant of graders of real tiles only."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training of one grader.

    Attributes:
        kind: what the grader reads.
        encoder: of its features; "" where it reads pixels.
        grader: of slides; "" where it reads pixels.
        variant: what is added to real tiles, a control or a variant with its condition.
        source: variant of the run whose synthetic slides are added; "" where real ones are.
        condition: of that run.
    """

    kind: Literal["slides", "pixels"]
    encoder: EncoderName | Literal[""]
    grader: SlideGrader | Literal[""]
    fold: str
    variant: str
    balance_weight: float
    generator_seed: int
    grader_seed: int
    source: str = ""
    condition: str = ""

    @property
    def name(self) -> str:
        """Folder of the cell."""
        parts = [self.encoder, self.grader, self.fold, self.variant, f"{self.balance_weight:g}"]
        seeds = f"g{self.generator_seed} s{self.grader_seed}"
        return f"{self.kind}/{' '.join(filter(None, parts))} {seeds}"


def real_cell(encoder: EncoderName, fold: str) -> Cell:
    """A cell of real slides only, as TransMIL reads them."""
    facts = {"variant": REAL, "balance_weight": 0.0, "generator_seed": 0, "grader_seed": 0}
    return Cell(kind="slides", encoder=encoder, grader="transmil", fold=fold, **facts)  # type: ignore[arg-type]


def list_cells(
    request: StudyRequest,
    runs: Sequence[StudyRun],
    variants: Sequence[str],
) -> list[Cell]:
    """Every cell of a study, those of real tiles only first.

    Args:
        request: weights, seeds, controls.
        runs: one for each generator seed, fold and condition.
        variants: of the generator.
    """
    bags = {"seeds": request.grader_seeds, "weights": request.balance_weights}
    parts: list[dict[str, Any]] = [
        {"kind": "slides", "encoder": encoder, "grader": grader, **bags}
        for encoder, grader in product(request.encoders, request.graders)
    ]
    tiles = {"seeds": request.pixel_seeds, "weights": request.pixel_weights}
    parts.append({"kind": "pixels", "encoder": "", "grader": "", **tiles})
    cells = [
        Cell(**kind, grader_seed=seed, **facts)
        for kind in parts
        for seeds, weights in [(kind.pop("seeds"), kind.pop("weights"))]
        for controls in [_controls(kind["encoder"], kind["grader"]) & {*request.controls}]
        for facts in _additions(runs, variants, weights, controls)
        for seed in range(seeds)
    ]
    return sorted(cells, key=lambda cell: cell.variant != REAL)


def _additions(
    runs: Sequence[StudyRun],
    variants: Sequence[str],
    weights: Sequence[float],
    controls: Collection[str],
) -> Iterator[dict[str, Any]]:
    """What is added to real tiles of a grader, by what weight, from what run."""
    for fold in dict.fromkeys(run.fold for run in runs):
        # the run whose settings, features and recipes its cells share
        first = min(run.seed for run in runs if run.fold == fold and not run.condition)
        base = {"fold": fold, "generator_seed": first}
        yield {**base, "variant": REAL, "balance_weight": 0.0}
        for control, weight in product(REAL_CONTROLS, weights):
            if control in controls:
                yield {**base, "variant": control, "balance_weight": weight}
    for run in runs:
        names = [(run.name(variant), variant) for variant in variants]
        if not run.condition and SHUFFLED in controls:
            names.append((f"{variants[0]}-{SHUFFLED}", variants[0]))
        for weight in weights:
            for name, source in names:
                yield {
                    **{"fold": run.fold, "generator_seed": run.seed, "variant": name},
                    **{"balance_weight": weight, "source": source, "condition": run.condition},
                }


def _controls(encoder: str, grader: str) -> set[str]:
    """Controls that a grader can have; superpixels and rows of given files are no tiles to mix."""
    if not grader:
        return {AGAIN}
    is_mixed = grader != "mixed-supervision" and encoder != GIVEN
    return {name for name in CONTROLS if is_mixed or name != REMIXED}
