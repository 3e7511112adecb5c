"""Whole-slide images, read by place and resolution."""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image

from disc.data.images import Pixels
from disc.files import BadInput

Places = npt.NDArray[np.int64]

_PLAUSIBLE_UM = (0.05, 20.0)
_MOST_PIXELS = 2 * 10**8
_ALMOST = 1.001
"""A level this much too coarse still counts as fine enough: downsamples are seldom round."""


class Scan:
    """A slide. Places are level-0 pixels; `scale` is level-0 pixels per pixel asked for."""

    def __init__(self, path: Path, um_per_px: float | None = None) -> None:
        """Open a slide.

        Args:
            path: a file that OpenSlide or Pillow reads.
            um_per_px: micrometres per level-0 pixel; None: what the file says.

        Raises:
            BadInput: if it cannot be read.
        """
        self.path = path
        self._given_um = um_per_px
        self._slide = _open(path)
        self.width, self.height = self._slide.dimensions

    @cached_property
    def um_per_px(self) -> float:
        """Micrometres per level-0 pixel.

        Raises:
            BadInput: if the file does not say, or says something impossible.
        """
        if self._given_um is not None:
            return self._given_um
        names = (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
        across, down = (float(self._slide.properties.get(name, 0)) for name in names)
        if not across or not down:
            raise BadInput(f"{self.path}: does not say how wide its pixels are; give --mpp")
        low, high = _PLAUSIBLE_UM
        if not low <= across <= high or abs(across / down - 1) > 0.05:
            raise BadInput(
                f"{self.path}: says that its pixels are {across:.4g} x {down:.4g} um; expected "
                f"squares of {low} to {high} um; give --mpp"
            )
        return (across + down) / 2

    def read(self, x: int, y: int, size: tuple[int, int], scale: float) -> Pixels:
        """Part of the slide, smoothly resampled from the nearest finer level: uint8 [h, w, 3].

        Args:
            x: left edge.
            y: top edge.
            size: width and height of the result in pixels.
            scale: level-0 pixels per pixel of the result.

        Raises:
            BadInput: if the file is damaged there.
        """
        level = self._slide.get_best_level_for_downsample(scale * _ALMOST)
        down = float(self._slide.level_downsamples[level])
        left, top = x / down, y / down
        corner = math.floor(left), math.floor(top)
        box = [left - corner[0], top - corner[1]]
        box += [box[0] + size[0] * scale / down, box[1] + size[1] * scale / down]
        needed = math.ceil(box[2] - 1e-6), math.ceil(box[3] - 1e-6)
        place = round(corner[0] * down), round(corner[1] * down)
        region = _on_white(self._region(place, level, needed))
        limits = (box[0], box[1], min(box[2], needed[0]), min(box[3], needed[1]))
        return np.array(region.resize(size, Image.Resampling.BICUBIC, box=limits))

    def read_whole(self, um_per_px: float) -> Pixels:
        """The whole slide at some resolution (its own where that is coarser).

        Raises:
            BadInput: if no level is coarse enough to do so.
        """
        scale = max(1.0, um_per_px / self.um_per_px)
        level = self._slide.get_best_level_for_downsample(scale * _ALMOST)
        width, height = self._slide.level_dimensions[level]
        if width * height > _MOST_PIXELS:
            raise BadInput(
                f"{self.path}: its level nearest to {um_per_px:.3g} um per pixel has "
                f"{width} x {height} px; convert it to a pyramid with coarser levels"
            )
        size = max(1, round(self.width / scale)), max(1, round(self.height / scale))
        return self.read(0, 0, size, scale)

    def read_coarsest(self) -> Pixels:
        """The whole slide at its coarsest level, values as they are: uint8 [h, w, 3].

        Raises:
            BadInput: if that level is too large, or damaged.
        """
        level = int(self._slide.level_count) - 1
        width, height = self._slide.level_dimensions[level]
        if width * height > _MOST_PIXELS:
            raise BadInput(
                f"{self.path}: its coarsest level has {width} x {height} px; convert it to a "
                "pyramid with coarser levels"
            )
        return np.array(self._region((0, 0), level, (width, height)).convert("RGB"))

    def values(self, xs: Places, ys: Places) -> Pixels:
        """First channel at full resolution at rows `ys` and columns `xs`: uint8 [len(ys), len(xs)].

        Raises:
            BadInput: if the file is damaged there.
        """
        left, top = int(xs[0]), int(ys[0])
        size = int(xs[-1]) - left + 1, int(ys[-1]) - top + 1
        region = np.asarray(self._region((left, top), 0, size))[..., 0]
        found: Pixels = region[np.ix_(ys - top, xs - left)]
        return found

    def _region(self, place: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        try:
            region: Image.Image = self._slide.read_region(place, level, size)
            return region
        except (openslide.OpenSlideError, OSError) as error:
            raise BadInput(f"{self.path}: damaged ({error}); replace the file") from error


def _open(path: Path) -> openslide.AbstractSlide:
    if not path.is_file():
        raise BadInput(f"{path}: no such file; correct its path")
    try:
        with warnings.catch_warnings():
            # Pillow's remarks on odd metadata; what it cannot read, it refuses.
            warnings.simplefilter("ignore", UserWarning)
            return openslide.open_slide(path)
    except (openslide.OpenSlideError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(
            f"{path}: not a slide that OpenSlide reads ({error}); convert it to a tiled TIFF"
        ) from error


def _on_white(region: Image.Image) -> Image.Image:
    """Where a scanner recorded nothing, the slide is transparent; glass is white."""
    white = Image.new("RGBA", region.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, region).convert("RGB")
