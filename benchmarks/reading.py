"""Tiles and masks read by disc, against a bare Pillow loop over the same files.

The reader checks names, headers and every value of a mask, and gives labels; the bare loop decodes
and nothing else. 200 generated tiles of 512 px in the SICAPv2 layout, tile by tile in turn; tiles a
second of processor time, so that other work on the machine does not count, and the median over
rounds of the ratio with its minimum and maximum. Then the seconds that listing 20,000 tiles takes.
About a minute.

    python benchmarks/reading.py
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.data.tiles.tile_set import TileSet

SIDE = 512
NUM = 200
LISTED = 20_000
ROUNDS = 9


def write_set(root: Path, num: int, kinds: int) -> None:
    """A set of `num` tiles: the first `kinds` are written, the others are links to them."""
    rng = np.random.default_rng(0)
    names = [
        f"16B{i // 120:07d}_Block_Region_0_{i % 120}_0_xini_0_yini_{1024 * i}" for i in range(num)
    ]
    for folder in ("images", "masks", "partition/Test"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        image, mask = root / "images" / f"{name}.jpg", root / "masks" / f"{name}.png"
        if number >= kinds:
            os.link(root / "images" / f"{names[number % kinds]}.jpg", image)
            os.link(root / "masks" / f"{names[number % kinds]}.png", mask)
            continue
        coarse = rng.integers(90, 250, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        noisy = np.asarray(smooth).astype(int) + rng.normal(0, 6, (SIDE, SIDE, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(image, quality=90)
        grades = rng.choice([0, 0, 3, 4, 5], (SIDE // 64, SIDE // 64)).astype(np.uint8)
        Image.fromarray(grades).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(mask)
    save_workbooks(root, names)


def save_workbooks(root: Path, names: list[str]) -> None:
    """The workbooks of a set, six tenths of whose tiles are listed, as SICAPv2's."""
    listed = names[: len(names) * 6 // 10]
    rows = pd.DataFrame({"image_name": [f"{name}.jpg" for name in listed]})
    for column in ("NC", "G3", "G4", "G5", "G4C"):
        rows[column] = int(column == "G3")
    rows.to_excel(root / "partition" / "Test" / "Train.xlsx", index=False)
    ids = sorted({name.split("_")[0] for name in names})
    slides = {"slide_id": ids, "patient_id": ids, "Gleason_primary": 3, "Gleason_secondary": 4}
    pd.DataFrame(slides).to_excel(root / "wsi_labels.xlsx", index=False)


def read_tile(tiles: TileSet, index: int) -> None:
    """A tile and its mask through disc."""
    tiles.image(index)
    tiles.mask(index)


def read_bare(tiles: TileSet, index: int) -> None:
    """A tile and its mask with Pillow."""
    for path in (tiles.tiles[index].image, tiles.tiles[index].mask):
        assert path is not None
        with Image.open(path) as image:
            np.array(image)


def time_rates(tiles: TileSet) -> tuple[float, float]:
    """Tiles a second of processor time, with Pillow and through disc, tile by tile in turn."""
    seconds = {read_bare: 0.0, read_tile: 0.0}
    for index in range(len(tiles)):
        for read in (read_bare, read_tile) if index % 2 else (read_tile, read_bare):
            start = time.process_time()
            read(tiles, index)
            seconds[read] += time.process_time() - start
    return len(tiles) / seconds[read_bare], len(tiles) / seconds[read_tile]


def time_listing(root: Path) -> float:
    """Processor seconds to list a set, its workbooks and a sample of its masks included."""
    start = time.process_time()
    assert len(read_source(Source(root=root))) == LISTED
    return time.process_time() - start


def main() -> None:
    """Compare; print a table, and one JSON line with the ratio and its interval."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        write_set(small, NUM, NUM)
        write_set(large, LISTED, 20)
        tiles = read_source(Source(root=small))
        pairs = [time_rates(tiles) for _ in range(ROUNDS + 1)]
        listing = [time_listing(large) for _ in range(3)]
    # The first round reads from disk, and does not count.
    bare, ours = zip(*pairs[1:], strict=True)
    each = [reader / pillow for pillow, reader in pairs[1:]]
    ratio, low, high = statistics.median(each), min(each), max(each)
    print(f"{'tiles a second':16} {'Pillow':>8} {'disc':>8} {'ratio':>6}  min-max")
    rates = f"{statistics.median(bare):8.1f} {statistics.median(ours):8.1f}"
    print(f"{'image and mask':16} {rates} {ratio:6.2f}  {low:.2f}-{high:.2f}")
    print(f"listing {LISTED:,} tiles: {min(listing):.2f} to {max(listing):.2f} s")
    facts = {"ratio": ratio, "low": low, "high": high}
    print(json.dumps({"reading": facts, "listing_seconds": [min(listing), max(listing)]}))


if __name__ == "__main__":
    main()
