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
from disc.slides.reading.passes import list_offsets, weight_sums, window_weights

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
        opinions: labels as each network alone reads them, uint8 [M, h, w]; 255: no tissue. Of
            a single pixel grader, those of the map, so that intervals lie around what it says.
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
    for lost in cells.unreadable:
        tissue[lost.within(box).slices] = False
    reading = _Reading(graders, plan, box, image, around)
    reading.blend(windows)
    kept = reading.ask_encoder(passes[0])
    probabilities = reading.probabilities(tissue)
    if len(graders.pixel) == 1:
        reading.opinions[0] = probabilities.argmax(0)
    reading.opinions[:, ~tissue] = IGNORE
    return Part(
        box=box,
        probabilities=probabilities,
        tissue=tissue,
        opinions=reading.opinions,
        windows=kept,
    )


class _Reading:
    """What is added up of the windows of a block."""

    def __init__(self, graders: Graders, plan: Plan, box: Box, image: Pixels, around: Box) -> None:
        self.graders, self.plan, self.box = graders, plan, box
        self.image, self.around = image, around
        shape = (len(graders.members), box.height, box.width)
        self.opinions = np.full(shape, IGNORE, np.uint8)
        self.sums = np.zeros((NUM_LABELS, box.height, box.width), np.float32)
        self.weights = window_weights(graders.tile_px)

    def blend(self, windows: Sequence[Box]) -> None:
        """Add the pixel graders' logits, and keep what each reads in the middle of windows."""
        for chunk, images in self._chunks(windows):
            logits = [read_logits(net, images) for net in self.graders.pixel]
            for number, each in enumerate(logits):
                self._note(number, chunk, each)
            mean = np.mean(logits, axis=0) if len(logits) > 1 else logits[0]
            for window, values in zip(chunk, mean * self.weights, strict=True):
                inner, outer = self.box.within(window), window.within(self.box)
                self.sums[(slice(None), *outer.slices)] += values[(slice(None), *inner.slices)]

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
        sums = weight_sums(self.graders.tile_px, self.plan.passes)
        rows, columns = (
            (np.arange(start, start + length) - moved) % len(sums)
            for start, length, moved in zip(
                (self.box.y, self.box.x), tissue.shape, self.plan.shift[::-1], strict=True
            )
        )
        self.sums /= sums[np.ix_(rows, columns)] * np.float32(self.plan.temperature)
        blended: Floats = softmax(self.sums[None])[0] * tissue
        return blended

    def _chunks(self, windows: Sequence[Box]) -> Iterator[tuple[Sequence[Box], list[Pixels]]]:
        for start in range(0, len(windows), CHUNK):
            chunk = windows[start : start + CHUNK]
            yield chunk, [self.image[window.within(self.around).slices] for window in chunk]

    def _note(self, number: int, windows: Sequence[Box], logits: Floats) -> None:
        """Keep labels of the first pass: the middles of its windows fill the plane."""
        reach = self.graders.tile_px // 2
        margin, (right, down) = reach // 2, self.plan.shift
        for window, values in zip(windows, logits, strict=True):
            if (window.x - right) % reach or (window.y - down) % reach:
                continue
            read = values.argmax(0).astype(np.uint8)
            middle = Box(window.x + margin, window.y + margin, reach, reach)
            inner, outer = self.box.within(middle), middle.within(self.box)
            if outer.width and outer.height:
                target = self.opinions[number][outer.slices]
                target[...] = read[margin : margin + reach, margin : margin + reach][inner.slices]

    def _owns(self, window: Box) -> bool:
        """Whether a window has its middle in the block, and enough tissue."""
        half, box = self.graders.tile_px // 2, self.box
        x, y = window.x + half - box.x, window.y + half - box.y
        if not (0 <= x < box.width and 0 <= y < box.height):
            return False
        tissue = self.plan.grid.spread(self.plan.tissue, window)
        return bool(tissue.mean() >= MIN_TISSUE)


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
