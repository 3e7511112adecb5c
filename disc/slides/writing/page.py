"""`report.html`: one file with the slide, its map, numbers, and what they do not say."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from disc.data.pixels.images import Pixels, encode_png
from disc.data.pixels.picture_legend import choose_bar_um, name_length
from disc.files import write_bytes
from disc.labels import NAMES, PALETTES, Label
from disc.report.pictures import as_uri, embed
from disc.report.tables import Field, Grid
from disc.report.templates import open_template
from disc.slides.judging.record import GradeRecord, MapFacts, Share, tell_score
from disc.slides.judging.rules import RULES, SLIDE_RULES
from disc.slides.writing.pictures import UNREADABLE

_QUALITY = 88


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownTile:
    """A window on the page.

    Attributes:
        heading: of which kind it is.
        value: what it was chosen by, 0 to 1.
        corner: level-0 x and y of its upper left one.
        pixels: uint8 [P, P, 3].
    """

    heading: str
    value: float
    corner: tuple[int, int]
    pixels: Pixels

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return embed(self.pixels)

    @property
    def caption(self) -> str:
        """What it was chosen by, and where it lies."""
        share = f"{self.value:.0%}" if self.value >= 0.1 else f"{self.value:.1%}"
        return "{} at {:,}, {:,} px".format(share, *self.corner)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What the page shows.

    Attributes:
        record: what is said.
        slide: uint8 [H, W, 3]; None: features alone were graded.
        colours: the map over it, uint8 [H, W, 4].
        um_per_px: of both.
        tiles: windows, by heading.
    """

    record: GradeRecord
    slide: Pixels | None = None
    colours: Pixels | None = None
    um_per_px: float = 1.0
    tiles: Sequence[ShownTile] = field(default=())


def write_page(path: Path, shown: Shown) -> None:
    """Write the page, one file that needs nothing else."""
    record = shown.record
    lost = record.map is not None and record.map.unreadable_mm2 > 0
    page = open_template("page.html", Path(__file__).parent).render(
        record=record,
        slide=_as_jpeg(shown.slide),
        colours="" if shown.colours is None else as_uri(encode_png(shown.colours), "image/png"),
        bar=_bar(shown),
        legend=_legend(has_lost=lost),
        grids=[_share_grid(record), _head_grid(record)],
        networks=_name_networks(record),
        rows=_group_tiles(shown.tiles),
        said=_tell_score(record),
        rules=_tell_rules(record),
        left_out=_tell_left_out(record),
        limits=tell_limits(record),
    )
    write_bytes(path, page.encode("utf-8", "backslashreplace"))


def tell_limits(record: GradeRecord) -> list[str]:
    """What the numbers do not say."""
    limits = [
        "Research use only: nothing here is for the diagnosis or treatment of anybody.",
        "Intervals hold what another piece of the same tissue, and another of the networks named "
        "here, would change; not another scanner, another laboratory or another annotator."
        if record.shares
        else "There is no interval: another piece of the same tissue may say something else.",
    ]
    if record.trained_on == "simulated tissue only":
        limits.insert(
            0,
            "The graders were trained on simulated tissue only; they know no real slide.",
        )
    if record.map is not None:
        limits.append(
            "The temperature was fitted on tiles of the validation slides; on slides of another "
            "kind probabilities may be far from frequencies."
        )
        limits += _tell_focus(record.map)
    if record.shares and any(share.low is None for share in record.shares.values()):
        limits.append(
            "There is no interval: it would rest on draws of pieces of half a millimetre, of which "
            "there is one."
        )
    num_seeds = sum(name.startswith("seed") for name in record.opinions)
    num_networks = len(record.opinions) if record.shares else len(record.source.weights)
    if num_networks == 1:
        limits.append("There is one network: what another training would say is in no interval.")
    elif num_seeds == 1 and record.shares:
        limits.append(
            "There is one seed of the pixel grader; the encoder's two networks, which saw half of "
            "the training slides each, stand in for others."
        )
    if not record.cross_check:
        limits.append(f"There is no slide grader to hold the {record.basis} against.")
    return limits


def _tell_focus(facts: MapFacts) -> list[str]:
    said = f"The largest piece that graders are sure is cancer has {facts.focus_mm2:.3f} mm²."
    if facts.focus_threshold_mm2 is None:
        return [said]
    return [
        f"{said} Below {facts.focus_threshold_mm2:.3f} mm² it is not told from errors: a smaller "
        "focus of cancer may be missed, and a slide that holds nothing else be called benign."
    ]


def _tell_score(record: GradeRecord) -> str:
    score = record.score
    if score.primary is None:
        return tell_score(score, record.cross_check)
    return f"Gleason {score.primary}+{score.secondary}, ISUP grade group {score.isup}"


def _tell_rules(record: GradeRecord) -> list[str]:
    if record.shares:
        return [rule.replace("of the tissue", f"of the {record.unit}") for rule in RULES]
    return list(SLIDE_RULES)


