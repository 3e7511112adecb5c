"""The tiles of a set written as files, by several processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np

from disc.data.tiles.labels import Counts, count_labels, label_tile
from disc.data.tiles.tile_set import TileSet
from disc.data.writing.set_writer import SetWriter
from disc.files import BadInput
from disc.labels import IGNORE, Label
from disc.processes import num_cores, spread
from disc.progress import Bar

_CHUNK = 32
"""Tiles that a process writes in one go."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of some tiles."""

    labels: Mapping[str, Label]
    """Labels by name of those that have one."""
    damaged: Mapping[str, str]
    """Why tiles were left out, by their old names."""
    pixels: Mapping[str, Counts]
    """Pixels of each label [4] by id of the slide."""


def write_tiles(
    tiles: TileSet, names: Sequence[str], writer: SetWriter, *, skip: bool, processes: int
) -> Written:
    """Write every tile of a set with its mask; JPEGs that nothing changes keep their bytes.

    Args:
        tiles: the set.
        names: of the new files, without suffix.
        writer: of the new set.
        skip: whether tiles that cannot be used are left out; else the first is an error.
        processes: how many share the work; 0: one a core.

    Raises:
        BadInput: if a tile cannot be used.
        OSError: if a process is killed, or the disk is full.
    """
    chunks = [
        range(start, min(start + _CHUNK, len(tiles))) for start in range(0, len(tiles), _CHUNK)
    ]
    parts = ((tiles.only(chunk), [names[i] for i in chunk]) for chunk in chunks)
    labels: dict[str, Label] = {}
    damaged: dict[str, str] = {}
    pixels: dict[str, Counts] = {}
    bar = Bar("converting", total=len(tiles), unit="tile")
    write = partial(_write_part, writer=writer, skip=skip)
    with closing(bar), spread(min(processes or num_cores(), len(chunks))) as run:
        try:
            for written in run(write, parts):
                labels |= written.labels
                damaged |= written.damaged
                for slide_id, counts in written.pixels.items():
                    pixels[slide_id] = pixels.get(slide_id, 0) + counts
                bar.advance(_CHUNK)
        except BrokenProcessPool as error:
            raise OSError(
                f"{writer.root}: a process that writes tiles was killed, most likely for want of "
                "memory; give fewer --processes"
            ) from error
    return Written(labels=labels, damaged=damaged, pixels=pixels)


_Part = tuple[TileSet, list[str]]


def _write_part(part: _Part, *, writer: SetWriter, skip: bool) -> Written:
    tiles, names = part
    labels: dict[str, Label] = {}
    damaged: dict[str, str] = {}
    pixels: dict[str, Counts] = {}
    for index, name in enumerate(names):
        try:
            label, counts = _write_tile(tiles, index, name, writer)
        except BadInput as error:
            if not skip:
                raise
            damaged[tiles.tiles[index].name] = str(error)
            continue
        if label is not None:
            labels[name] = label
        slide_id = tiles.tiles[index].slide_id
        pixels[slide_id] = pixels.get(slide_id, 0) + counts
    return Written(labels=labels, damaged=damaged, pixels=pixels)


def _write_tile(
    tiles: TileSet, index: int, name: str, writer: SetWriter
) -> tuple[Label | None, Counts]:
    """Label of a tile, and pixels of each label in its mask."""
    image = tiles.image(index)
    mask = np.full(image.shape[:2], IGNORE, np.uint8)
    if tiles.tiles[index].mask is not None:
        mask = tiles.mask(index)
    writer.add(name, image, mask, jpeg=tiles.jpeg(index))
    counts = count_labels(mask)
    label = label_tile(counts, mask.size)
    if label is None and not counts.any():
        label = tiles.tiles[index].label
    return label, counts
