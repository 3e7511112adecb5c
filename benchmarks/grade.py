"""`disc grade`: how right it is on simulated slides of two scanners, and what it costs.

Accuracy: slides of a simulated set in PANDA's layout, which no grader has seen, drawn with the
scanners of two hospitals: quadratic weighted kappa of ISUP groups with its interval over slides,
Dice of pixels where masks say the grade, share abstained, accuracy among the kept and among all.
Speed: processor time of the map and the numbers that a verdict is made of, and of all that is done
for a slide, outlines, tables and pictures included, over that of a bare loop, which finds tissue,
reads the same windows and forwards the same networks; interleaved, round after round. Not timed:
the calibration, once for all slides.
Memory: the peak of a process that grades one slide, and of one that grades the same tissue many
times over on a larger slide.
Places of windows: share of the map within .02 in probability when all windows are moved.
Simulated tissue: nothing here says how well real slides are graded.

    python benchmarks/grade.py runs/demo
    python benchmarks/grade.py disc/shipped --parts memory places
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

import disc
from disc.data.tiling.tissue import find_tissue
from disc.data.wsi.scan import Scan
from disc.evaluate.graders.kappa import NUM_GROUPS, quadratic_kappa
from disc.grade.carcino import CarcinoNet
from disc.grade.pixels import CHUNK
from disc.labels import IGNORE, Label
from disc.phantom.panda import write_panda_set
from disc.settings.phantom import Phantom
from disc.slides.grading import Grading
from disc.slides.judging.record import GradeRecord
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, lay_grid, list_blocks, list_windows
from disc.slides.reading.mapping import Plan, map_slide, read_logits
from disc.slides.reading.passes import GENERATORS, list_offsets
from disc.slides.reading.read_slide import read_slide
from disc.slides.request import PASSES

DRAWS = 2000
PARTS = ("accuracy", "speed", "memory", "places")
MOVES = ((3, 5), (9, 2), (14, 21), (7, 0))
"""How far right and down windows are moved, in pixels."""
_CHILD = """
import resource, sys, tempfile
from pathlib import Path
import disc
disc.load(sys.argv[1]).grade(sys.argv[2], passes=int(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure_accuracy(grading: Grading, root: Path, out: Path, passes: int) -> dict[str, object]:
    """Grade every slide of a set in PANDA's layout, and hold it against the table and the masks."""
    with (root / "train.csv").open() as file:
        truths = {row["image_id"]: row for row in csv.DictReader(file)}
    paths = sorted((root / "train_images").glob("*.tiff"))
    report = grading.grade_slides(paths, out, passes=passes)
    assert not report.failures, report
    rows, counts = [], np.zeros((len(Label), len(Label)))
    for path in paths:
        record = GradeRecord.model_validate_json((out / path.stem / "grade.json").read_text())
        truth = truths[path.stem]
        rows.append((int(truth["isup_grade"]), record.score.isup, bool(record.abstained)))
        if truth["data_provider"] == "radboud":
            mask = root / "train_label_masks" / f"{path.stem}_mask.tiff"
            counts += confusion(out / path.stem / "map.ome.tiff", mask)
        print(path.stem[:8], truth["data_provider"], rows[-1], record.tell(), flush=True)
    return summarise(np.array(rows), counts)


def confusion(map_path: Path, mask_path: Path) -> np.ndarray:
    """Pixels of epithelium by true and read label; Radboud's masks leave stroma open."""
    with tifffile.TiffFile(map_path) as file:
        read = file.series[1].asarray()
    with tifffile.TiffFile(mask_path) as file:
        mask = file.pages[0].asarray()[..., 0]
    rows, columns = (
        ((np.arange(count) + 0.5) / count * length).astype(int)
        for count, length in zip(read.shape, mask.shape, strict=True)
    )
    truth = mask[np.ix_(rows, columns)].astype(int) - 2
    known = (truth >= 0) & (read != IGNORE)
    flat = truth[known] * len(Label) + read[known]
    return np.bincount(flat, minlength=len(Label) ** 2).reshape(len(Label), len(Label))


def summarise(rows: np.ndarray, counts: np.ndarray) -> dict[str, object]:
    """Figures over slides; intervals by resampling them."""
    truth, read, abstained = rows.astype(int).T
    rng = np.random.default_rng(0)
    draws = rng.integers(len(rows), size=(DRAWS, len(rows)))
    kept = abstained == 0
    found: dict[str, object] = {"slides": len(rows), "kappa": kappa(truth, read)}
    low, high = np.nanquantile([kappa(truth[d], read[d]) for d in draws], [0.025, 0.975])
    found |= {"kappa_low": round(float(low), 3), "kappa_high": round(float(high), 3)}
    found |= {"abstained": round(float(1 - kept.mean()), 3)}
    found |= {"accuracy_all": round(float((truth == read).mean()), 3)}
    found["accuracy_kept"] = round(float((truth == read)[kept].mean()), 3) if kept.any() else None
    found["kappa_kept"] = kappa(truth[kept], read[kept]) if kept.sum() > 1 else None
    for label in Label:
        union = counts[label].sum() + counts[:, label].sum()
        found[f"dice_{label.name}"] = round(float(2 * counts[label, label] / max(union, 1)), 3)
    return found


def kappa(truth: np.ndarray, read: np.ndarray) -> float:
    """Quadratic weighted kappa of ISUP groups."""
    table = np.bincount(truth * NUM_GROUPS + read, minlength=NUM_GROUPS**2)
    return round(float(quadratic_kappa(table.reshape(1, NUM_GROUPS, NUM_GROUPS))[0]), 3)


def measure_speed(grading: Grading, slide: Path, passes: int, rounds: int) -> dict[str, float]:
    """Ratios of CPU times to that of the bare loop; the first round only warms up."""
    ratios = []
    _ = grading.calibration
    for number in range(rounds + 1):
        bare, reading, whole = (
            measure(grading, slide, passes) for measure in (time_bare, time_reading, time_whole)
        )
        if number:
            ratios.append((reading / bare, whole / bare))
        seconds = f"bare loop {bare:.2f} s, the map {reading:.2f} s, all {whole:.2f} s"
        print(f"round {number}: {seconds}", flush=True)
    of_map, of_all = zip(*ratios, strict=True)
    return {
        "ratio": round(float(np.median(of_map)), 3),
        "worst": round(max(of_map), 3),
        "whole": round(float(np.median(of_all)), 3),
        "whole worst": round(max(of_all), 3),
    }


def time_reading(grading: Grading, slide: Path, passes: int) -> float:
    """CPU seconds of the map and what a verdict needs."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        read_slide(grading.graders, grading.calibration, Scan(slide), Path(folder), passes)
        return time.process_time() - start


def time_whole(grading: Grading, slide: Path, passes: int) -> float:
    """CPU seconds of all that is done for a slide."""
    start = time.process_time()
    grading.grade(slide, None, passes=passes)
    return time.process_time() - start


def time_bare(grading: Grading, slide: Path, passes: int) -> float:
    """CPU seconds to find tissue, read the same windows, and forward the same networks."""
    graders, start = grading.graders, time.process_time()
    scan = Scan(slide)
    grid, tissue = lay_grid(scan, graders.um_per_px), find_tissue(scan.read_whole(8.0))
    cells, side = Cells(scan, grid, tissue), graders.tile_px
    halves = graders.encoder.nets if graders.encoder else ()
    for box in list_blocks(grid, side):
        inside = grid.spread(tissue, box)
        offsets = list_offsets(side, passes)
        windows = [w for offset in offsets for w in list_windows(box, inside, side, offset)]
        read_windows(cells, graders.pixel, windows)
        if halves:
            read_windows(cells, halves, list(list_windows(box, inside, side)))
    return time.process_time() - start


def read_windows(cells: Cells, nets: Sequence[CarcinoNet], windows: Sequence[Box]) -> None:
    """Read windows chunk by chunk, and forward them."""
    for first in range(0, len(windows), CHUNK):
        chunk = windows[first : first + CHUNK]
        images = [cells.read(window, [window]) for window in chunk]
        for net in nets:
            read_logits(net, images)


def measure_memory(folder: Path, slide: Path, times: int, passes: int) -> dict[str, object]:
    """Peak memory in MiB of grading a slide, and one with its tissue `times` x `times` over."""
    with tifffile.TiffFile(slide) as file:
        pixels, resolution = file.pages[0].asarray(), file.pages[0].tags["XResolution"].value
    found: dict[str, object] = {}
    for repeats in (1, times):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "slide.tiff"
            tifffile.imwrite(
                path,
                np.tile(pixels, (repeats, repeats, 1)),
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                resolution=(resolution, resolution),
                resolutionunit="CENTIMETER",
            )
            words = [sys.executable, "-c", _CHILD, str(folder), str(path), str(passes)]
            said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        height, width = (repeats * side for side in pixels.shape[:2])
        found[f"{width} x {height} px"] = round(float(said.split()[-1]))
    return found


def measure_places(grading: Grading, slide: Path, passes: int) -> dict[str, float]:
    """Share of tissue within .02 in probability, at each move of all windows; the worst last."""
    graders, scan = grading.graders, Scan(slide)
    grid, tissue = lay_grid(scan, graders.um_per_px), find_tissue(scan.read_whole(8.0))

    def read(shift: tuple[int, int]) -> np.ndarray:
        found = np.zeros((len(Label), grid.height, grid.width), np.float32)
        plan = Plan(
            grid=grid,
            tissue=tissue,
            passes=passes,
            temperature=grading.calibration.temperature,
            shift=shift,
        )
        alone = replace(graders, encoder=None)
        for part in map_slide(alone, Cells(scan, grid, tissue), plan):
            found[(slice(None), *part.box.slices)] = part.probabilities
        return found

    still = read((0, 0))
    away = {move: np.abs(still - read(move)).max(0)[still.any(0)] for move in MOVES}
    found = {f"moved by {move}": round(float((d <= 0.02).mean()), 4) for move, d in away.items()}
    worst = max(float(np.quantile(d, 0.99)) for d in away.values())
    return {**found, "within for 99 %": round(worst, 4)}


def main() -> None:
    """Measure; print a line of JSON last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--slides", type=int, default=3, help="of each primary grade")
    parser.add_argument("--core-um", type=float, nargs=2, default=(900, 3000))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, choices=GENERATORS, default=PASSES)
    parser.add_argument("--times", type=int, default=4, help="over, of the tissue, for memory")
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=PARTS)
    options = parser.parse_args()
    grading = disc.load(options.run).gradings.of_slides()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        phantom = Phantom(
            external_slides=(options.slides,) * 4, core_um=tuple(options.core_um), seed=4711
        )
        write_panda_set(root / "panda", phantom, num_unmasked=0, coarsening=4)
        first = sorted((root / "panda" / "train_images").iterdir())[0]
        passes = options.passes
        measures = {
            "accuracy": lambda: measure_accuracy(grading, root / "panda", root / "out", passes),
            "speed": lambda: measure_speed(grading, first, passes, options.rounds),
            "memory": lambda: measure_memory(options.run, first, options.times, passes),
            "places": lambda: measure_places(grading, first, passes),
        }
        found = {name: measures[name]() for name in options.parts}
    print(json.dumps({"passes": passes, **found}))


if __name__ == "__main__":
    main()
