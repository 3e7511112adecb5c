"""Tiles as boxes on slides, at the places that files of coordinates list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from disc.data.readers.slide_masks import name_places
from disc.data.tables.image_files import list_images
from disc.data.tiles.records import OfficialSplit, Slide, Tile
from disc.data.wsi.coordinates import read_coordinates
from disc.files import BadInput


def place_tiles(
    slides: Sequence[Slide],
    folder: Path,
    *,
    splits: Mapping[str, OfficialSplit] | None = None,
    more_masks: Mapping[str, tuple[Path, ...]] | None = None,
) -> tuple[list[Tile], list[str]]:
    """Tiles of slides, and notes about slides without coordinates.

    Args:
        slides: each with the file that it is in.
        folder: of HDF5 files, named as the slides, with `_patches` behind or without.
        splits: official parts by slide.
        more_masks: further masks by slide.

    Raises:
        FileNotFoundError: if there is no such folder.
        BadInput: if no slide has coordinates, or a file is damaged.
    """
    files = list_images(folder, {".h5"}, deep=True).images
    tiles: list[Tile] = []
    unplaced = []
    for slide in slides:
        assert slide.image is not None
        names = name_places(slide.image)
        path = next((files[name] for name in names if name in files), None)
        if path is None:
            unplaced.append(slide.slide_id)
            continue
        split = (splits or {}).get(slide.slide_id, "")
        tiles += _tiles_of(slide, path, split, (more_masks or {}).get(slide.slide_id, ()))
    if not tiles:
        raise BadInput(f"{folder}: no coordinates of any slide; expected names like {names[1]}.h5")
    if not unplaced:
        return tiles, []
    return tiles, [f"{folder}: no coordinates of {len(unplaced)} slide(s), first {unplaced[0]}"]


def _tiles_of(
    slide: Slide, path: Path, split: OfficialSplit, more_masks: tuple[Path, ...]
) -> list[Tile]:
    assert slide.image is not None
    found = read_coordinates(path)
    return [
        Tile(
            name=f"{slide.slide_id}_{x}_{y}",
            slide_id=slide.slide_id,
            image=slide.image,
            mask=slide.mask,
            x=x,
            y=y,
            box_px=found.side,
            split=split,
            more_masks=more_masks,
        )
        for x, y in dict.fromkeys(map(tuple, found.xy.tolist()))
    ]
