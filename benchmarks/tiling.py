"""`disc tile`, against OpenSlide merely reading the same boxes and Pillow encoding them.

Both with as many processes, in turn, round after round. `disc tile` also finds tissue, spreads
labels, draws the thumbnails and puts everything on disk; the other reads the boxes of slide and
mask that `disc tile` chose, at the same levels, and encodes them in memory. Starting Python is
counted for neither. Slides are generated, or given. A few minutes.

    python benchmarks/tiling.py
    python benchmarks/tiling.py --slides panda/train_images --masks panda/train_label_masks
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import openslide
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from disc.data.panda import find_mask
from disc.data.request import TileRequest
from disc.data.tiling import tile_slides

SETTINGS = {
    # name: side of a tile, level whose resolution is asked for (or micrometres), overlap
    "64 px, 4 um, overlap 0.5": (64, 4.0, 0.5),
    "256 px of level 1, overlap 0": (256, 1, 0.0),
    "512 px of level 0, overlap 0": (512, 0, 0.0),
    "512 px of level 0, overlap 0.5": (512, 0, 0.5),
}
UM, LEVELS = 0.5, (1, 4, 16)
COLOURS = np.array([(243, 242, 243), (225, 150, 190), 0, (150, 90, 180), (190, 60, 120)], object)


def generate(root: Path, num_slides: int) -> None:
    """Pyramids like PANDA's: cores of stroma with glands, noise that JPEG cannot do away with."""
    colours = np.array([c or (0, 0, 0) for c in COLOURS], np.int16)
    for number in range(num_slides):
        rng = np.random.default_rng(number)
        height, width = 12288, 3072
        y, x = np.mgrid[:height, :width].astype(np.float32)
        wave = 500 * np.sin(y / 1500 + number)
        core = np.abs(x - width / 2 - wave) < 700 + 100 * np.sin(y / 400)
        glands = gaussian_filter(rng.standard_normal((height // 8, width // 8)), 6)
        glands = np.kron(glands / glands.std(), np.ones((8, 8), np.float32))
        kind = np.where(glands > 0.5, np.where(y < height / 2, 3, 4), 1)
        mask = np.where(core, kind, 0).astype(np.uint8)
        noise = rng.integers(-12, 13, (height, width, 1), np.int16) * (mask > 0)[..., None]
        image = (colours[mask] + noise).clip(0, 255).astype(np.uint8)
        save(root / "slides" / f"core{number}.tiff", image, compression="jpeg")
        save(root / "masks" / f"core{number}_mask.tiff", np.repeat(mask[..., None], 3, -1))


def save(path: Path, image: np.ndarray, compression: str = "lzw") -> None:
    """A tiled TIFF with the levels of a pyramid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as writer:
        for step in LEVELS:
            writer.write(
                np.ascontiguousarray(image[::step, ::step]),
                tile=(512, 512),
                photometric="rgb",
                compression=compression,
                subfiletype=int(step > 1),
                resolution=(1e4 / (UM * step),) * 2,
                resolutionunit="CENTIMETER",
            )


def read_boxes(slide: Path, mask: Path | None, corners: list[tuple[int, int]], box: dict) -> int:
    """What cannot be avoided: read, and encode. Returns the number of bytes."""
    scan, drawn = openslide.OpenSlide(slide), mask and openslide.OpenSlide(mask)
    total, size, side = 0, (box["tile_px"],) * 2, box["side"]
    for corner in corners:
        image = read_box(scan, corner, side, size).convert("RGB")
        if image.size != size:
            image = image.resize(size, Image.Resampling.BICUBIC)
        total += encode(image, "JPEG", quality=95, subsampling=0)
        if drawn is not None:
            values = read_box(drawn, corner, side, size).getchannel(0)
            if values.size != size:
                values = values.resize(size, Image.Resampling.NEAREST)
            total += encode(values, "PNG")
    return total


def read_box(
    scan: openslide.OpenSlide, corner: tuple[int, int], side: float, size: tuple[int, int]
) -> Image.Image:
    """A box at the coarsest level that is fine enough."""
    level = scan.get_best_level_for_downsample(side / size[0] * 1.001)
    across = round(side / scan.level_downsamples[level])
    return scan.read_region(corner, level, (across, across))


def encode(image: Image.Image, kind: str, **how: int) -> int:
    """Length of an encoded image."""
    memory = io.BytesIO()
    image.save(memory, kind, **how)
    return memory.tell()


def time_reading(request: TileRequest, out: Path) -> float:
    """Seconds to read and encode the boxes of a set, with as many processes."""
    tasks = []
    for slide in sorted(request.slides.iterdir()):
        facts = json.loads((out / "slides" / f"{slide.stem}.json").read_text())
        corners = [(tile["x"], tile["y"]) for tile in facts["tiles"]]
        box = {"side": facts["side"], "tile_px": request.tile_px}
        share = -(-len(corners) // request.processes)
        for start in range(0, len(corners), max(1, share)):
            part = corners[start : start + share]
            tasks.append((slide, find_mask(request.masks, slide), part, box))
    start = time.perf_counter()
    if request.processes == 1:
        assert all(read_boxes(*task) for task in tasks)
    else:
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(request.processes, mp_context=context) as pool:
            assert all(pool.map(read_boxes, *zip(*tasks, strict=True)))
    return time.perf_counter() - start


def time_tiling(request: TileRequest) -> float:
    """Seconds of `disc tile`."""
    start = time.perf_counter()
    tile_slides(request)
    return time.perf_counter() - start


def compare(given: TileRequest, scratch: Path, rounds: int) -> dict[str, float]:
    """Ratio of the times, round by round; the first round only warms up."""
    ratios, seconds = [], []
    for number in range(rounds + 1):
        out = scratch / f"out{number}"
        request = TileRequest(**{**vars(given), "out": out})
        tiling = time_tiling(request)
        reading = time_reading(request, out)
        if number:
            ratios.append(tiling / reading)
            seconds.append((tiling, reading))
    rng = np.random.default_rng(0)
    draws = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    tiling, reading = np.median(seconds, axis=0)
    found = {"ratio": float(np.median(ratios)), "low": float(low), "high": float(high)}
    return {**found, "tile_seconds": float(tiling), "read_seconds": float(reading)}


def main() -> None:
    """Compare, print a table for people, and one JSON line with every ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--mask-values", default="radboud")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.slides is None:
            generate(Path(folder), num_slides=2 * asked.processes)
            asked.slides, asked.masks = Path(folder) / "slides", Path(folder) / "masks"
        scan = openslide.OpenSlide(next(iter(sorted(asked.slides.iterdir()))))
        um = float(scan.properties[openslide.PROPERTY_NAME_MPP_X])
        print(f"{'tiles':32} {'disc tile':>10} {'reading':>9} {'ratio':>6}  95 % interval")
        for number, (name, (tile_px, fine, overlap)) in enumerate(SETTINGS.items()):
            exact = um * scan.level_downsamples[fine] if isinstance(fine, int) else fine
            request = TileRequest(
                slides=asked.slides,
                masks=asked.masks,
                mask_values=asked.mask_values,
                out=Path(folder),
                tile_px=tile_px,
                um_per_px=exact,
                overlap=overlap,
                processes=asked.processes,
            )
            found = compare(request, Path(folder) / str(number), asked.rounds)
            results[name] = found
            seconds = f"{found['tile_seconds']:9.2f}s {found['read_seconds']:8.2f}s"
            interval = f"{found['low']:.2f}-{found['high']:.2f}"
            print(f"{name:32} {seconds} {found['ratio']:6.2f}  {interval}", flush=True)
    print(json.dumps({"processes": asked.processes, "tiling": results}))


if __name__ == "__main__":
    main()
