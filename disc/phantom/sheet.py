"""A sheet of simulated tiles for people to look at: `python -m disc.phantom.sheet out.png`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from disc import seeds
from disc.data.pixels.mask_colours import colour_mask, name_colours
from disc.data.pixels.picture_legend import draw_rows, encode_small_png
from disc.data.tiles.tile_set import Pixels
from disc.files import write_bytes
from disc.labels import label_of_grade
from disc.phantom.drawing import draw_slide
from disc.phantom.sets import PhantomTile, cut_tiles
from disc.phantom.stain import EXTERNAL, HOME, Scanner

_COLUMNS = 6
_SIDE = 128
_SCORES = ((0, 0), (3, 3), (4, 4), (5, 5))
_MIXED = ((3, 4), (4, 3), (4, 5), (5, 4))


def draw_sheet(seed: int = 1) -> Pixels:
    """The sheet, uint8 [H, W, 3].

    Rows: each pattern at 4 µm per pixel (64 px) and at 1 µm per pixel (256 px, shown at half
    size); multi-class tiles, each beside its exact and its annotator's mask; each pattern from the
    external set's scanner. Below, the names of the masks' colours.
    """
    rows = []
    for um_per_px in (4.0, 1.0):
        for score in _SCORES:
            tiles = _tiles(seed, score, um_per_px)
            rows.append([tile.image for tile in _pick(tiles, _COLUMNS)])
    mixed = [tile for score in _MIXED for tile in _pick(_tiles(seed, score, 4.0, mixed=True), 3)]
    triples = [[t.image, colour_mask(t.exact), colour_mask(t.mask)] for t in mixed]
    rows += [triples[i] + triples[i + 1] for i in range(0, len(triples), 2)]
    external = [_tiles(seed, score, 4.0, scanner=EXTERNAL) for score in _SCORES]
    rows.append([tile.image for tiles in external for tile in _pick(tiles, 2)][1:-1])
    legend = draw_rows(name_colours(), _COLUMNS * (_SIDE + 4))
    return np.concatenate([*[_row(images) for images in rows], legend])


def _tiles(
    seed: int,
    score: tuple[int, int],
    um_per_px: float,
    *,
    mixed: bool = False,
    scanner: Scanner = HOME,
) -> list[PhantomTile]:
    """Tiles 256 µm wide of three slides: of the primary grade only, or multi-class."""
    found: list[PhantomTile] = []
    label = label_of_grade(score[0])
    for index in range(3):
        rng = seeds.numpy_generator(seed, "sheet", *score, index)
        picture = draw_slide(rng, score, core_um=(650.0, 1300.0), scanner=scanner).render(um_per_px)
        for tile in cut_tiles(picture, "sheet", round(256 / um_per_px)):
            fraction = (tile.exact == label).mean()
            if 0.25 < fraction < 0.75 if mixed else fraction > 0.98:
                found.append(tile)
    return found


def _pick(tiles: list[PhantomTile], number: int) -> list[PhantomTile]:
    """So many of the tiles, evenly over all of them."""
    return [tiles[i] for i in np.linspace(0, len(tiles) - 1, number).astype(int)]


def _row(images: list[Pixels]) -> Pixels:
    """Images side by side, on white, as wide as the sheet."""
    canvas = np.full((_SIDE + 4, _COLUMNS * (_SIDE + 4), 3), 255, np.uint8)
    for column, image in enumerate(images):
        resample = Image.Resampling.NEAREST if len(image) < _SIDE else Image.Resampling.BOX
        shown = Image.fromarray(image).resize((_SIDE, _SIDE), resample)
        left = column * (_SIDE + 4)
        canvas[2 : 2 + _SIDE, left + 2 : left + 2 + _SIDE] = np.asarray(shown)
    return canvas


def main(path: Path) -> None:
    """Draw the sheet and write it as a small PNG."""
    sheet = Image.fromarray(draw_sheet())
    write_bytes(path, encode_small_png(sheet))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
