"""`disc tile`, against OpenSlide merely reading the same boxes and Pillow encoding them.

Both with as many processes, in turn, round after round. `disc tile` also finds tissue, fills
labelled territories, draws the thumbnails and puts everything on disk; the other reads the boxes of
slide and mask that `disc tile` chose, at the same levels, and encodes them, in memory or (second
ratio) as files. `disc tile` decodes tiles of plain TIFFs without OpenSlide, so it can be the faster
one. Starting Python is counted for neither. Slides are generated, or those of the options. About
ten minutes.

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

from disc.data.readers.slide_masks import find_mask
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides

SETTINGS = {
    # name: side of a tile, level whose resolution is used (or µm per px), overlap
    "512 px, level 0, overlap 0": (512, 0, 0.0),
    "512 px, 1 µm, overlap 0.5": (512, 1.0, 0.5),
    "64 px, 4 µm, overlap 0.5": (64, 4.0, 0.5),
}
UM, LEVELS = 0.5, (1, 4, 16)
COLOURS = np.array([(243, 242, 243), (225, 150, 190), 0, (150, 90, 180), (190, 60, 120)], object)


def generate(root: Path, num_slides: int) -> None:
    """Pyramids like PANDA's: cores of stroma with glands, noise that JPEG cannot remove."""
    colours = np.array([c or (0, 0, 0) for c in COLOURS], np.int16)
    for number in range(num_slides):
        rng = np.random.default_rng(number)
        height, width = 8192, 2048
        y, x = np.mgrid[:height, :width].astype(np.float32)
        wave = 300 * np.sin(y / 1500 + number)
        core = np.abs(x - width / 2 - wave) < 600 + 100 * np.sin(y / 400)
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
    """The unavoidable work: read and encode boxes (into files if there is a folder)."""
    scan, labels = openslide.OpenSlide(slide), mask and openslide.OpenSlide(mask)
    total, size, side = 0, (box["tile_px"],) * 2, box["side"]
    for corner in corners:
        image = read_box(scan, corner, side, size).convert("RGB")
        if image.size != size:
            image = image.resize(size, Image.Resampling.BICUBIC)
        stem = box["folder"] and f"{box['folder']}/{slide.stem}_{corner[0]}_{corner[1]}"
        total += encode(image, stem, "JPEG", quality=95, subsampling=0)
        if labels is not None:
            values = read_box(labels, corner, side, size).getchannel(0)
            if values.size != size:
                values = values.resize(size, Image.Resampling.NEAREST)
            total += encode(values, stem, "PNG")
    return total


def read_box(
    scan: openslide.OpenSlide, corner: tuple[int, int], side: float, size: tuple[int, int]
) -> Image.Image:
    """A box at the coarsest level that is fine enough."""
    level = scan.get_best_level_for_downsample(side / size[0] * 1.001)
    across = round(side / scan.level_downsamples[level])
    return scan.read_region(corner, level, (across, across))


def encode(image: Image.Image, stem: str | None, kind: str, **how: int) -> int:
    """Number of bytes of an encoded image."""
    with open(f"{stem}.{kind}", "wb") if stem else io.BytesIO() as file:
        image.save(file, kind, **how)
        return file.tell()


def time_reading(request: TileRequest, out: Path, folder: Path | None = None) -> float:
    """Seconds to read and encode the boxes of a set, with as many processes."""
    tasks = []
    for slide in sorted(request.slides.iterdir()):
        facts = json.loads((out / "slides" / f"{slide.stem}.json").read_text())
        corners = [(tile["x"], tile["y"]) for tile in facts["tiles"]]
        box = {"side": facts["side"], "tile_px": request.tile_px, "folder": folder}
        size = max(1, -(-len(corners) // request.processes))
        for start in range(0, len(corners), size):
            part = corners[start : start + size]
            tasks.append((slide, find_mask(request.masks, slide), part, box))
    if folder:
        folder.mkdir()
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


def compare(base: TileRequest, scratch: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Ratios of the times, round by round; the first round only warms up."""
    times = []
    for number in range(rounds + 1):
        out = scratch / f"out{number}"
        request = TileRequest(**{**vars(base), "out": out})
        tiling = time_tiling(request)
        times.append((tiling, time_reading(request, out), time_reading(request, out, out / "own")))
    tiling, reading, saving = np.array(times[1:]).T
    return {"read": summarise(tiling, reading), "save": summarise(tiling, saving)}


def summarise(tiling: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Median ratio with its bootstrap interval over rounds, and the median seconds."""
    rng, ratios = np.random.default_rng(0), tiling / other
    medians = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    found = {"ratio": np.median(ratios), "low": low, "high": high}
    found |= {"tile_seconds": np.median(tiling), "other_seconds": np.median(other)}
    return {name: round(float(value), 3) for name, value in found.items()}


def main() -> None:
    """Compare; print a table, and one JSON line with every ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--mask-values", default="radboud")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.slides is None:
            generate(Path(folder), num_slides=8 * options.processes)
            options.slides, options.masks = Path(folder) / "slides", Path(folder) / "masks"
        scan = openslide.OpenSlide(next(iter(sorted(options.slides.iterdir()))))
        um = float(scan.properties[openslide.PROPERTY_NAME_MPP_X])
        print(f"{'tiles':28} {'disc tile':>9} over reading and encoding, or saving; 95 % intervals")
        for number, (name, (tile_px, fine, overlap)) in enumerate(SETTINGS.items()):
            request = TileRequest(
                slides=options.slides,
                masks=options.masks,
                mask_values=options.mask_values,
                out=Path(folder),
                tile_px=tile_px,
                um_per_px=um * scan.level_downsamples[fine] if isinstance(fine, int) else fine,
                overlap=overlap,
                processes=options.processes,
            )
            results[name] = compare(request, Path(folder) / str(number), options.rounds)
            columns = [
                f"{f['other_seconds']:7.2f}s: {f['ratio']:.2f} ({f['low']:.2f}-{f['high']:.2f})"
                for f in results[name].values()
            ]
            seconds = results[name]["read"]["tile_seconds"]
            print(f"{name:28} {seconds:8.2f}s {'  '.join(columns)}", flush=True)
    print(json.dumps({"processes": options.processes, "tiling": results}))


if __name__ == "__main__":
    main()
