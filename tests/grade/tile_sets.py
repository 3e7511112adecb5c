"""Tile sets on disk whose grade a small network can read: the frequency of stripes."""

from pathlib import Path

import numpy as np
from PIL import Image

from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.labels import GRADES, Label

SIDE = 32
PERIODS = (0, 16, 6, 2)


def generate(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stripes whose period says the label, at any phase."""
    columns = np.arange(SIDE)[None, :] + rng.integers(8)
    stripes = [np.broadcast_to(columns % max(p, 1) >= p / 2, mask.shape) for p in PERIODS]
    stripes[0] = np.zeros(mask.shape, bool)
    bright = np.choose(np.minimum(mask, 3), stripes)
    noise = rng.normal(0, 8, (*mask.shape, 3))
    return np.clip(np.where(bright[..., None], 210, 120) + noise, 0, 255).astype(np.uint8)


def write_set(root: Path, primaries: list[int], tiles_each: int = 4, name: str = "s") -> TileSet:
    """One patient a slide; tiles are half their slide's grade, half Non-Cancer."""
    root.mkdir(parents=True, exist_ok=True)
    slides, tiles = {}, []
    for number, grade in enumerate(primaries):
        slide = Slide(
            slide_id=f"{name}{number}",
            patient_id=f"p{name}{number}",
            primary=grade,
            secondary=grade,
        )
        slides[slide.slide_id] = slide
        label = next(label for label in Label if GRADES[label] == grade)
        for index in range(tiles_each):
            rng = np.random.default_rng([number, index, len(name)])
            mask = np.full((SIDE, SIDE), label, np.uint8)
            mask[: SIDE // 2] = 0
            tiles.append(write_tile(root, slide.slide_id, index, mask, generate(mask, rng)))
    return TileSet(slides=slides, tiles=tuple(tiles), tile_px=SIDE)


def write_tile(root: Path, slide_id: str, index: int, mask: np.ndarray, image: np.ndarray) -> Tile:
    stem = f"{slide_id}_{index}"
    Image.fromarray(image).save(root / f"{stem}.jpg", quality=95, subsampling=0)
    values = np.array([0, 3, 4, 5], np.uint8)[np.minimum(mask, 3)]
    values[mask == 255] = 255
    Image.fromarray(values).save(root / f"{stem}.png")
    return Tile(
        name=stem,
        slide_id=slide_id,
        image=root / f"{stem}.jpg",
        mask=root / f"{stem}.png",
        x=16 * index,
        y=0,
    )
