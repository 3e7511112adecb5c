"""Shape maps on disk, mapped into memory: every process reads the same pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, reason, write_bytes, write_json
from disc.model.store import map_tensors
from disc.sample.synthesis import ShapeBook, iterate_shapes

Masks = npt.NDArray[np.uint8]
CHUNK = 512
"""Shape maps of a file: 128 MiB at 512 px."""
INDEX = "shapes.json"
"""Written last."""


class StoredShapes(Sequence[Masks]):
    """Shape maps uint8 [H, W] in files of `CHUNK` each, read where they are touched."""

    def __init__(self, files: Sequence[Masks]) -> None:
        """Join the contents of files, uint8 [n, H, W] each."""
        self._files = files

    def __len__(self) -> int:
        """Number of shape maps."""
        return sum(len(file) for file in self._files)

    @overload
    def __getitem__(self, index: int) -> Masks: ...

    @overload
    def __getitem__(self, index: slice) -> list[Masks]: ...

    def __getitem__(self, index: int | slice) -> Masks | list[Masks]:
        """A shape map, or some."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        found: Masks = self._files[place // CHUNK][place % CHUNK]
        return found


def write_shapes(folder: Path, tiles: TileSet) -> None:
    """Write the shape maps of all tiles that have a labelled pixel, a file at a time."""
    waiting: list[Masks] = []
    sources: list[int] = []
    number = 0
    for source, shape in iterate_shapes(tiles):
        sources.append(source)
        waiting.append(shape)
        if len(waiting) == CHUNK:
            _write(folder, number, waiting)
            waiting, number = [], number + 1
    if waiting:
        _write(folder, number, waiting)
    write_json(folder / INDEX, {"sources": sources, "tiles": len(tiles)})


def read_shapes(folder: Path, tiles: TileSet, facts: Any) -> ShapeBook:
    """Map what `write_shapes` wrote of the same tiles.

    Args:
        folder: of the files.
        tiles: the set.
        facts: what `INDEX` holds.

    Raises:
        BadInput: if a file is missing, damaged, or of another set.
    """
    try:
        sources, num = [int(i) for i in facts["sources"]], int(facts["tiles"])
        files = [_map(folder, i) for i in range(-(-len(sources) // CHUNK))]
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise _wrong(folder, reason(error)) from error
    shapes = StoredShapes(files)
    if num != len(tiles) or len(shapes) != len(sources) or max(sources, default=0) >= num:
        raise _wrong(folder, f"{len(shapes)} shape maps of {num} tiles; there are {len(tiles)}")
    return ShapeBook(shapes, [tiles.tiles[i] for i in sources])


def _path(folder: Path, number: int) -> Path:
    return folder / f"shapes_{number:06d}.safetensors"


def _write(folder: Path, number: int, shapes: Sequence[Masks]) -> None:
    tensor = torch.from_numpy(np.stack(shapes))
    write_bytes(_path(folder, number), safetensors.torch.save({"shapes": tensor}))


def _map(folder: Path, number: int) -> Masks:
    mapped: Masks = map_tensors(_path(folder, number)).get_tensor("shapes").numpy()
    return mapped


def _wrong(folder: Path, why: str) -> BadInput:
    return BadInput(
        f"{folder}: its shape maps cannot be used ({why}); delete {folder.parent}/done.json and "
        "run the same command again, which makes them again"
    )
