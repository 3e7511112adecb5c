"""Features of slides that another program wrote: every slide's checked, and kept as ours are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.features import read_feature_file, write_features
from disc.processes import own_share, wait_for_all


@dataclass(frozen=True, kw_only=True)
class GivenSet:
    """The features of a set of tiles.

    Attributes:
        tiles: of the slides that must have a file.
        source: folder of the other program's files, `<slide>.h5`.
        target: folder of ours.
    """

    tiles: TileSet
    source: Path
    target: Path

    @property
    def files(self) -> list[Path]:
        """Of the slides that have tiles."""
        slides = dict.fromkeys(tile.slide_id for tile in self.tiles.tiles)
        return [self.source / f"{slide}.h5" for slide in slides]


def require_files(sets: Iterable[GivenSet], option: str) -> None:
    """See that every slide has a file.

    Args:
        sets: whose files.
        option: of the command, that names their folder.

    Raises:
        BadInput: with the first that is missing, and where its tiles are.
    """
    wanted = {path: one for one in sets for path in one.files}
    if missing := [path for path in wanted if not path.is_file()]:
        tiles = wanted[missing[0]].tiles.tiles[0].image.parent
        raise BadInput(
            f"{missing[0]}: no such file, as of {len(missing)} of {len(wanted)} slides; encode "
            f"them (tiles of this one: {tiles}), or correct {option}"
        )


def check_features(sets: Iterable[GivenSet]) -> None:
    """Read every slide's file.

    Raises:
        FileNotFoundError: if a slide has no file.
        BadInput: if a file is damaged or has no coordinates, or two have features of different
            lengths.
    """
    widths: dict[int, Path] = {}
    for one in sets:
        for path in one.files:
            found = read_feature_file(path)
            if found.coords is None:
                raise BadInput(
                    f"{path}: its features have no coords; expected [tiles, 2] beside them"
                )
            widths.setdefault(found.features.shape[1], path)
            if len(widths) > 1:
                (width, first), (other, second) = widths.items()
                raise BadInput(
                    f"{second}: {other} features a tile; {first} has {width}; "
                    "give the features of one encoder"
                )


def copy_features(sets: Iterable[GivenSet]) -> None:
    """Write what is missing of our files from those that were checked; one process writes."""
    for one in sets if own_share().is_first else ():
        for path in one.files:
            if (target := one.target / path.name).exists():
                continue
            found = read_feature_file(path)
            assert found.coords is not None  # as it was checked
            side = found.tile_px
            write_features(
                target, found.features, found.coords, side or 1, found.labels, level0_px=side
            )
    wait_for_all()
