"""The cells of a study: one training of one grader each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from disc.study.request import AGAIN, REAL_CONTROLS, SHUFFLED, StudyRequest
from disc.study.runs import StudyRun

REAL = "real"
"""Variant of graders of real tiles only."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training of one grader.

    Attributes:
        kind: what the grader reads.
        encoder: of its features; "" where it reads pixels.
        variant: what is added to real tiles, a control or a variant with its condition.
        source: variant of the run whose synthetic slides are added; "" where real ones are.
        condition: of that run.
    """

    kind: Literal["slides", "pixels"]
    encoder: str
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
        parts = [self.encoder, self.fold, self.variant, f"{self.balance_weight:g}"]
        seeds = f"g{self.generator_seed} s{self.grader_seed}"
        return f"{self.kind}/{' '.join(filter(None, parts))} {seeds}"


def list_cells(
    request: StudyRequest,
    runs: Sequence[StudyRun],
    variants: Sequence[str],
    encoders: Sequence[str],
) -> list[Cell]:
    """Every cell of a study, those of real tiles only first.

    Args:
        request: weights, seeds, controls.
        runs: one for each generator seed, fold and condition.
        variants: of the generator.
        encoders: of slide graders' features.
    """
    parts = [
        ("slides", encoder, request.grader_seeds, request.balance_weights) for encoder in encoders
    ]
    parts.append(("pixels", "", request.pixel_seeds, request.pixel_weights))
    cells = [
        Cell(kind=kind, encoder=encoder, grader_seed=seed, **facts)  # type: ignore[arg-type]
        for kind, encoder, seeds, weights in parts
        for facts in _additions(request, runs, variants, weights, has_bags=kind == "slides")
        for seed in range(seeds)
    ]
    return sorted(cells, key=lambda cell: cell.variant != REAL)


def _additions(
    request: StudyRequest,
    runs: Sequence[StudyRun],
    variants: Sequence[str],
    weights: Sequence[float],
    *,
    has_bags: bool,
) -> Iterator[dict[str, object]]:
    """What is added to real tiles, by what weight, from what run."""
    for fold in dict.fromkeys(run.fold for run in runs):
        # the run whose settings, features and recipes its cells share
        first = min(run.seed for run in runs if run.fold == fold and not run.condition)
        base = {"fold": fold, "generator_seed": first}
        yield {**base, "variant": REAL, "balance_weight": 0.0}
        controls = [
            name for name in request.controls if name in (REAL_CONTROLS if has_bags else (AGAIN,))
        ]
        for control, weight in product(controls, weights):
            yield {**base, "variant": control, "balance_weight": weight}
    for run in runs:
        names = [(run.name(variant), variant) for variant in variants]
        if has_bags and not run.condition and SHUFFLED in request.controls:
            names.append((f"{variants[0]}-{SHUFFLED}", variants[0]))
        for weight in weights:
            for name, source in names:
                yield {
                    **{"fold": run.fold, "generator_seed": run.seed, "variant": name},
                    **{"balance_weight": weight, "source": source, "condition": run.condition},
                }
