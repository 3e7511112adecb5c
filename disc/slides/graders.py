"""The networks that grade a slide, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.data.tiles.tile_set import TileSet
from disc.grade.carcino import PixelNet
from disc.grade.encoder import CrossEncoder
from disc.grade.encoders.frozen import TileEncoder
from disc.grade.mil.bag_grader import BagGrader


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Tiles that graders are calibrated on.

    Attributes:
        train: those that they were trained on.
        val: of other slides, with masks.
    """

    train: TileSet
    val: TileSet


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedGraders:
    """Trained graders of one configuration, whatever they read.

    Attributes:
        folder: of the run or the exported weights, for messages.
        name: of the configuration, such as `real`.
        hashes: of each file of weights, by its path in the run.
        is_simulated: whether they have seen nothing but simulated tissue.
    """

    folder: Path
    name: str
    hashes: Mapping[str, str]
    is_simulated: bool

    @property
    def trained_on(self) -> Literal["simulated tissue only", "real tiles"]:
        """What their tissue was, as every file says it."""
        return "simulated tissue only" if self.is_simulated else "real tiles"


@dataclass(frozen=True, kw_only=True, eq=False)
class SlideGraders(TrainedGraders):
    """Slide graders on the features of an encoder that does not read labels.

    Attributes:
        encoder: its name.
        nets: slide graders, one a seed.
    """

    encoder: str
    nets: tuple[BagGrader, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Graders(TrainedGraders):
    """Trained graders of pixels, and slide graders on what their like read.

    Attributes:
        tile_px: side of the tiles that they were trained on, and of windows.
        um_per_px: width of a pixel of these, in micrometres.
        pixel: pixel graders, one a seed; the map is of their mean logits.
        encoder: makes the features of the slide graders, and its two networks, trained with other
            seeds on halves of the training slides, are asked for their opinion; None: there is
            none.
        public: makes the features of the slide graders where there is no such encoder; None: nor
            is there a public one.
        slide: slide graders, one a seed.
    """

    tile_px: int
    um_per_px: float
    pixel: tuple[PixelNet, ...]
    encoder: CrossEncoder | None
    slide: tuple[BagGrader, ...]
    public: TileEncoder | None = None

    @property
    def opinions(self) -> tuple[str, ...]:
        """Names of the networks that are asked for areas, in the order of `members`."""
        seeds = [f"seed {number}" for number in range(len(self.pixel))]
        halves = [] if self.encoder is None else ["half 0", "half 1"]
        return (*seeds, *halves)

    @property
    def members(self) -> tuple[PixelNet, ...]:
        """All networks that read pixels."""
        return (*self.pixel, *(self.encoder.nets if self.encoder else ()))
