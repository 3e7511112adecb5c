"""Segmenters trained for an audit, so that no tile is read by one that saw its patient."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from disc.audit.figures import NAN, Figure
from disc.audit.sets import AuditSet
from disc.data.pixels.images import Pixels
from disc.data.tiles.decoding import Reading
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.agreement import MIN_FRACTION, label_fractions, recalls
from disc.evaluate.referee import AUGMENT, read_tiles
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.grade.encoder import split_halves
from disc.grade.pixels import train_pixel_grader
from disc.labels import GRADES, NUM_LABELS, Label
from disc.seeds import derive, numpy_generator
from disc.settings.grading import CarcinoNet as Settings
from disc.settings.training import Optim

WIDTH = 16
"""Channels of a segmenter at full resolution."""
MIN_ROOM = 0.05
"""Between chance and real tiles with their own masks, without which a reading says nothing."""
MIN_GAIN = 0.1
"""Of that room, which a label that segmenters have learnt to read takes up."""
MIN_JUDGED = 5
"""Tiles of a label, without which it is not judged."""
SHUFFLES = 5
"""Of masks, for a chance level."""
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
            "labelled pixel; give masks of more patients"
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


def find_unlearnt(
    real: AuditSet, own: npt.NDArray[np.uint8], asked: Collection[Label], seed: int
) -> list[Label]:
    """Labels of real tiles that are read there hardly more often than anywhere.

    A label that all but fills the tiles leaves no room between chance and a perfect reading, and
    one that is in too few of them cannot be judged; neither is called unlearnt.

    Args:
        real: with masks.
        own: what segmenters that did not see a tile's patient read in it, [N, H, W].
        asked: labels that matter.
        seed: of shuffled masks.
    """
    rng = numpy_generator(seed, "unlearnt")
    right = _large_recalls(real.masks, own)
    shuffled = (real.masks[rng.permutation(len(real))] for _ in range(SHUFFLES))
    by_chance = np.concatenate([_large_recalls(masks, own) for masks in shuffled])
    found = []
    for label in Label:
        values = right[:, label][np.isfinite(right[:, label])]
        if label not in asked or len(values) < MIN_JUDGED:
            continue
        chance = float(np.nanmean(by_chance[:, label]))
        room = 1 - chance
        if room > MIN_ROOM and float(values.mean()) - chance < MIN_GAIN * room:
            found.append(label)
    return found


def _large_recalls(masks: Pixels, read: Pixels) -> npt.NDArray[np.float64]:
    """Recalls [N, 4] of labels that cover what counts in agreement; else NaN."""
    return np.where(label_fractions(masks) >= MIN_FRACTION, recalls(masks, read), np.nan)


def refuse_unlearnt(figures: Sequence[Figure], unlearnt: Sequence[Label]) -> list[Figure]:
    """Agreement, and a label's own recall, say nothing of labels that nobody learnt to read."""
    kept = []
    for figure in figures:
        names = [
            label.name for label in unlearnt if figure.name in ("agreement", f"recall.{label.name}")
        ]
        if names and not figure.refused:
            said = (
                f"the segmenters have not learnt to read {', '.join(names)} in real tiles; train "
                "them longer (--segmenter-steps)"
            )
            figure = replace(figure, value=NAN, low=NAN, high=NAN, refused=said)
        kept.append(figure)
    return kept
