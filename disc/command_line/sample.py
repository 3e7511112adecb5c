"""What `disc sample` does: masks in, tiles, masks and a contact sheet out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from disc.api import Model, load
from disc.asked import Masks, Tiles, refuse_empty, spread_seed
from disc.data.pixels.images import encode_mask, encode_png, read_image, read_mask
from disc.data.pixels.mask_values import INDICES, SICAPV2
from disc.data.tables.image_files import name_file, sort_files
from disc.files import BadInput, claim_folder, digest, write_bytes
from disc.labels import parse_score
from disc.processes import own_share, wait_for_all, write_once
from disc.progress import Bar
from disc.report.figures import as_png
from disc.report.pictures import sheet_cells
from disc.report.run_summary import SheetRow
from disc.report.sheet_figure import draw_sheet
from disc.sample.generation import VariantSampler
from disc.sample.request import SampleRequest

CHUNK = 32
"""Tiles that are made together and held in memory; what is stopped begins again at one of these."""
MAX_SHOWN = 48
"""Tiles that a contact sheet shows."""
BESIDE = 4
"""Tiles on a line of it."""
TILES = 12
"""Of a recipe, unless it is said how many."""
NAME_WIDTH = 20
"""Characters of a name above a mask; of a longer one, the middle is left out."""
SHEET_DPI = 150


def sample_tiles(request: SampleRequest) -> str:
    """Generate tiles and write them, or those that are missing; processes share the work.

    Returns:
        What was written, in a line.

    Raises:
        FileNotFoundError: if there is no such run or mask.
        BadInput: if a mask, the recipe, the variant or the plan cannot be used, or `out` holds
            something else.
    """
    model = load(request.run)
    asked = _draw_masks(request, model) if request.mask is None else _list_masks(request, model)
    facts = _describe(request, model, asked)
    write_once(lambda: claim_folder(request.out, facts))
    _make_missing(request, model, asked)
    wait_for_all()
    write_once(lambda: _write_sheet(request, model, asked))
    num = len(asked.names)
    shown = f" of the first {MAX_SHOWN}" if num > MAX_SHOWN else ""
    what = f"{num} tile(s) by {request.variant}, their masks, sheet.png{shown}{asked.left_out}"
    return f"{request.out}: {what}"


@dataclass(frozen=True)
class _Asked:
    """Names of tiles, and the mask of each, which is read where it is used: all may be many."""

    names: Sequence[str]
    read: Callable[[int], Masks]
    left_out: str = ""

    def stack(self, part: Iterable[int]) -> Masks:
        """Some masks, uint8 [n, H, W]."""
        return np.stack([self.read(i) for i in part])


def _draw_masks(request: SampleRequest, model: Model) -> _Asked:
    """The masks of a recipe."""
    try:
        primary, secondary = parse_score(request.recipe)
    except ValueError as error:
        raise BadInput(f"--recipe: {error}") from error
    masks = model.recipe(primary, secondary, tiles=request.tiles or TILES, seed=request.seed)
    names = [f"{primary}-{secondary}-{i:03d}" for i in range(len(masks))]
    return _Asked(names, masks.__getitem__)


def _list_masks(request: SampleRequest, model: Model) -> _Asked:
    """The masks of a file, or of a folder of PNGs; what else is in it is counted."""
    place = request.mask
    assert place is not None
    if not place.exists():
        raise FileNotFoundError(f"{place}: no such file or folder; correct --mask")
    images, others = {place.stem: place}, list[Path]()
    if place.is_dir():
        images, others = sort_files(place, {".png"})
    if not images:
        raise BadInput(f"{place}: no PNG in it; give a mask, or a folder of masks")
    for path in others:
        if path.suffix.lower() == ".png" and name_file(path) in images:
            raise BadInput(f"{path}: named as {images[name_file(path)].name}; rename one of them")
    read = partial(_read_mask, request, model.tile_px, list(images.values()))
    count = f"; {len(others)} in {place} not taken as masks, first " if others else ""
    return _Asked(list(images), read, count + "".join(path.name for path in others[:1]))


def _read_mask(request: SampleRequest, tile_px: int, paths: Sequence[Path], i: int) -> Masks:
    meaning = SICAPV2 if request.values == "sicapv2" else INDICES
    mask = read_mask(paths[i], tile_px, paths[i], meaning=meaning, fit=request.fit)
    refuse_empty(mask, paths[i])
    return mask


def _describe(request: SampleRequest, model: Model, asked: _Asked) -> dict[str, object]:
    """All that the bytes of the tiles depend on; reads every mask, and so refuses what is none."""
    name = model.find_variant(request.variant)
    sampler = model.sampler(name, plan=request.plan or None, steps=request.steps)
    return {
        "facts": digest(VariantSampler(sampler, name).facts),
        "scale": sampler.autoencoder.scale,
        "masks": [(tile, digest(asked.read(i).tobytes())) for i, tile in enumerate(asked.names)],
        "seed": request.seed,
    }


def _make_missing(request: SampleRequest, model: Model, asked: _Asked) -> None:
    """Make this process's share of the chunks, but for those of which all files stand."""
    num, share = len(asked.names), own_share()
    seeds = spread_seed(request.seed, num)
    chunks = [range(start, min(start + CHUNK, num)) for start in range(0, num, CHUNK)]
    files = [[path for i in part for path in _paths(request, asked.names[i])] for part in chunks]
    has_all = [all(path.is_file() for path in paths) for paths in files]
    finished = sum(len(part) for part, is_done in zip(chunks, has_all, strict=True) if is_done)
    bar = Bar("sample", total=num, unit="tile", start=finished, shown=share.is_first)
    for number, part in enumerate(chunks):
        if has_all[number]:
            continue
        if share.has(number):
            masks = asked.stack(part)
            tiles = model.sample(
                masks,
                variant=request.variant,
                plan=request.plan or None,
                steps=request.steps,
                seed=[seeds[i] for i in part],
            )
            for i, tile, mask in zip(part, tiles, masks, strict=True):
                image_path, mask_path = _paths(request, asked.names[i])
                write_bytes(image_path, encode_png(tile))
                write_bytes(mask_path, encode_mask(mask))
        bar.advance(len(part))
    bar.close()


def _paths(request: SampleRequest, name: str) -> tuple[Path, Path]:
    """Where a tile and its mask are written."""
    return request.out / "images" / f"{name}.png", request.out / "masks" / f"{name}.png"


def _write_sheet(request: SampleRequest, model: Model, asked: _Asked) -> None:
    """The first tiles, as they stand, and their masks on a sheet."""
    names = asked.names[:MAX_SHOWN]
    paths = [_paths(request, name)[0] for name in names]
    tiles = np.stack([read_image(path, model.tile_px) for path in paths])
    masks = asked.stack(range(len(names)))
    sheet = _draw_sheet(model, request.variant, names, tiles, masks)
    write_bytes(request.out / "sheet.png", sheet)


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
