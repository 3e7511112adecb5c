"""Are there seams? Steps along the borders of masks, and power at the periods of a lattice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from disc.audit.figures import Figure, ratio_of, refuse, sum_by, with_interval
from disc.audit.seams.borders import OFFSETS, PERIODS
from disc.audit.sets import AuditSet
from disc.evaluate.bootstrap import Array, Statistic

MIN_TILES = 40
"""Tiles whose masks have a border, without which no seam is told."""


def measure_seams(real: AuditSet, synthetic: AuditSet) -> list[Figure]:
    """All figures of this question."""
    return [
        *_steps(real, synthetic),
        _ratio(real, synthetic),
        *_lattice(real, synthetic),
    ]


def _steps(real: AuditSet, synthetic: AuditSet) -> list[Figure]:
    """Coherent steps in grey levels, by how far from the border they lie."""
    figures = []
    order = sorted(range(len(OFFSETS)), key=lambda place: abs(OFFSETS[place]))
    for place in order:
        offset = OFFSETS[place]
        where = "across the borders of the mask" if not offset else f"{offset:+d} px from them"
        figure = Figure(
            part="seams",
            name="seam" if not offset else f"step.{offset:+d}",
            text=f"grey levels by which tiles step, all one way, {where}",
        )
        num = int((synthetic.facts.border_weight > 0).sum())
        if num < MIN_TILES:
            figures.append(refuse(figure, num, MIN_TILES, "tiles with a border"))
            continue
        figure = _excess(figure, synthetic, place)
        if (real.facts.border_weight > 0).sum() >= MIN_TILES:
            figure = replace(figure, ceiling=_excess(figure, real, place).value)
        figures.append(figure)
    return [figures[0], _beyond(real, synthetic, order[0]), *figures[1:]]


def _beyond(real: AuditSet, synthetic: AuditSet, place: int) -> Figure:
    """What is left of the squared steps once those at real annotations' borders are out."""
    figure = Figure(
        part="seams",
        name="seam.beyond-real",
        text="the same beyond what real tiles step at the borders of their annotations",
    )
    num = min(int((held.facts.border_weight > 0).sum()) for held in (real, synthetic))
    if num < MIN_TILES:
        return refuse(figure, num, MIN_TILES, "tiles with a border in one of the sets")
    (made, count), (own, more) = (_squares(held, place) for held in (synthetic, real))

    def statistic(weights: Array) -> Array:
        return _root(made(weights[:, :count]) - own(weights[:, count:]))

    return replace(with_interval(figure, statistic, count + more), tiles=num)


def _squares(tiles: AuditSet, place: int) -> tuple[Statistic, int]:
    """Squared steps at own borders less those of the same borders on other tiles."""
    facts = tiles.facts
    excess = facts.steps[:, place] - facts.control_steps[:, place]
    return ratio_of(excess, facts.border_weight, tiles.patients)


def _root(squares: Array) -> Array:
    """Root with the sign kept, so that no seam is 0 on average."""
    rooted: Array = np.sign(squares) * np.sqrt(np.abs(squares))
    return rooted


def _excess(figure: Figure, tiles: AuditSet, place: int) -> Figure:
    """Root of the squared steps at own borders less those of the same borders on other tiles."""
    squares, num = _squares(tiles, place)

    def statistic(weights: Array) -> Array:
        return _root(squares(weights))

    count = int((tiles.facts.border_weight > 0).sum())
    return replace(with_interval(figure, statistic, num), tiles=count)


def _ratio(real: AuditSet, synthetic: AuditSet) -> Figure:
    """Mean difference across a border over that beside it, over the same on other tiles."""
    figure = Figure(
        part="seams",
        name="step.ratio",
        text="gradient across borders over that beside them, over the same borders on other tiles",
    )
    num = int((synthetic.facts.border_weight > 0).sum())
    if num < MIN_TILES:
        return refuse(figure, num, MIN_TILES, "tiles with a border")
    figure = replace(_double_ratio(figure, synthetic), tiles=num)
    if (real.facts.border_weight > 0).sum() >= MIN_TILES:
        figure = replace(figure, ceiling=_double_ratio(figure, real).value)
    return figure


def _double_ratio(figure: Figure, tiles: AuditSet) -> Figure:
    sums = sum_by(
        np.concatenate([tiles.facts.across, tiles.facts.control_across], axis=1), tiles.patients
    )

    def statistic(weights: Array) -> Array:
        across, beside, other, around = (weights @ sums).T
        result = np.full(len(weights), np.nan)
        np.divide(across * around, beside * other, out=result, where=beside * other > 0)
        return result[:, None]

    return with_interval(figure, statistic, len(sums))


def _lattice(real: AuditSet, synthetic: AuditSet) -> list[Figure]:
    figures = []
    for place, period in enumerate(PERIODS):
        figure = Figure(
            part="seams",
            name=f"lattice.{period}",
            text=f"power at a period of {period} px over that at neighbouring ones",
            tiles=len(synthetic),
        )
        if len(synthetic) < MIN_TILES:
            figures.append(refuse(figure, len(synthetic), MIN_TILES))
        elif synthetic.facts.lattice_beside[:, place].any():
            parts = [
                with_interval(
                    figure,
                    *ratio_of(
                        held.facts.lattice[:, place],
                        held.facts.lattice_beside[:, place],
                        held.patients,
                    ),
                )
                for held in (synthetic, real)
            ]
            figures.append(replace(parts[0], ceiling=parts[1].value))
    return figures
