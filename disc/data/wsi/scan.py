"""Whole-slide images, read by place and resolution."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from disc.data.pixels.images import Pixels
from disc.data.wsi.formats import TURNED, open_pyramid
from disc.files import BadInput

Places = npt.NDArray[np.int64]

_PLAUSIBLE_UM = (0.05, 20.0)
_MAX_PIXELS = 10**8
_MPP = ("openslide.mpp-{}", "tiffslide.mpp-{}")
_WHITE = (255, 255, 255, 255)
_ALMOST = 1.001
"""A level this much too coarse still counts as fine enough: downsamples are seldom round."""
_NEARLY = 1e-6


class Scan:
    """A slide. Places are level-0 pixels; `scale` is level-0 pixels per requested pixel."""

    def __init__(
        self, path: Path, um_per_px: float | None = None, *, is_mask: bool = False
    ) -> None:
        """Open a slide.

        Args:
            path: a file that OpenSlide, tiffslide or Pillow reads.
            um_per_px: micrometres per level-0 pixel, where the file does not say, or says what no
                slide has.
            is_mask: its values count, not its colours.

        Raises:
            BadInput: if it cannot be read.
        """
        self.path = path
        self._given_um, self._is_mask = um_per_px, is_mask
        self._slide = open_pyramid(path, is_mask=is_mask)
        self.width, self.height = self._slide.dimensions

    def reopen(self) -> None:
        """Open the file again: OpenSlide answers nothing any more once it has failed."""
        self._slide = open_pyramid(self.path, is_mask=self._is_mask)

    @cached_property
    def um_per_px(self) -> float:
        """Micrometres per level-0 pixel.

        Raises:
            BadInput: if the file does not say, or says something impossible.
        """
        if not self.is_given_um:
            return (self._said_um("x") + self._said_um("y")) / 2
        if self._given_um is not None:
            return self._given_um
        across, down = self._said_um("x"), self._said_um("y")
        if not across or not down:
            raise BadInput(f"{self.path}: does not say how wide its pixels are; give --mpp")
        low, high = _PLAUSIBLE_UM
        raise BadInput(
            f"{self.path}: says that its pixels are {across:.4g} x {down:.4g} µm; expected "
            f"squares of {low} to {high} µm; give --mpp"
        )

    @property
    def is_given_um(self) -> bool:
        """Whether the file leaves open how wide its pixels are, or says what no slide has."""
        across, down = self._said_um("x"), self._said_um("y")
        low, high = _PLAUSIBLE_UM
        is_said = across > 0 and low <= down <= high
        return not is_said or not low <= across <= high or abs(across / down - 1) > 0.05

    @property
    def bounds(self) -> tuple[int, int]:
        """Level-0 x and y where the recorded part begins; viewers such as QuPath show it alone."""
        said = (self._slide.properties.get(f"openslide.bounds-{axis}") for axis in "xy")
        x, y = (int(value or 0) for value in said)
        return x, y

    @property
    def orientation(self) -> int:
        """How its file says that it is turned, 1 (upright) to 8; it is read upright."""
        return int(self._slide.properties.get(TURNED, 1))

    def _said_um(self, axis: str) -> float:
        said = (self._slide.properties.get(name.format(axis)) for name in _MPP)
        return float(next((value for value in said if value is not None), 0))

    def level_for(self, scale: float) -> tuple[int, float, tuple[int, int]]:
        """The coarsest level that is fine enough: its number, downsample, width and height."""
        level = self._slide.get_best_level_for_downsample(scale * _ALMOST)
        return level, float(self._slide.level_downsamples[level]), self._level_size(level)

    def read(self, x: float, y: float, size: tuple[int, int], scale: float) -> Pixels:
        """Part of the slide, smoothly resampled from the nearest finer level: uint8 [h, w, 3].

        What lies outside of the slide is white.

        Args:
            x: left edge.
            y: top edge.
            size: width and height of the result in pixels.
            scale: level-0 pixels per pixel of the result.

        Raises:
            BadInput: if the file is damaged there.
        """
        level, down, _ = self.level_for(scale)
        left, top = x / down, y / down
        corner = math.floor(left + _NEARLY), math.floor(top + _NEARLY)
        box = [max(0.0, left - corner[0]), max(0.0, top - corner[1])]
        box += [box[0] + size[0] * scale / down, box[1] + size[1] * scale / down]
        needed = math.ceil(box[2] - _NEARLY), math.ceil(box[3] - _NEARLY)
        region = self._on_white(corner, level, needed)
        if needed == size and abs(scale / down - 1) < _NEARLY and max(box[:2]) < _NEARLY:
            return np.asarray(region)
        limits = (box[0], box[1], min(box[2], needed[0]), min(box[3], needed[1]))
        return np.asarray(region.resize(size, Image.Resampling.BICUBIC, box=limits))

    def read_whole(self, um_per_px: float) -> Pixels:
        """The whole slide at some resolution (its own where that is coarser).

        Raises:
            BadInput: if no level is coarse enough to do so, or it is damaged.
        """
        return self.read(0, 0, *self.size_at(um_per_px))

    def size_at(self, um_per_px: float) -> tuple[tuple[int, int], float]:
        """Width and height of the whole slide at some resolution, and the scale of that.

        Raises:
            BadInput: if no level is coarse enough to read it at once.
        """
        scale = max(1.0, um_per_px / self.um_per_px)
        _, _, (width, height) = self.level_for(scale)
        if width * height > _MAX_PIXELS:
            raise BadInput(
                f"{self.path}: its level nearest to {um_per_px:.3g} µm per pixel has "
                f"{width} x {height} px; convert it to a pyramid with coarser levels"
            )
        return (max(1, round(self.width / scale)), max(1, round(self.height / scale))), scale

    def read_coarsest(self) -> Pixels:
        """The whole slide at its coarsest level, values as they are: uint8 [h, w, 3].

        Raises:
            BadInput: if that level is too large, or damaged.
        """
        level = int(self._slide.level_count) - 1
        width, height = self._level_size(level)
        if width * height > _MAX_PIXELS:
            raise BadInput(
                f"{self.path}: its coarsest level has {width} x {height} px; convert it to a "
                "pyramid with coarser levels"
            )
        return np.array(self._region((0, 0), level, (width, height)).convert("RGB"))

    def values(self, xs: Places, ys: Places, scale: float = 1.0) -> Pixels:
        """First channel at rows `ys` and columns `xs`, each pixel as it is: uint8 [h, w].

        Args:
            xs: columns of the requested level-0 pixels, in order, all on the slide.
            ys: their rows.
            scale: their distance; they are looked up at the nearest finer level.

        Raises:
            BadInput: if the file is damaged there.
        """
        level, down, (width, height) = self.level_for(scale)
        columns = np.minimum((xs / down).astype(np.int64), width - 1)
        rows = np.minimum((ys / down).astype(np.int64), height - 1)
        corner = int(columns[0]), int(rows[0])
        size = int(columns[-1]) - corner[0] + 1, int(rows[-1]) - corner[1] + 1
        region: Pixels = np.asarray(self._region(corner, level, size).getchannel(0))
        if size != (len(columns), len(rows)):
            region = region[rows - corner[1]][:, columns - corner[0]]
        return region

    def _level_size(self, level: int) -> tuple[int, int]:
        width, height = self._slide.level_dimensions[level]
        return int(width), int(height)

    def _on_white(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        """Where a scanner recorded nothing, the slide is transparent; glass is white."""
        region = self._region(corner, level, size)
        if region.mode == "RGBA" and region.getchannel("A").getextrema() != (255, 255):
            region = Image.alpha_composite(Image.new("RGBA", size, _WHITE), region)
        if region.mode != "RGB":
            region = region.convert("RGB")
        width, height = self._level_size(level)
        # tiffslide fills with black what lies outside.
        for beyond in ((width - corner[0], 0, *size), (0, height - corner[1], *size)):
            if beyond[0] < size[0] and beyond[1] < size[1] and max(beyond[:2]) > 0:
                region.paste(_WHITE[:3], beyond)
        return region

    def _region(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        if size[0] * size[1] > _MAX_PIXELS:
            raise BadInput(
                f"{self.path}: needs {size[0]} x {size[1]} px of level {level} at once; convert it "
                "to a pyramid with coarser levels"
            )
        down = self._slide.level_downsamples[level]
        place = round(corner[0] * down), round(corner[1] * down)
        try:
            region: Image.Image = self._slide.read_region(place, level, size)
            return region
        except Exception as error:  # foreign readers fail on damaged files in any way
            raise BadInput(f"{self.path}: damaged ({error}); replace the file") from error
