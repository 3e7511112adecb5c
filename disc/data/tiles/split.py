"""Training, validation and test tiles, and the promise that no patient is in two of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class Split:
    """The three parts of a data set.

    Attributes:
        train: what networks are trained on.
        val: what choices are made on.
        test: what is reported.
        by_position: the parts are areas of the same slides, with a gap between them, because
            there are too few slides; slide-level grading is then impossible.
        val_is_seen: validation tiles are training tiles too, as in the paper.
    """

    train: TileSet
    val: TileSet
    test: TileSet
    by_position: bool = False
    val_is_seen: bool = False

    def __post_init__(self) -> None:
        """Check that parts are disjoint.

        Raises:
            BadInput: if two parts share a tile, or (unless split by position) a patient.
        """
        for one, other in combinations(("train", "val", "test"), 2):
            if self.val_is_seen and {one, other} == {"train", "val"}:
                continue
            first, second = getattr(self, one), getattr(self, other)
            _refuse_shared(_tiles(first) & _tiles(second), "tile", one, other)
            if not self.by_position:
                _refuse_shared(_patients(first) & _patients(second), "patient", one, other)


def _tiles(part: TileSet) -> set[str]:
    return {tile.name for tile in part.tiles}


def _patients(part: TileSet) -> set[str]:
    return {slide.patient_id for slide in part.slides.values()}


def _refuse_shared(shared: set[str], kind: str, one: str, other: str) -> None:
    if shared:
        raise BadInput(
            f"{len(shared)} {kind}(s) in both {one} and {other}, first {min(shared)}; "
            f"correct the workbooks in partition/ so that each {kind} is in one"
        )
