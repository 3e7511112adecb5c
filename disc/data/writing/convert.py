"""`disc convert`: a set that any reader reads becomes one in the SICAPv2 layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from disc.data.readers.read import read_source
from disc.data.tiles.labels import Counts
from disc.data.tiles.names import parse_name
from disc.data.tiles.records import Slide
from disc.data.writing.box_scale import find_scale
from disc.data.writing.new_names import name_slides, name_tiles
from disc.data.writing.new_split import NUM_GROUPS, can_divide, deal_patients, name_partitions
from disc.data.writing.request import ConvertRequest
from disc.data.writing.set_writer import SetWriter
from disc.data.writing.tile_files import write_tiles
from disc.files import BadInput, claim_folder
from disc.labels import GRADES, Label

_MIN_SECOND = 0.05
"""Fraction of graded pixels from which a second grade is in a score derived from masks."""


@dataclass(frozen=True, kw_only=True)
class ConvertReport:
    """Outcome of converting."""

    lines: Sequence[str]
    """What a person should know: notes of the reader, what was left out, what was written."""
    misnamed: Mapping[str, str]
    """Why slides were left out whose names cannot be written, by their old ids."""

    def __str__(self) -> str:
        return "\n".join(self.lines)


def convert_set(request: ConvertRequest) -> ConvertReport:
    """Write every tile of a set with its mask, and divide the patients into folds and test.

    With fewer than five patients with labels, all are the test: the set is for evaluation alone.
    Stopped, the same request writes the set again, in the same bytes.

    Raises:
        FileNotFoundError: if the set is not there.
        BadInput: if it has no tiles, a file cannot be used, or `out` holds something else.
    """
    tiles = read_source(request.source)
    if not len(tiles):
        raise BadInput(f"{request.source.root}: slides without tiles; cut them with disc tile")
    slides, misnamed = name_slides(tiles)
    tiles = tiles.only(i for i, tile in enumerate(tiles.tiles) if tile.slide_id in slides)
    names = name_tiles(tiles, slides)
    facts = asdict(request)
    for name in ("skip_damaged", "processes"):  # They change nothing of what is written.
        del facts[name]
    claim_folder(request.out, facts)
    notes = list(tiles.notes)
    writer = SetWriter(request.out, um_per_px=find_scale(tiles, notes))
    writer.reopen()
    written = write_tiles(
        tiles, names, writer, skip=request.skip_damaged, processes=request.processes
    )
    damaged = written.damaged
    kept = [number for number, tile in enumerate(tiles.tiles) if tile.name not in damaged]
    if not kept:
        raise BadInput(f"{request.source.root}: every tile is damaged; fetch them again")
    writer.discard_others({names[number] for number in kept})
    slides = {name: slides[name] for name in tiles.only(kept).slides}
    if request.scores_from_masks:
        slides = score_by_masks(slides, written.pixels, notes)
    said = _finish(writer, list(slides.values()), written.labels, request.seed)
    lines = [*notes, *_list_left_out(misnamed, damaged)]
    lines.append(f"{request.out}: {len(kept)} tiles of {said}")
    return ConvertReport(lines=lines, misnamed=misnamed)


def _finish(
    writer: SetWriter, slides: Sequence[Slide], labels: Mapping[str, Label], seed: int
) -> str:
    """Divide the slides and finish their set; what of it is in the set, for people."""
    labelled = {parse_name(name)["slide"] for name in labels}
    is_small = not can_divide(slides, labelled)
    partitions: Mapping[str, Sequence[str]]
    if is_small:
        partitions = {"Test/Train": [], "Test/Test": [slide.slide_id for slide in slides]}
    else:
        partitions = name_partitions(deal_patients(slides, seed, labelled))
    writer.finish(slides, partitions, labels)
    parts = "all in Test/Test" if is_small else f"{NUM_GROUPS} parts by patient"
    said = f"{len(slides)} slides, {len(labels)} with a label; {parts}"
    if not labels:
        said += "; without tile labels it serves whole slides and as external set: a generator "
        said += "and pixel-level graders need masks"
    return said


def _list_left_out(misnamed: Mapping[str, str], damaged: Mapping[str, str]) -> list[str]:
    lines = []
    for what, faults in (
        ("slide(s) whose names cannot be written; mended, the same command adds them", misnamed),
        ("damaged tile(s)", damaged),
    ):
        if faults:
            lines.append(f"left out: {len(faults)} {what}")
            lines += [f"  {fault}" for fault in faults.values()]
    return lines


def score_by_masks(
    slides: Mapping[str, Slide], pixels: Mapping[str, Counts], notes: list[str]
) -> dict[str, Slide]:
    """Slides with scores, where they had none, of the two most frequent grades in their masks.

    A second grade counts from 5 % of the graded pixels on; a slide is benign where no pixel of it
    has a grade and some are Non-Cancer.

    Args:
        slides: by their old ids.
        pixels: of each label [4], by the same.
        notes: to which it is added how many were scored.
    """
    scored = dict(slides)
    for name, slide in slides.items():
        counts = pixels[name]
        if slide.primary is not None or not counts.any():
            continue
        first, second = np.argsort(-counts[1:], kind="stable")[:2] + 1
        is_mixed = counts[second] >= _MIN_SECOND * counts[1:].sum()
        grades = (GRADES[Label(int(first))], GRADES[Label(int(second if is_mixed else first))])
        primary, secondary = grades if counts[1:].any() else (0, 0)
        scored[name] = replace(slide, primary=primary, secondary=secondary)
    num = sum(slide.primary is not None for slide in scored.values())
    num -= sum(slide.primary is not None for slide in slides.values())
    notes.append(
        f"scores of {num} slide(s) were derived from their masks, which no pathologist gave"
    )
    return scored