def _as_jpeg(slide: Pixels | None) -> str:
    if slide is None:
        return ""
    buffer = io.BytesIO()
    Image.fromarray(slide).save(buffer, "JPEG", quality=_QUALITY)
    return as_uri(buffer.getvalue(), "image/jpeg")


def _bar(shown: Shown) -> dict[str, object]:
    if shown.slide is None:
        return {}
    width_um = shown.slide.shape[1] * shown.um_per_px
    length = choose_bar_um(width_um)
    return {"percent": round(100 * length / width_um, 2), "text": name_length(length)}


def _legend(*, has_lost: bool) -> list[tuple[str, str]]:
    named = [(NAMES[label], PALETTES["safe"][label]) for label in Label]
    named += [("could not be read", UNREADABLE)] if has_lost else []
    return [(name, "rgb({}, {}, {})".format(*colour)) for name, colour in named]


def _share_grid(record: GradeRecord) -> Grid:
    has_areas = record.tissue_mm2 is not None
    cancer = sum(share.fraction for name, share in record.shares.items() if name != "NC")
    rows = []
    for name, share in record.shares.items():
        of_cancer = "" if name == "NC" or not cancer else f"{share.fraction / cancer:.1%}"
        fields = [of_cancer]
        fields += [f"{share.mm2:.2f}"] if share.mm2 is not None else []
        floor = record.floors.get(name)
        fields.append("" if floor is None else f"{floor:.1%}")
        of_tissue = Field(text=f"{share.fraction:.1%}", small=_interval(share))
        rows.append([Field(text=name), of_tissue, *(Field(text=text) for text in fields)])
    columns = ["pattern", f"of the {record.unit}, 95 % interval", "of the cancer"]
    columns += ["mm²"] if has_areas else []
    return Grid(caption="Extent", columns=(*columns, "counts from"), rows=rows)


def _interval(share: Share) -> str:
    if share.low is None or share.high is None:
        return ""
    return f"{share.low:.1%} to {share.high:.1%}"


def _head_grid(record: GradeRecord) -> Grid:
    rows = [
        [
            Field(text=name),
            Field(text=f"{each.score:.2f}"),
            Field(text=f"{each.threshold:.2f}"),
            Field(text="yes" if each.is_present else "no"),
        ]
        for name, each in record.cross_check.items()
    ]
    return Grid(
        caption="Cross-check by the slide grader" if record.shares else "Labels",
        columns=("label", "score", "threshold", "present"),
        rows=rows,
    )


def _name_networks(record: GradeRecord) -> str:
    groups = ", ".join(f"{name}: ISUP {group}" for name, group in record.opinions.items())
    draws = ", ".join(f"ISUP {group} in {share:.0%}" for group, share in record.isup_shares.items())
    has_several = len(record.opinions) > 1
    said = [f"By each network alone: {groups}."] if has_several else []
    if any(name.startswith("half") for name in record.opinions):
        said.append("(Halves are the encoder's networks, each of half of the training slides.)")
    drawn = f"{record.unit} and networks" if has_several else record.unit
    said += [f"Over draws of {drawn}: {draws}."] if draws else []
    if record.slide_group is not None:
        shares = record.slide_group.shares.items()
        listed = ", ".join(f"{group} {share:.0%}" for group, share in shares if share >= 0.005)
        group = record.slide_group.group
        said.append(f"By the slide grader's ordinal head: ISUP {group} (probabilities: {listed}).")
    return " ".join(said)


def _group_tiles(tiles: Sequence[ShownTile]) -> list[tuple[str, list[ShownTile]]]:
    headings = dict.fromkeys(tile.heading for tile in tiles)
    return [(name, [tile for tile in tiles if tile.heading == name]) for name in headings]


def _tell_left_out(record: GradeRecord) -> list[str]:
    said = []
    if record.regions is not None:
        facts = record.regions
        said.append(
            f"Outlines: {facts.kept} region(s), on pixels of {facts.um_per_px:g} µm; "
            f"{facts.dropped} piece(s) of less than 0.01 mm², {facts.dropped_mm2:.3f} mm² in all, "
            f"are not drawn, but count in the table; corners taken away: {facts.simplified}."
        )
    if record.map is not None and record.map.unreadable_mm2 > 0:
        said.append(
            f"{record.map.unreadable_mm2:.3f} mm² could not be read; it counts nowhere, and is "
            "black on the map and an outline of its own."
        )
    if not record.shares:
        said.append("Features come without pixels: there is no map, and no extent of any pattern.")
    elif record.map is None:
        said.append(
            "Features come without pixels: each tile counts for its likeliest label, whatever else "
            "is in it, and nothing tells whether it is like the training tiles."
        )
    else:
        said.append("Glass, pen and pieces of dust are left out, as disc tile leaves them out.")
    return said
