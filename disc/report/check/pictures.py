"""Example tiles of what a check found, as pictures inside its page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from disc.data.check.decode import mark_artefacts
from disc.data.check.report import Case, Finding, Shown
from disc.data.pixels.images import open_image
from disc.data.pixels.mask_colours import colour_table
from disc.data.pixels.mask_values import SICAPV2, Meaning
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.report.pictures import Cell
from disc.report.run_summary import Pixels

STRANGE = (0, 0, 0)
"""Colour of what is wrong in a mask: values that mean nothing, thin rims."""
_MAX_PX = 160
_MAX_DECODED = 2**26
_COLOURS = colour_table(unexplained=STRANGE)


def example_cells(
    finding: Finding, case: Case, meanings: Mapping[Path, Meaning] | None = None
) -> list[Cell]:
    """The tiles of a case with their masks; files that cannot be shown are left out.

    Args:
        finding: what was found.
        case: one case of it.
        meanings: what the values of masks mean, by root of a set; None: grades.
    """
    cells = []
    for shown in case.shown:
        meaning = _find_meaning(shown, meanings or {})
        pair = _image_cell(shown), _mask_cell(shown, meaning)
        cells += [cell for cell in pair if cell is not None]
        if (
            finding.kind == "boundary-artefacts"
            and (artefacts := _artefact_cell(shown, meaning)) is not None
        ):
            cells.append(artefacts)
    return cells


def _find_meaning(shown: Shown, meanings: Mapping[Path, Meaning]) -> Meaning:
    roots = [root for root in meanings if root in shown.image.parents]
    # Of sets inside of each other, the inner one.
    return meanings[max(roots, key=lambda root: len(root.parts))] if roots else SICAPV2


def _image_cell(shown: Shown) -> Cell | None:
    if shown.image.suffix.lower() in {".tif", ".tiff"}:
        pixels = _read_slide(shown.image)
    else:
        pixels = _read(shown.image, "RGB")
    return None if pixels is None else Cell(heading="tile", pixels=_small(pixels))


def _mask_cell(shown: Shown, meaning: Meaning) -> Cell | None:
    values = _read_values(shown)
    if values is None:
        return None
    labels = meaning.table[_small(values, is_mask=True)]
    return Cell(heading="mask", pixels=_COLOURS[labels], is_mask=True)


def _artefact_cell(shown: Shown, meaning: Meaning) -> Cell | None:
    values = _read_values(shown)
    if values is None:
        return None
    pixels = _COLOURS[meaning.table[values]] // 3 + 150
    pixels[mark_artefacts(values, meaning)] = STRANGE
    return Cell(heading="rims", pixels=_small(pixels, is_mask=True), is_mask=True)


def _read_values(shown: Shown) -> Pixels | None:
    is_slide = shown.mask is None or shown.mask.suffix.lower() in {".tif", ".tiff"}
    return None if is_slide or shown.mask is None else _read(shown.mask, "L")


def _read(path: Path, mode: str) -> Pixels | None:
    try:
        with open_image(path) as opened:
            if opened.width * opened.height > _MAX_DECODED:
                return None
            image = ImageOps.exif_transpose(opened)
            # A palette's indices are the values, not its colours.
            is_index = mode == "L" and image.mode == "P"
            return np.array(image if is_index else image.convert(mode), np.uint8)
    except BadInput:
        return None


def _read_slide(path: Path) -> Pixels | None:
    try:
        return Scan(path).read_coarsest()
    except BadInput:
        return None


def _small(pixels: Pixels, *, is_mask: bool = False) -> Pixels:
    image = Image.fromarray(pixels)
    how = Image.Resampling.NEAREST if is_mask else Image.Resampling.LANCZOS
    image.thumbnail((_MAX_PX, _MAX_PX), how)
    return np.array(image)
