"""Simulated data sets in the SICAPv2 layout: training and test, out of distribution, referee."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from disc import seeds
from disc.data.tiles.labels import count_labels, most_frequent_grade
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import Pixels
from disc.data.writing.set_writer import SetWriter
from disc.files import BadInput
from disc.labels import Label
from disc.phantom.cases import assign_folds, draw_slides
from disc.phantom.drawing import Drawing, Picture, draw_slide
from disc.phantom.stain import EXTERNAL, HOME, Scanner
from disc.processes import spread
from disc.progress import Bar
from disc.settings.data import Data
from disc.settings.phantom import Phantom

Result = TypeVar("Result")
MIN_TISSUE = 0.4
"""Min fraction of tissue in a tile."""
_LEVEL0 = 4
"""Level 0 of the simulated scan is this much finer than the tiles, as SICAPv2's is."""


@dataclass(frozen=True)
class PhantomTile:
    """One tile of a picture; pixels as in `Picture`."""

    name: str
    image: Pixels
    mask: Pixels
    exact: Pixels


def write_training_set(root: Path, phantom: Phantom, data: Data, *, processes: int = 1) -> None:
    """Write the training partition, its four folds and the test partition.

    Args:
        root: folder of the new set.
        phantom: what is drawn.
        data: tile size and resolution.
        processes: how many draw slides side by side; changes speed only. With more than one, a
            script that calls this must guard its main part (`if __name__ == "__main__":`).

    Raises:
        BadInput: if cores are too small for the tiles.
    """
    rng = seeds.numpy_generator(phantom.seed, "cases", "training")
    train = draw_slides(rng, phantom.slides, year=16, first_patient=1)
    test = draw_slides(rng, phantom.test_slides, year=17, first_patient=3001)
    names = _ids(train)
    partitions = {"Test/Train": names, "Test/Test": _ids(test)}
    for number, fold in enumerate(assign_folds(train), start=1):
        partitions[f"Validation/Val{number}/Train"] = [n for n in names if n not in fold]
        partitions[f"Validation/Val{number}/Test"] = fold
    draw = Draw(name="training", phantom=phantom, data=data)
    _write(root, draw, [*train, *test], partitions, processes)


def write_external_set(root: Path, phantom: Phantom, data: Data, *, processes: int = 1) -> None:
    """Write the out-of-distribution test set: another scanner and stain. All in Test/Test.

    Arguments and errors as in `write_training_set`.
    """
    rng = seeds.numpy_generator(phantom.seed, "cases", "shifted")
    slides = draw_slides(rng, phantom.external_slides, year=18, first_patient=5001)
    partitions: dict[str, list[str]] = {"Test/Train": [], "Test/Test": _ids(slides)}
    draw = Draw(name="shifted", phantom=phantom, data=data, scanner=EXTERNAL)
    _write(root, draw, slides, partitions, processes)


