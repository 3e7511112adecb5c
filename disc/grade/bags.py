"""Bags: the feature vectors of the tiles of one slide, with what the slide is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from disc.data.tiles.records import Slide
from disc.files import BadInput
from disc.grade.features import read_feature_file
from disc.labels import IGNORE, NUM_LABELS, label_of_grade, slide_label


@dataclass(frozen=True, kw_only=True)
class Bag:
    """One slide, real or synthetic.

    Attributes:
        features: float32 [N, D], in the order of the tiles.
        truth: bits NC, GG3, GG4, GG5.
        primary: Gleason grade 0, 3, 4 or 5.
        coords: x and y of the tiles' corners, or of superpixels' centres in their own tiles, int
            [N, 2]; None where nobody knows.
        tile_px: side of a tile, in the pixels of `coords`.
        labels: label of each tile, 255 where unknown, uint8 [N]; None: all unknown.
    """

    slide_id: str
    patient_id: str
    features: npt.NDArray[np.float32]
    truth: tuple[int, int, int, int]
    primary: int
    coords: npt.NDArray[np.int64] | None = None
    tile_px: float = 1.0
    labels: npt.NDArray[np.uint8] | None = None

    @property
    def grades(self) -> tuple[int, int]:
        """Labels 0 to 3 of primary and secondary grade."""
        primary = int(label_of_grade(self.primary))
        others = [label for label in range(NUM_LABELS) if self.truth[label] and label != primary]
        return primary, others[0] if others else primary


def read_bags(folder: Path, slides: Iterable[Slide]) -> list[Bag]:
    """The bags of some slides from their feature files.

    Raises:
        FileNotFoundError: if a slide has no feature file.
        BadInput: if a file is damaged or a slide has no Gleason score.
    """
    return [_read_bag(folder, slide) for slide in slides]


def _read_bag(folder: Path, slide: Slide) -> Bag:
    path = folder / f"{slide.slide_id}.h5"
    if slide.primary is None or slide.secondary is None:
        raise BadInput(f"{path}: slide '{slide.slide_id}' has no Gleason score; leave it out")
    found = read_feature_file(path)
    return Bag(
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        features=found.features,
        truth=slide_label(slide.primary, slide.secondary),
        primary=slide.primary,
        coords=found.coords,
        tile_px=found.tile_px or 1.0,
        labels=found.labels,
    )


def lay_out(bags: Sequence[Bag]) -> dict[str, torch.Tensor]:
    """Put bags of any sizes on grids of one size.

    Each bag fills the rows of its own square, of side ceil(sqrt(N)), from the top left corner;
    the rest of the common grid is empty.

    Differs from paper: TransMIL repeats a bag's first tiles to fill its square.

    Returns:
        features: float [B, S * S, D]; is_tile: bool [B, S * S]; truth: float [B, 4]; grades: int
        [B, 2]; places: in sides of a tile, float [B, S * S, 2]; labels: int [B, S * S].
    """
    sides = [ceil(sqrt(len(bag.features))) for bag in bags]
    side, width = max(sides), bags[0].features.shape[1]
    features = torch.zeros(len(bags), side * side, width)
    is_tile = torch.zeros(len(bags), side * side, dtype=torch.bool)
    locations = torch.zeros(len(bags), side * side, 2)
    labels = torch.full((len(bags), side * side), IGNORE)
    for row, (bag, own_side) in enumerate(zip(bags, sides, strict=True)):
        order = torch.arange(len(bag.features))
        places = order // own_side * side + order % own_side
        features[row, places] = torch.from_numpy(bag.features)
        is_tile[row, places] = True
        if bag.coords is not None:
            locations[row, places] = torch.from_numpy(bag.coords / bag.tile_px).float()
        if bag.labels is not None:
            labels[row, places] = torch.from_numpy(bag.labels.astype(np.int64))
    return {
        "features": features,
        "is_tile": is_tile,
        "truth": torch.tensor([bag.truth for bag in bags], dtype=torch.float32),
        "grades": torch.tensor([bag.grades for bag in bags]),
        "places": locations,
        "labels": labels,
    }
