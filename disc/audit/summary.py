"""What an audit says, in sentences that claim no more than its intervals do."""

from __future__ import annotations

import math

from disc.audit.audit import Audit
from disc.audit.figures import Figure

OVER_REAL = (
    *("gradient", "spectrum", "coherence"),
    *("stain-mean", "stain-deviation", "nuclei", "tissue"),
)
"""First words of figures that are ratios to the real tiles: 1 is as they are."""
BLIND = "Agreement is blind to blur: read it beside the gradient energy and the kernel distance."


def headline(audit: Audit) -> list[str]:
    """The first sentences, in the order of the questions."""
    said = [_agreement(audit), _nearness(audit), _sharpness(audit)]
    said += [audit.copies.verdict if audit.copies else "", _seams(audit)]
    return [*audit.notes, *filter(None, said)]


def judge(figure: Figure) -> str:
    """How a field is to be read: "worse" where an interval leaves no doubt, "marked" if refused."""
    first = figure.name.partition(".")[0]
    if figure.refused:
        return "marked"
    if first in ("kid", "frechet", "stain") and figure.low > figure.floor_high:
        return "worse"
    if first in OVER_REAL:
        return "worse" if figure.high < 1 or figure.low > 1 else ""
    if first == "probe" and figure.low > 0.5:
        return "worse"
    if figure.name in ("seam", "seam.beyond-real", "copies") and figure.low > 0:
        return "worse"
    return ""


def _agreement(audit: Audit) -> str:
    figure = audit.of("agreement")
    if figure is None:
        return ""
    if figure.refused:
        return f"Mask agreement: refused, {figure.refused}."
    room = figure.ceiling - figure.chance
    way = f"{100 * (figure.value - figure.chance) / room:.0f} % of the way"
    return (
        f"Masks are followed at {figure.value:.2f}{_bracket(figure)}, where "
        f"shuffled masks give {figure.chance:.2f} and real tiles with their own masks "
        f"{figure.ceiling:.2f}: {way}. {BLIND}"
    )


def _nearness(audit: Audit) -> str:
    told = []
    for figure in audit.figures:
        if figure.name.startswith("kid.") and not figure.refused:
            encoder = figure.name.partition(".")[2]
            told.append(
                f"{figure.value:.2f}{_bracket(figure)} in {encoder} "
                f"({figure.floor:.2f} between halves of the real patients, 95 % below "
                f"{figure.floor_high:.2f})"
            )
    probe = audit.of("probe")
    more = ""
    if probe is not None and not probe.refused:
        more = f" A linear probe tells the sets apart with an AUROC of {probe.value:.2f}."
    return f"Kernel distance to real tiles: {'; '.join(told)}.{more}" if told else more.strip()


def _bracket(figure: Figure) -> str:
    """Its interval, where there is one."""
    return "" if math.isnan(figure.low) else f" [{figure.low:.2f}, {figure.high:.2f}]"


def _sharpness(audit: Audit) -> str:
    said = {
        "Gradient energy over that of real tiles": _by_label(audit, "gradient."),
        "How far gradients run one way, over real": _by_label(audit, "coherence."),
    }
    return " ".join(f"{what}: {figures}." for what, figures in said.items() if figures)


def _by_label(audit: Audit, first: str) -> str:
    told = [
        f"{figure.name.removeprefix(first)} {figure.value:.2f}"
        for figure in audit.figures
        if figure.name.startswith(first) and not figure.refused
    ]
    return ", ".join(told)


def _seams(audit: Audit) -> str:
    figure = audit.of("seam")
    if figure is None or figure.refused or math.isnan(figure.low):
        return f"Seams: refused, {figure.refused}." if figure is not None and figure.refused else ""
    found = f"{figure.value:z.1f} grey levels [{figure.low:z.1f}, {figure.high:z.1f}]"
    beside = "" if math.isnan(figure.ceiling) else f", real annotations {figure.ceiling:z.1f}"
    if figure.low > 0:
        return f"Seams: tiles step by {found} at the borders of their masks{beside}."
    return f"No seam is seen: {found} at the borders of masks{beside}."
