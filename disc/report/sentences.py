"""What the numbers say, in sentences that claim no more than their intervals do."""

from __future__ import annotations

from typing import Any

import pandas as pd

from disc.evaluate.agreement import CHANCE, MULTI_CLASS, SINGLE_CLASS, SYNTHESIS
from disc.evaluate.marks import BAND
from disc.labels import NAMES, Label
from disc.report.numbers import Numbers

VARIANT_NAMES = {
    "real": "as they are",
    "reconstruction": "through the autoencoder",
    "collage": "real tiles joined by the masks",
    CHANCE: "plain tiles beside each other's masks",
    "sd": "plain",
    "sd-sc": "separated conditions",
    "sd-disc": "DISC",
    "sd-disc-cotrain": "DISC-CoTrain",
    "sd-disc-fast": "student",
}
"""What variants are, in the order in which the page shows them."""
KIND_NAMES = {
    MULTI_CLASS: "multi-class masks of test slides",
    SYNTHESIS: "multi-class masks of synthesis",
    SINGLE_CLASS: "single-class masks",
}
MARK = "\N{DAGGER}"
MARK_NAMES = {"steps": "unequal steps", "deviation": "standard deviation", "KID": "KID"}
"""Why a difference is marked, as it stands beside it."""
MARKED = (
    f"{MARK} marks a difference where {BAND}. Mask agreement is blind to blur: fewer steps and "
    "latents that vary less blur tiles, and blurred tiles are read more easily, so a marked "
    "difference alone does not say that masks are followed better or worse."
)
GRADER_NAMES = {
    "carcino": "Pixel grader (Carcino-Net)",
    "transmil": "Slide grader (TransMIL)",
    "nystrom": "Slide grader (TransMIL, Nystrom attention)",
    "nystrom-0.0.9": "Slide grader (TransMIL, nystrom-attention 0.0.9)",
    "abmil": "Slide grader (ABMIL)",
    "mean": "Slide grader (mean of tiles)",
    "mixed-supervision": "Slide grader (Mixed Supervision)",
}
ENCODER_NAMES = {
    "carcino": "Carcino-Net",
    "resnet50-imagenet": "ImageNet ResNet50",
    "lunit-mocov2": "Lunit MoCo v2",
    "lunit-dino": "Lunit DINO",
    "uni": "UNI",
    "uni2-h": "UNI2-h",
    "virchow2": "Virchow2",
    "h-optimus-0": "H-optimus-0",
    "gigapath": "GigaPath",
    "files": "given",
}
TRUTH_NAMES = {"exact": "exact masks", "annotation": "annotations"}
DATA_NAMES = {"in": "in distribution", "shifted": "out of distribution"}
MINUS = "\N{MINUS SIGN}"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return "none" if pd.isna(value) else f"{value:+z.3f}".replace("-", MINUS)


def plain(value: float) -> str:
    """A number of three decimals."""
    return "none" if pd.isna(value) else f"{value:z.3f}".replace("-", MINUS)


def interval(row: Any) -> str:
    """The 95 % interval of a row with `low` and `high`."""
    if pd.isna(row.low):
        return "[no interval]"
    return f"[{plain(row.low)}, {plain(row.high)}]"


def verdict(row: Any) -> str:
    """What a difference's interval allows to say: better, worse, unclear, or no interval."""
    if pd.isna(row.low):
        return "no interval"
    if row.low > 0:
        return "better"
    return "worse" if row.high < 0 else "unclear"


