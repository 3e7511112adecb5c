"""The pixel map of a slide: overlapping windows, their logits blended, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from disc.data.pixels.images import Pixels
from disc.grade.carcino import PixelNet
from disc.grade.features import describe_posteriors
from disc.grade.pixels import CHUNK, stack_chunk
from disc.labels import IGNORE, NUM_LABELS
from disc.slides.graders import Graders
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, MapGrid, list_blocks, list_windows
from disc.slides.reading.passes import list_offsets, trust, window_weights

Floats = npt.NDArray[np.float32]
_Real = TypeVar("_Real", np.float32, np.float64)
MIN_TISSUE = 0.4
"""Of a window, for it to stand in the bag of the slide graders, as in `disc tile`."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a slide is read.

    Attributes:
        grid: of the map.
        tissue: where there is tissue, an overview of any resolution [h, w].
        passes: how often windows half a window apart cover it, each time moved.
        temperature: by which logits are divided.
        shift: how far right and down all windows are moved, in pixels.
        half: which network of the encoder makes the slide's features.
    """

    grid: MapGrid
    tissue: npt.NDArray[np.bool_]
    passes: int = 10
    temperature: float = 1.0
    shift: tuple[int, int] = (0, 0)
    half: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """A window as the graders read it.

    Attributes:
        box: its place on the map.
        slide_features: for the slide graders, [D]; None: there is no encoder.
        features: of the pixel grader, halfway, [D]: what says how familiar tissue is.
    """

    box: Box
    slide_features: Floats | None
    features: npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A block of the map.

    Attributes:
        box: its place.
        probabilities: calibrated, float [4, h, w]; 0 where there is no tissue.
        tissue: where there is any, bool [h, w], without what could not be read.
        opinions: labels as each network alone reads them, in the windows of the first pass, uint8
            [M, h, w]; 255: no tissue. Of a single pixel grader, those of the map, so that
            intervals lie around what it says.
        windows: those that are half a window apart and have their middle in the block.
    """

    box: Box
    probabilities: Floats
    tissue: npt.NDArray[np.bool_]
    opinions: npt.NDArray[np.uint8]
    windows: Sequence[Window]


def map_slide(graders: Graders, cells: Cells, plan: Plan) -> Iterator[Part]:
    """Every block of the map that has tissue.

    A pixel is a function of the slide and of the windows on it alone, not of blocks: windows are
    added up in the same order in each block that they cover.

    Raises:
        BadInput: if the slide is damaged.
    """
    for box, tissue in list_places(plan, graders.tile_px):
        yield _map_block(graders, cells, plan, box, tissue)


def list_places(plan: Plan, side: int) -> Iterator[tuple[Box, npt.NDArray[np.bool_]]]:
    """Every block of the map that has tissue, and where in it, for windows of a side."""
    for box in list_blocks(plan.grid, side):
        tissue = plan.grid.spread(plan.tissue, box)
        if tissue.any():
            yield box, tissue


@torch.no_grad()
def read_logits(net: PixelNet, images: Sequence[Pixels]) -> Floats:
    """Logits of windows uint8 [P, P, 3], float [n, 4, P, P], always as many read together."""
    logits: Floats = net(stack_chunk(images, next(net.parameters()).device)).cpu().numpy()
    return logits[: len(images)]


def _map_block(
    graders: Graders, cells: Cells, plan: Plan, box: Box, tissue: npt.NDArray[np.bool_]
) -> Part:
    side = graders.tile_px
    passes = [
        list(list_windows(box, tissue, side, (right + plan.shift[0], down + plan.shift[1])))
        for right, down in list_offsets(side, plan.passes)
    ]
    windows = [window for each in passes for window in each]
    around = Box(box.x - side, box.y - side, box.width + 2 * side, box.height + 2 * side)
    image = cells.read(around, windows)
    known = plan.grid.spread(plan.tissue, around)
    for lost in cells.unreadable:
        known[lost.within(around).slices] = False
    tissue = known[box.within(around).slices]
    reading = _Reading(graders, plan, box, image, around, tissue=known)
    reading.blend(windows)
    kept = reading.ask_encoder(passes[0])
    probabilities = reading.probabilities(tissue)
    opinions = reading.opinions(probabilities, tissue)
    return Part(
        box=box, probabilities=probabilities, tissue=tissue, opinions=opinions, windows=kept
    )


