"""`disc audit`: a synthetic set beside a real one, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from disc.audit.asked.following import measure_asked
from disc.audit.asked.learnt import judge_segmenters, refuse_unlearnt
from disc.audit.asked.segmenter import Segmenters, train_segmenters
from disc.audit.copies.new import CopyFindings, measure_copies
from disc.audit.encoders import View, see
from disc.audit.figures import PARTS, Figure, Part, settle
from disc.audit.look.nearness import measure_nearness
from disc.audit.look.probe import measure_probe
from disc.audit.look.tissue import measure_look
from disc.audit.request import AuditRequest, Limit
from disc.audit.seams.steps import measure_seams
from disc.audit.sets import AuditSet, find_unscaled, read_sets
from disc.grade.encoders.table import NAMED, require_encoder

SCHEMA = "disc-audit/1"
"""Name of the JSON's form; a number that changes means that old readers must adapt."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What an audit answers, and how."""

    parts: Sequence[Part] = PARTS
    encoders: Sequence[str] = ("embedded", "texture")
    weights: Path = Path("encoders")
    """Folder of the weight files of public encoders."""
    steps: int = 200
    """Of the training of every segmenter."""
    transfer: bool = True
    """Whether a segmenter is trained on the synthetic tiles, too."""
    seed: int = 0
    """Of everything that is random."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Whether a figure is what a limit says.

    Attributes:
        limit: as it was given.
        figure: what it is of.
        passed: whether the figure keeps to it; one that was refused does not.
    """

    limit: Limit
    figure: Figure
    passed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """Everything that an audit found."""

    real: AuditSet
    synthetic: AuditSet
    figures: Sequence[Figure]
    copies: CopyFindings | None = None
    checks: Sequence[Check] = ()
    unknown: Sequence[Limit] = ()
    """Limits that name no figure of this audit."""
    parts: Sequence[Part] = PARTS
    notes: Sequence[str] = field(default=())

    def of(self, name: str) -> Figure | None:
        """The figure of a name, if there is one."""
        return next((one for one in self.figures if one.name == name), None)

    @property
    def num_failed(self) -> int:
        """Limits that are not kept."""
        return sum(not check.passed for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Plain values, in the form that docs/audit.md describes."""
        return {
            "schema": SCHEMA,
            "real": _describe(self.real),
            "synthetic": _describe(self.synthetic),
            "verdict_on_copies": self.copies.verdict if self.copies else None,
            "notes": list(self.notes),
            "figures": [one.as_json() for one in self.figures],
            "limits": [
                {"limit": str(check.limit), "passed": check.passed} for check in self.checks
            ],
        }


def audit_sets(request: AuditRequest) -> Audit:
    """Read both sets and answer what is asked.

    Raises:
        FileNotFoundError: if a folder is missing.
        BadInput: if the sets cannot be read, or do not fit together.
    """
    for name in request.encoders:
        if name not in ("embedded", "texture"):
            require_encoder(request.encoder_weights, name, NAMED)
    real, synthetic = read_sets(request)
    questions = Questions(
        parts=request.parts,
        encoders=request.encoders,
        weights=request.encoder_weights,
        steps=request.segmenter_steps,
        seed=request.seed,
    )
    return audit(real, synthetic, questions, limits=request.parsed_limits)


def audit(
    real: AuditSet,
    synthetic: AuditSet,
    questions: Questions,
    *,
    limits: Sequence[Limit] = (),
    segmenters: Segmenters | None = None,
) -> Audit:
    """Answer questions about a synthetic set beside a real one.

    Args:
        real: tiles of two patients or more.
        synthetic: tiles of the same size.
        questions: which, and how.
        limits: what figures must be.
        segmenters: trained on the real set before; None: they are trained where they are needed.
    """
    parts, encoders, seed = questions.parts, questions.encoders, questions.seed
    has_masks = bool(real.facts.area_px.any())
    needs = "asked" in parts or ("look" in parts and "embedded" in encoders and has_masks)
    if needs and segmenters is None:
        segmenters = train_segmenters(real, steps=questions.steps, seed=seed)
    readers = judge_segmenters(real, segmenters, seed=seed) if needs and segmenters else None
    figures: list[Figure] = []
    notes = _find_notes(real, synthetic)
    copies = None
    if "asked" in parts and readers is not None:
        steps = questions.steps if questions.transfer else 0
        figures += measure_asked(real, synthetic, readers, steps=steps, seed=seed)
    if "look" in parts:
        chosen = [name for name in encoders if name != "embedded" or segmenters is not None]
        if len(chosen) < len(encoders):
            notes.append("No embedded encoder: the real tiles have no masks to train it on.")
        seen = [see(name, real, synthetic, segmenters, questions.weights) for name in chosen]
        figures += _look(real, synthetic, dict(zip(chosen, seen, strict=True)), seed)
    if "new" in parts:
        copies = measure_copies(real, synthetic, seed=seed)
        figures += copies.figures
    if "seams" in parts:
        figures += measure_seams(real, synthetic)
    if readers is not None:
        figures = refuse_unlearnt(figures, readers.unlearnt, synthetic)
    figures = [settle(figure) for figure in figures]
    named = {figure.name: figure for figure in figures}
    return Audit(
        real=real,
        synthetic=synthetic,
        figures=figures,
        copies=copies,
        checks=[_check(limit, named[limit.name]) for limit in limits if limit.name in named],
        unknown=[limit for limit in limits if limit.name not in named],
        parts=parts,
        notes=notes,
    )


def _look(
    real: AuditSet, synthetic: AuditSet, seen: Mapping[str, Sequence[View]], seed: int
) -> list[Figure]:
    figures = [
        figure
        for name, views in seen.items()
        for figure in measure_nearness(name, views, real, synthetic, seed=seed)
    ]
    if seen:
        every = [view for views in seen.values() for view in views]
        figures.append(measure_probe(every, real, synthetic, seed=seed))
    return figures + measure_look(real, synthetic, seed=seed)


def _find_notes(real: AuditSet, synthetic: AuditSet) -> list[str]:
    """What must be known before any figure is read."""
    notes = []
    if is_same(real, synthetic):
        notes.append(
            "The two sets hold the same tiles: everything is a copy, and what is copied looks as "
            "real as can be."
        )
    if real.is_generated:
        notes.append(
            f"A generator's manifest lies in {real.name}, which is read as the real set: if the "
            "two are swapped, give the real one first."
        )
    if unknown := find_unscaled(real, synthetic):
        notes.append(
            f"Nobody says how wide a pixel of {unknown} is: both sets are taken for one scale, and "
            "nuclei are not counted; --um-per-px says it."
        )
    if synthetic.seen is None:
        notes.append(
            "No manifest says which slides the generator saw, so all real tiles count as tiles "
            "that it may have copied."
        )
    if synthetic.num_guessed:
        notes.append(
            f"The masks of {synthetic.num_guessed} synthetic tiles were drawn on tiles that the "
            "real set lacks: what stands before the underscore of their names goes for a patient."
        )
    if min(real.num_patients, synthetic.num_patients) < 20:
        notes.append(
            f"Patients of the real set: {real.num_patients}; slides of the synthetic one, or "
            f"patients of its masks: {synthetic.num_patients}. With fewer than 20 of each, "
            "intervals are too narrow."
        )
    return notes


def is_same(real: AuditSet, synthetic: AuditSet) -> bool:
    """Whether two sets hold the same tiles."""
    if sorted(real.names) != sorted(synthetic.names):
        return False
    one, other = np.argsort(real.names), np.argsort(synthetic.names)
    return bool((real.images[one] == synthetic.images[other]).all())


def _check(limit: Limit, figure: Figure) -> Check:
    """A figure without a value keeps to nothing."""
    value = figure.value
    is_within = value >= limit.value if limit.is_least else value <= limit.value
    return Check(limit=limit, figure=figure, passed=bool(is_within and not figure.refused))


def _describe(held: AuditSet) -> dict[str, Any]:
    return {
        "name": held.name,
        "tiles": len(held),
        "tile_px": held.tile_px,
        "patients": held.num_patients,
    }
