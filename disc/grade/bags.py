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
from disc.grade.features import read_features
from disc.labels import slide_label


@dataclass(frozen=True, kw_only=True)
class Bag:
    """One slide, real or synthetic.

    Attributes:
        features: float32 [N, D], in the order of the tiles.
        truth: bits NC, GG3, GG4, GG5.
        primary: Gleason grade 0, 3, 4 or 5.
    """

    slide_id: str
    patient_id: str
    features: npt.NDArray[np.float32]
    truth: tuple[int, int, int, int]
    primary: int


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
    return Bag(
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        features=read_features(path),
        truth=slide_label(slide.primary, slide.secondary),
        primary=slide.primary,
    )


def lay_out(bags: Sequence[Bag]) -> dict[str, torch.Tensor]:
    """Put bags of any sizes on grids of one size.

    Each bag fills the rows of its own square, of side ceil(sqrt(N)), from the top left corner;
    the rest of the common grid is empty.

    Differs from paper: TransMIL repeats a bag's first tiles to fill its square.

    Returns:
        features: float [B, S * S, D]; is_tile: bool [B, S * S]; truth: float [B, 4].
    """
    sides = [ceil(sqrt(len(bag.features))) for bag in bags]
    side, width = max(sides), bags[0].features.shape[1]
    features = torch.zeros(len(bags), side * side, width)
    is_tile = torch.zeros(len(bags), side * side, dtype=torch.bool)
    for row, (bag, own_side) in enumerate(zip(bags, sides, strict=True)):
        order = torch.arange(len(bag.features))
        places = order // own_side * side + order % own_side
        features[row, places] = torch.from_numpy(bag.features)
        is_tile[row, places] = True
    truth = torch.tensor([bag.truth for bag in bags], dtype=torch.float32)
    return {"features": features, "is_tile": is_tile, "truth": truth}