class _Reading:
    """What is added up of the windows of a block."""

    def __init__(
        self,
        graders: Graders,
        plan: Plan,
        box: Box,
        image: Pixels,
        around: Box,
        *,
        tissue: npt.NDArray[np.bool_],
    ) -> None:
        """Take a block, and the picture and tissue around it that its windows reach."""
        self.graders, self.plan, self.box = graders, plan, box
        self.image, self.around = image, around
        shape = (NUM_LABELS, box.height, box.width)
        # a single pixel grader's opinion is the map
        first = 1 if len(graders.pixel) == 1 else 0
        self.alone = {k: np.zeros(shape, np.float32) for k in range(first, len(graders.members))}
        self.sums, self.counted = np.zeros(shape, np.float32), np.zeros(shape[1:], np.float32)
        self.weights = window_weights(graders.tile_px)
        corners = tissue.astype(np.int32).cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
        self.corners = np.pad(corners, ((1, 0), (1, 0)))

    def blend(self, windows: Sequence[Box]) -> None:
        """Add the pixel graders' logits, and those of each alone in windows of the first pass."""
        for chunk, images in self._chunks(windows):
            logits = [read_logits(net, images) for net in self.graders.pixel]
            for number, each in enumerate(logits):
                self._note(number, chunk, each)
            mean = np.mean(logits, axis=0) if len(logits) > 1 else logits[0]
            for window, values in zip(chunk, mean, strict=True):
                weights = self._weigh(window)
                inner, outer = self.box.within(window).slices, window.within(self.box).slices
                self.sums[:, *outer] += (values * weights)[:, *inner]
                self.counted[outer] += weights[inner]

    def ask_encoder(self, windows: Sequence[Box]) -> list[Window]:
        """Keep what the encoder's networks read; windows with enough tissue, for the bag."""
        encoder, kept = self.graders.encoder, list[Window]()
        for chunk, images in self._chunks(windows):
            logits = [read_logits(net, images) for net in (encoder.nets if encoder else ())]
            for number, each in enumerate(logits, len(self.graders.pixel)):
                self._note(number, chunk, each)
            own = [place for place, window in enumerate(chunk) if self._owns(window)]
            if not own:
                continue
            seen = [images[place] for place in own]
            features = halfway_features(self.graders.pixel[0], seen)
            read: Floats | list[None] = [None] * len(own)
            if logits:
                read = describe_posteriors(softmax(logits[self.plan.half][own]))
            elif self.graders.public is not None:
                read = self.graders.public.read("", iter(seen))
            kept += [
                Window(box=chunk[place], slide_features=read[row], features=features[row])
                for row, place in enumerate(own)
            ]
        return kept

    def probabilities(self, tissue: npt.NDArray[np.bool_]) -> Floats:
        """The blended, calibrated map, 0 where there is no tissue."""
        self.sums /= np.where(tissue, self.counted, 1) * np.float32(self.plan.temperature)
        blended: Floats = softmax(self.sums[None])[0] * tissue
        return blended

    def opinions(
        self, probabilities: Floats, tissue: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        """Labels as each network alone reads them, uint8 [M, h, w]."""
        found = np.empty((len(self.graders.members), *tissue.shape), np.uint8)
        for number, labels in enumerate(found):
            labels[...] = self.alone.get(number, probabilities).argmax(0)
        found[:, ~tissue] = IGNORE
        return found

    def _chunks(self, windows: Sequence[Box]) -> Iterator[tuple[Sequence[Box], list[Pixels]]]:
        for start in range(0, len(windows), CHUNK):
            chunk = windows[start : start + CHUNK]
            yield chunk, [self.image[window.within(self.around).slices] for window in chunk]

    def _weigh(self, window: Box) -> Floats:
        """How much each pixel of a window counts, float [side, side]."""
        return self.weights * trust(self._share(window))

    def _share(self, window: Box) -> float:
        """The fraction of a window that is tissue."""
        rows, columns = window.within(self.around).slices
        ends = self.corners[np.ix_((rows.start, rows.stop), (columns.start, columns.stop))]
        return float(ends[1, 1] - ends[0, 1] - ends[1, 0] + ends[0, 0]) / self.weights.size

    def _note(self, number: int, windows: Sequence[Box], logits: Floats) -> None:
        """Add what a network alone says of windows of the first pass."""
        if number not in self.alone:
            return
        step, (right, down) = self.graders.tile_px // 2, self.plan.shift
        for window, values in zip(windows, logits, strict=True):
            if (window.x - right) % step or (window.y - down) % step:
                continue
            inner, outer = self.box.within(window).slices, window.within(self.box).slices
            self.alone[number][:, *outer] += (values * self._weigh(window))[:, *inner]

    def _owns(self, window: Box) -> bool:
        """Whether a window has its middle in the block, and enough tissue."""
        half, box = self.graders.tile_px // 2, self.box
        x, y = window.x + half - box.x, window.y + half - box.y
        if not (0 <= x < box.width and 0 <= y < box.height):
            return False
        return self._share(window) >= MIN_TISSUE


def softmax(logits: npt.NDArray[_Real]) -> npt.NDArray[_Real]:
    """Probabilities of logits [n, 4, ...]."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    result: npt.NDArray[_Real] = shifted / shifted.sum(1, keepdims=True)
    return result


@torch.no_grad()
def halfway_features(net: PixelNet, images: Sequence[Pixels]) -> npt.NDArray[np.float64]:
    """Means of the channels of every stage of the network but the last, float64 [n, D]."""
    stages = net.encode(stack_chunk(images, next(net.parameters()).device))[1:-1]
    pooled = torch.cat([stage.mean(dim=(2, 3)) for stage in stages], 1)
    found: npt.NDArray[np.float64] = pooled[: len(images)].double().cpu().numpy()
    return found