def write_referee_set(root: Path, phantom: Phantom, data: Data, *, processes: int = 1) -> None:
    """Write the separate draw that the referee is trained on. All in Test/Train.

    Arguments and errors as in `write_training_set`.
    """
    rng = seeds.numpy_generator(phantom.seed, "cases", "referee")
    slides = draw_slides(rng, phantom.referee_slides, year=19, first_patient=7001)
    partitions: dict[str, list[str]] = {"Test/Train": _ids(slides), "Test/Test": []}
    draw = Draw(name="referee", phantom=phantom, data=data)
    _write(root, draw, slides, partitions, processes)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The draw of one set: each slide is a function of (phantom.seed, name, its index)."""

    name: str
    phantom: Phantom
    data: Data
    scanner: Scanner = HOME

    @property
    def title(self) -> str:
        """What people read; the name is part of the seed and never changes."""
        return "external" if self.name == "shifted" else self.name

    def slide(self, index: int, slide: Slide) -> Drawing:
        """Draw one slide of the set."""
        assert slide.primary is not None and slide.secondary is not None
        return draw_slide(
            seeds.numpy_generator(self.phantom.seed, "slide", self.name, index),
            (slide.primary, slide.secondary),
            core_um=self.phantom.core_um,
            annotation_noise=self.phantom.annotation_noise,
            scanner=self.scanner,
        )

    def tiles(self, index: int, slide: Slide) -> list[PhantomTile]:
        """Tissue tiles of one slide of the set.

        Raises:
            BadInput: if there is none.
        """
        picture = self.slide(index, slide).render(self.data.um_per_px)
        tiles = list(cut_tiles(picture, slide.slide_id, self.data.tile_px))
        if not tiles:
            width = self.data.tile_px * self.data.um_per_px
            raise BadInput(
                f"phantom.core_um is {self.phantom.core_um}: slide {slide.slide_id} gives no tile "
                f"with {MIN_TISSUE:.0%} tissue at {width:.0f} µm a tile; use a larger core, or a "
                "smaller data.tile_px or data.um_per_px"
            )
        return tiles


def _ids(slides: Sequence[Slide]) -> list[str]:
    return [slide.slide_id for slide in slides]


def _write(
    root: Path,
    draw: Draw,
    slides: Sequence[Slide],
    partitions: Mapping[str, Sequence[str]],
    processes: int,
) -> None:
    """Draw and write all slides of a set, then its workbooks."""
    writer = SetWriter(root, um_per_px=draw.data.um_per_px)
    work = partial(_write_slide, writer, draw)
    labels: dict[str, Label] = {}
    for listed in draw_each(work, slides, draw.title, processes):
        labels.update(listed)
    writer.finish(slides, partitions, labels)


def draw_each(
    work: Callable[[int, Slide], Result], slides: Sequence[Slide], name: str, processes: int
) -> Iterator[Result]:
    """What `work` gives for the index and record of each slide, in order, with a bar."""
    bar = Bar(f"phantom, {name}", total=len(slides), unit="slide")
    with closing(bar), spread(processes) as run:
        for result in run(work, range(len(slides)), slides):
            yield result
            bar.advance()


def _write_slide(writer: SetWriter, draw: Draw, index: int, slide: Slide) -> dict[str, Label]:
    """Write the tiles of one slide; the labels of those that have one."""
    labels = {}
    for tile in draw.tiles(index, slide):
        writer.add(tile.name, tile.image, tile.mask, tile.exact)
        label = tile_label(tile.mask, is_benign=slide.primary == 0)
        if label is not None:
            labels[tile.name] = label
    return labels


def cut_tiles(picture: Picture, slide_id: str, tile_px: int) -> Iterator[PhantomTile]:
    """Tiles of a picture with half overlap, centred on it; those with enough tissue."""
    step = tile_px // 2
    rows, columns = (_starts(side, tile_px, step) for side in picture.tissue.shape)
    for row, y in enumerate(rows):
        for column, x in enumerate(columns):
            window = np.s_[y : y + tile_px, x : x + tile_px]
            if picture.tissue[window].mean() < MIN_TISSUE:
                continue
            place = f"{row}_{column}_xini_{_LEVEL0 * x}_yini_{_LEVEL0 * y}"
            name = f"{slide_id}_Block_Region_0_{place}"
            yield PhantomTile(
                name, picture.image[window], picture.mask[window], picture.exact[window]
            )


def _starts(side: int, tile: int, step: int) -> range:
    """First pixels of windows along a side, with what is left over split between both ends."""
    count = (side - tile) // step + 1
    return range(0) if count < 1 else range((side - tile) % step // 2, side - tile + 1, step)


def tile_label(mask: Pixels, *, is_benign: bool) -> Label | None:
    """The tile's label as SICAPv2 gives it: the most frequent grade in its mask.

    Tiles without a grade are Non-Cancer on benign slides; elsewhere they are unlabelled (None),
    and in no workbook.
    """
    return most_frequent_grade(count_labels(mask)) or (Label.NC if is_benign else None)
