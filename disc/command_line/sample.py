"""What `disc sample` does: masks in, tiles, masks and a contact sheet out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from disc.api import Model, load
from disc.asked import Masks, Tiles
from disc.data.pixels.images import encode_mask, encode_png, read_mask
from disc.data.pixels.mask_values import INDICES, SICAPV2
from disc.files import BadInput, claim_folder, write_bytes
from disc.labels import parse_score
from disc.report.figures import as_png
from disc.report.pictures import sheet_cells
from disc.report.run_summary import SheetRow
from disc.report.sheet_figure import draw_sheet
from disc.sample.request import SampleRequest

MAX_SHOWN = 48
"""Tiles that a contact sheet shows."""
BESIDE = 4
"""Tiles on a line of it."""
NAME_WIDTH = 20
"""Characters of a name above a mask; of a longer one, the middle is left out."""
SHEET_DPI = 150


def sample_tiles(request: SampleRequest) -> str:
    """Generate tiles and write them.

    Returns:
        What was written, in a line.

    Raises:
        FileNotFoundError: if there is no such run or mask.
        BadInput: if a mask, the recipe, the variant or the plan cannot be used, or `out` holds
            something else.
    """
    model = load(request.run)
    names, masks = _read_masks(request, model)
    claim_folder(request.out, asdict(request))
    tiles = model.sample(
        masks,
        variant=request.variant,
        plan=request.plan or None,
        steps=request.steps,
        seed=request.seed,
    )
    for name, tile, mask in zip(names, tiles, masks, strict=True):
        write_bytes(request.out / "images" / f"{name}.png", encode_png(tile))
        write_bytes(request.out / "masks" / f"{name}.png", encode_mask(mask))
    part = slice(MAX_SHOWN)
    sheet = _draw_sheet(model, request.variant, names[part], tiles[part], masks[part])
    write_bytes(request.out / "sheet.png", sheet)
    shown = f" of the first {MAX_SHOWN}" if len(tiles) > MAX_SHOWN else ""
    what = f"{len(tiles)} tile(s) by {request.variant}, their masks, sheet.png{shown}"
    return f"{request.out}: {what}"


def _read_masks(request: SampleRequest, model: Model) -> tuple[list[str], Masks]:
    if request.mask is None:
        try:
            primary, secondary = parse_score(request.recipe)
        except ValueError as error:
            raise BadInput(f"--recipe: {error}") from error
        masks = model.recipe(primary, secondary, tiles=request.tiles, seed=request.seed)
        return [f"{primary}-{secondary}-{i:03d}" for i in range(len(masks))], masks
    if not request.mask.exists():
        raise FileNotFoundError(f"{request.mask}: no such file or folder; correct --mask")
    paths = sorted(request.mask.glob("*.png")) if request.mask.is_dir() else [request.mask]
    if not paths:
        raise BadInput(f"{request.mask}: no PNG in it; give a mask, or a folder of masks")
    meaning = SICAPV2 if request.values == "sicapv2" else INDICES
    masks = np.stack(
        [read_mask(path, model.tile_px, path, meaning=meaning, fit=request.fit) for path in paths]
    )
    return [path.stem for path in paths], masks


def _draw_sheet(
    model: Model, variant: str, names: Sequence[str], tiles: Tiles, masks: Masks
) -> bytes:
    """Masks under their names, beside each its tile, below this what the referee reads in it."""
    rows = [
        SheetRow(mask=mask, images={variant: tile}, readings={variant: reading})
        for tile, mask, reading in zip(tiles, masks, model.segment(tiles), strict=True)
    ]
    pairs = [
        (replace(mask, heading=_shorten(name)), tile)
        for name, (mask, tile) in zip(names, sheet_cells(rows), strict=True)
    ]
    lines = [
        [cell for pair in pairs[first : first + BESIDE] for cell in pair]
        for first in range(0, len(pairs), BESIDE)
    ]
    return as_png(draw_sheet(lines, model.um_per_px), SHEET_DPI)


def _shorten(name: str) -> str:
    half = NAME_WIDTH // 2
    return name if len(name) <= NAME_WIDTH else f"{name[: half - 1]}…{name[-half:]}"
