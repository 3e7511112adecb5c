"""Segmenters trained for an audit, so that no tile is read by one that saw its patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from disc.audit.sets import AuditSet
from disc.data.pixels.images import Pixels
from disc.data.tiles.decoding import Reading
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.referee import AUGMENT, read_tiles
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.grade.encoder import split_halves
from disc.grade.pixels import train_pixel_grader
from disc.labels import GRADES, NUM_LABELS, Label
from disc.seeds import derive
from disc.settings.grading import CarcinoNet as Settings
from disc.settings.training import Optim

WIDTH = 16
"""Channels of a segmenter at full resolution."""
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HeldReading(Reading):
    """Reads tiles that are in memory; a tile's `x` is its place."""

    images: Pixels = field(repr=False, compare=False)
    labels: Pixels = field(repr=False, compare=False)

    def image(self, tile: Tile, tile_px: int) -> Pixels:
        """A tile, uint8 [H, H, 3]."""
        held: Pixels = self.images[tile.x]
        return held

    def mask(self, tile: Tile, provider: str, tile_px: int) -> Pixels:
        """Its mask, uint8 [H, H]."""
        held: Pixels = self.labels[tile.x]
        return held


@dataclass(frozen=True, eq=False)
class Segmenters:
    """Two networks trained on the two halves of the real patients.

    Attributes:
        nets: network k was trained on half k.
        halves: of each real tile, [N].
    """

    nets: tuple[CarcinoNet, CarcinoNet]
    halves: Codes

    def unseen(self, net: int) -> Codes:
        """Real tiles of patients that a network did not see."""
        return np.flatnonzero(self.halves != net)

    def read_real(self, real: AuditSet) -> Pixels:
        """Labels of every real tile, by the network that did not see its patient."""
        read = np.empty_like(real.masks)
        for number, net in enumerate(self.nets):
            chosen = self.unseen(number)
            read[chosen] = read_tiles(net, real.images[chosen])
        return read


def train_segmenters(real: AuditSet, *, steps: int, seed: int) -> Segmenters:
    """Train both networks.

    Raises:
        BadInput: if no pixel of one half of the patients has a label.
    """
    slides = {
        slide: Slide(slide_id=slide, patient_id=patient, primary=_main_grade(real, slide))
        for slide, patient in dict(zip(real.slides, real.patients, strict=True)).items()
    }
    by_slide = split_halves(slides, seed)
    halves = np.array([by_slide[slide] for slide in real.slides])
    nets = [
        train_segmenter(real.take(np.flatnonzero(halves == half)), steps=steps, seed=seed + half)
        for half in range(2)
    ]
    return Segmenters((nets[0], nets[1]), halves)


def train_segmenter(tiles: AuditSet, *, steps: int, seed: int) -> CarcinoNet:
    """Train a network on all tiles of a set.

    Raises:
        BadInput: if no pixel has a label.
    """
    if (tiles.masks >= NUM_LABELS).all():
        raise BadInput(
            f"{tiles.name}: none of {len(tiles)} tiles that a segmenter is trained on has a "
            "labelled pixel; give masks of more patients, or ask only what needs none: --parts "
            "look new --encoders texture"
        )
    optim = Optim(steps=steps, lr=1e-3, decay="cosine", warmup=min(50, steps // 4))
    with TemporaryDirectory() as folder:
        trained = train_pixel_grader(
            net=Settings(width=WIDTH, optim=optim),
            real=as_tile_set(tiles),
            synthetic=None,
            balance_weight=0,
            folder=Path(folder) / "segmenter",  # what progress is told of
            seed=derive(seed, "audit"),
            augment=AUGMENT,
        )
    assert isinstance(trained, CarcinoNet)
    return trained


def as_tile_set(held: AuditSet) -> TileSet:
    """A set in memory as one that trainings read."""
    tiles = tuple(
        Tile(name=name, slide_id=slide, image=Path(name), mask=Path(name), x=place, y=0)
        for place, (name, slide) in enumerate(zip(held.names, held.slides, strict=True))
    )
    slides = {
        slide: Slide(slide_id=slide, patient_id=patient)
        for slide, patient in dict(zip(held.slides, held.patients, strict=True)).items()
    }
    reading = HeldReading(images=held.images, labels=held.masks)
    return TileSet(slides=slides, tiles=tiles, tile_px=held.images.shape[1], reading=reading)


def _main_grade(real: AuditSet, slide: str) -> int:
    """The highest grade on a slide, so that halves share the rare ones out."""
    found = real.facts.fractions[real.slides == slide].max(axis=0) > 0.05
    return max((GRADES[label] for label in Label if found[label]), default=0)
