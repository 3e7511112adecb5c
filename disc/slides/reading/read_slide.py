"""A slide read once from end to end: its map on disk, and what a verdict needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.data.readers.slide_masks import name_slide
from disc.data.tiles.names import as_id
from disc.data.tiling.request import TissueRule
from disc.data.tiling.tissue import UM_PER_PX, find_tissue
from disc.data.wsi.scan import Scan
from disc.files import BadInput, printable
from disc.labels import NUM_LABELS
from disc.progress import Bar
from disc.slides.graders import Graders
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.verdict import Evidence
from disc.slides.reading.canvas import Canvas
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, MapGrid, lay_grid
from disc.slides.reading.mapping import Part, Plan, list_places, map_slide
from disc.slides.reading.overview import read_overview

BLOCK_UM = 500.0
"""Side of the blocks of tissue that intervals are resampled from."""
MAX_BAG = 4096
"""Windows in a bag; of more, as many are taken evenly."""


class NoTissue(BadInput):
    """There is nothing on a slide to grade."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SlideReading:
    """What was read of a slide.

    Attributes:
        scan: the slide.
        grid: of its map.
        canvas: its map, finest.
        evidence: what a verdict needs.
        windows: those in the bag, in the order of `evidence.features`.
        cells: reads any part of it again, and knows what could not be read.
    """

    scan: Scan
    grid: MapGrid
    canvas: Canvas
    evidence: Evidence
    windows: Sequence[Box]
    cells: Cells


def read_slide(
    graders: Graders, calibration: Calibration, scan: Scan, folder: Path, passes: int
) -> SlideReading:
    """Read a slide; its map goes into files of a folder.

    Raises:
        BadInput: if it has no tissue, is too coarse, damaged, or does not say its resolution.
    """
    grid = lay_grid(scan, graders.um_per_px)
    overview_um = max(UM_PER_PX, scan.um_per_px)
    overview, unknown = read_overview(scan, overview_um)
    # What no level tells is taken for tissue: it counts as such that cannot be read.
    tissue = find_tissue(overview, overview_um, TissueRule()) | unknown
    if not tissue.any() or (tissue == unknown).all():
        raise NoTissue(f"{scan.path}: no tissue found in it; is it the right slide?")
    encoder = graders.encoder
    plan = Plan(
        grid=grid,
        tissue=tissue,
        passes=passes,
        temperature=calibration.temperature,
        half=0 if encoder is None else encoder.choose(as_id(name_slide(scan.path))),
    )
    cells = Cells(scan, grid, tissue)
    canvas = Canvas.create(folder / "map.raw", grid.width, grid.height)
    sums = _Sums(graders, calibration, grid)
    blocks = sum(1 for _ in list_places(plan, graders.tile_px))
    bar = Bar(printable(scan.path.stem), total=blocks, unit="block")
    try:
        for part in map_slide(graders, cells, plan):
            canvas.write(part.box, part.probabilities, part.tissue)
            sums.add(part)
            bar.advance()
    finally:
        bar.close()
    return SlideReading(
        scan=scan,
        grid=grid,
        canvas=canvas,
        evidence=sums.evidence(),
        windows=sums.windows,
        cells=cells,
    )


class _Sums:
    """What is added up over the parts of a map; its size follows the tissue by the half mm."""

    def __init__(self, graders: Graders, calibration: Calibration, grid: MapGrid) -> None:
        self.graders, self.calibration, self.grid = graders, calibration, grid
        self.areas = np.zeros(NUM_LABELS)
        self.blocks: dict[tuple[int, int], npt.NDArray[np.float64]] = {}
        self.windows: list[Box] = []
        self.features: list[npt.NDArray[np.float32]] = []
        self.distances: list[npt.NDArray[np.float64]] = []

    def add(self, part: Part) -> None:
        """Count a part of the map."""
        sizes = self.grid.areas_mm2(part.box)
        labels = part.probabilities.argmax(0)
        self.areas += np.bincount(labels[part.tissue], sizes[part.tissue], minlength=NUM_LABELS)
        side = max(1, round(BLOCK_UM / self.grid.um_per_px))
        rows, columns = (
            np.arange(start, start + length) // side
            for start, length in ((part.box.y, part.box.height), (part.box.x, part.box.width))
        )
        for row in np.unique(rows):
            for column in np.unique(columns):
                inner = np.ix_(rows == row, columns == column)
                self._count((row, column), part.opinions[:, *inner], sizes[inner])
        if part.windows:
            self._note(part)

    def _count(
        self,
        place: tuple[int, int],
        opinions: npt.NDArray[np.uint8],
        sizes: npt.NDArray[np.float64],
    ) -> None:
        has_tissue = opinions[0] < NUM_LABELS
        if not has_tissue.any():
            return
        counts = [
            np.bincount(each[has_tissue], sizes[has_tissue], minlength=NUM_LABELS)
            for each in opinions
        ]
        before = self.blocks.get(place)
        self.blocks[place] = np.array(counts) if before is None else before + np.array(counts)

    def _note(self, part: Part) -> None:
        self.windows += [window.box for window in part.windows]
        read = (window.slide_features for window in part.windows)
        self.features += [one for one in read if one is not None]
        seen = np.stack([window.features for window in part.windows])
        self.distances.append(self.calibration.distances(seen))

    def evidence(self) -> Evidence:
        """All of it; of many windows, as many as a bag may have."""
        names = self.graders.opinions
        blocks = [self.blocks[place] for place in sorted(self.blocks)]
        features = np.stack(self.features) if self.features else np.empty((0, 0), np.float32)
        if len(self.windows) > MAX_BAG:
            chosen = np.linspace(0, len(self.windows) - 1, MAX_BAG).round().astype(int)
            self.windows = [self.windows[i] for i in chosen]
            features = features[chosen] if len(features) else features
        shape = (len(names), 0, NUM_LABELS)
        return Evidence(
            areas=self.areas,
            blocks=np.stack(blocks, 1) if blocks else np.zeros(shape),
            opinions=names,
            num_seeds=len(self.graders.pixel),
            features=features,
            distances=np.concatenate([*self.distances, np.empty(0)]),
        )
