"""`disc grade`: how right it is on simulated slides of two scanners, and what it costs.

Accuracy: slides of a simulated set in PANDA's layout, which no grader has seen, drawn with the
scanners of two hospitals: quadratic weighted kappa of ISUP groups with its interval over slides,
Dice of pixels where masks say the grade, share abstained, accuracy among the kept and among all.
Speed: the time of map and verdict over that of a bare loop, which reads the same windows and
forwards the same networks; interleaved, round after round.
Simulated tissue: nothing here says how well real slides are graded.

    python benchmarks/grade.py runs/demo
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Sequence
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
from disc.slides.reading.mapping import read_logits
from disc.slides.reading.read_slide import read_slide

OVERLAP, DRAWS = 0.75, 2000


def measure_accuracy(grading: Grading, root: Path, out: Path) -> dict[str, object]:
    """Grade every slide of a set in PANDA's layout, and hold it against the table and the masks."""
    with (root / "train.csv").open() as file:
        truths = {row["image_id"]: row for row in csv.DictReader(file)}
    paths = sorted((root / "train_images").glob("*.tiff"))
    report = grading.grade_slides(paths, out, overlap=OVERLAP)
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


def measure_speed(grading: Grading, slide: Path, rounds: int) -> dict[str, float]:
    """Ratio of the CPU times of grading and of the bare loop; the first round only warms up."""
    ratios = []
    for number in range(rounds + 1):
        ours, bare = time_reading(grading, slide), time_bare(grading, slide)
        if number:
            ratios.append(ours / bare)
        print(f"round {number}: grading {ours:.2f} s, bare loop {bare:.2f} s", flush=True)
    return {"ratio": round(float(np.median(ratios)), 3), "worst": round(max(ratios), 3)}


def time_reading(grading: Grading, slide: Path) -> float:
    """CPU seconds of the map and what a verdict needs."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        read_slide(grading.graders, grading.calibration, Scan(slide), Path(folder), OVERLAP)
        return time.process_time() - start


def time_bare(grading: Grading, slide: Path) -> float:
    """CPU seconds to find tissue, read the same windows, and forward the same networks."""
    graders, start = grading.graders, time.process_time()
    scan = Scan(slide)
    grid, tissue = lay_grid(scan, graders.um_per_px), find_tissue(scan.read_whole(8.0))
    cells, side = Cells(scan, grid, tissue), graders.tile_px
    step = round(side * (1 - OVERLAP))
    for box in list_blocks(grid, side):
        inside = grid.spread(tissue, box)
        for nets, apart in ((graders.pixel, step), (graders.encoder.nets, side // 2)):
            read_windows(cells, nets, list(list_windows(box, inside, side, apart)))
    return time.process_time() - start


def read_windows(cells: Cells, nets: Sequence[CarcinoNet], windows: Sequence[Box]) -> None:
    """Read windows chunk by chunk, and forward them."""
    for first in range(0, len(windows), CHUNK):
        chunk = windows[first : first + CHUNK]
        images = [cells.read(window, [window]) for window in chunk]
        for net in nets:
            read_logits(net, images)


def main() -> None:
    """Measure; print a line of JSON last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--slides", type=int, default=3, help="of each primary grade")
    parser.add_argument("--core-um", type=float, nargs=2, default=(900, 3000))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    grading = disc.load(options.run).grading()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        phantom = Phantom(
            external_slides=(options.slides,) * 4, core_um=tuple(options.core_um), seed=4711
        )
        write_panda_set(root / "panda", phantom, num_unmasked=0, coarsening=4)
        found: dict[str, object] = {
            "accuracy": measure_accuracy(grading, root / "panda", root / "out")
        }
        first = sorted((root / "panda" / "train_images").iterdir())[0]
        found["speed"] = measure_speed(grading, first, options.rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