def in_order(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The table's rows by variant, in the page's order; unknown variants come last."""
    parts = {str(name): part for name, part in table.groupby("variant")}
    known = [name for name in VARIANT_NAMES if name in parts]
    return [(name, parts[name]) for name in [*known, *sorted(set(parts) - set(known))]]


def name_label(label: str) -> str:
    """A label's name in text: Non-Cancer, GG3; of what is no label, itself."""
    return NAMES[Label[label]] if label in Label.__members__ else label


def count(number: int, noun: str) -> str:
    """A number of things: 1 slide, 24 slides."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def agreement_sentence(row: Any, base: str = "sd") -> str:
    """One difference of mask agreement, from a row of the table of differences."""
    one, other = f"{row.variant} ({VARIANT_NAMES.get(row.variant, 'ours')})", f"{base} (plain)"
    support = f"{count(row.tiles, 'mask')} from {count(row.slides, 'slide')}"
    found, kind = f"{signed(row.value)} {interval(row)}, {support}", KIND_NAMES[row.kind]
    on = f"On {kind}"
    if row.marks and verdict(row) in ("better", "worse"):
        how = "higher" if verdict(row) == "better" else "lower"
        return f"{on}, {one} reads {how} than {other}, {tell_marks(row.marks)}: {found}."
    return {
        "better": f"Tiles of {one} follow {kind} better than {other}: {found}.",
        "worse": f"Tiles of {one} follow {kind} worse than {other}: {found}.",
        "unclear": f"{on}, the interval of {one} against {other} includes zero: {found}.",
        "no interval": f"{on}, {one} against {other}: {found}.",
    }[verdict(row)]


def tell_reasons(marks: str) -> str:
    """Why a difference is marked: "unequal steps, KID"; "" where it is not."""
    return ", ".join(MARK_NAMES[mark] for mark in marks.split(", ")) if marks else ""


def tell_marks(marks: str) -> str:
    """The same in a sentence: "marked † (unequal steps, KID)"."""
    return f"marked\N{NO-BREAK SPACE}{MARK} ({tell_reasons(marks)})"


def headline(numbers: Numbers) -> list[str]:
    """The page's first sentences."""
    sentences = []
    if not numbers.differences.empty:
        for _, part in in_order(numbers.differences):
            rows: dict[str, Any] = {row.kind: row for row in part.itertuples()}
            if MULTI_CLASS in rows:
                more = [_on_synthesis(rows[SYNTHESIS])] if SYNTHESIS in rows else []
                sentences += [" ".join([agreement_sentence(rows[MULTI_CLASS]), *more])]
    sentences += _kept(numbers) + _ceiling(numbers)
    return sentences


def _on_synthesis(row: Any) -> str:
    says = {"better": "better", "worse": "worse", "unclear": "the interval includes zero"}
    word = says.get(verdict(row), "")
    if row.marks:
        word = tell_marks(row.marks)
    found = f"{signed(row.value)} {interval(row)}, {count(row.tiles, 'mask')}"
    return f"On those that synthesis asks for{', ' if word else ''}{word}: {found}."


def _kept(numbers: Numbers) -> list[str]:
    """Which fraction of the gain of separated conditions one pass keeps, where there is a gain."""
    if numbers.kept.empty:
        return []
    differences, kept = (
        table[table["kind"] == MULTI_CLASS].set_index("variant")
        for table in (numbers.differences, numbers.kept)
    )
    has_gain = "sd-sc" in differences.index and verdict(differences.loc["sd-sc"]) == "better"
    if not has_gain or "sd-disc" not in kept.index or pd.isna(kept.loc["sd-disc"].low):
        return []
    row, marks = kept.loc["sd-disc"], differences.loc["sd-disc"].marks
    return [
        f"In one pass a step, DISC has {_percent(row.value)} "
        f"[{_percent(row.low)}, {_percent(row.high)}] of the gain of separated conditions"
        f"{', ' + tell_marks(marks) if marks else ''}."
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%".replace("-", MINUS)


def _ceiling(numbers: Numbers) -> list[str]:
    if numbers.agreement.empty:
        return []
    multi = numbers.agreement[numbers.agreement["kind"] == MULTI_CLASS]
    multi = multi.set_index("variant")
    read = multi["value"]
    if not {"real", "reconstruction"} <= set(read.index):
        return []
    sentences = [
        f"Real multi-class tiles have a mask agreement of {plain(read['real'])}, and "
        f"{plain(read['reconstruction'])} after the autoencoder: that is the ceiling."
    ]
    if "collage" in read.index:
        sentences.append(
            "Collages of real single-class tiles, joined by the target masks and passed through "
            f"the autoencoder, reach {plain(read['collage'])}: fusing patterns by these masks can "
            "hardly be read better than that."
        )
        sentences += _way(numbers.way)
    return sentences


def _way(shares: pd.DataFrame) -> list[str]:
    """How far each variant comes from chance to a collage of the same masks."""
    told = []
    for kind, where in ((MULTI_CLASS, "of test slides"), (SYNTHESIS, "that synthesis asks for")):
        found = shares[shares["kind"] == kind].dropna(subset="low").set_index("variant")
        if made := [name for name in VARIANT_NAMES if name in found.index]:
            told.append(f"on masks {where} {', '.join(_share(found.loc[name]) for name in made)}")
    if not told:
        return []
    return [
        "Of the way from chance (tiles of sd beside each other's masks) to such collages come, "
        f"{'; '.join(told)}. Mask agreement is blind to blur."
    ]


def _share(row: pd.Series) -> str:
    low, value, high = (_percent(row[end]) for end in ("low", "value", "high"))
    return f"{row.name} {value} [{low}, {high}]"
