"""The real PANDA biopsy: `DISC_REAL_DATA=folder pytest -m real`."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from disc.data.readers.sicapv2 import read_set, read_split
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from disc.data.tiling.tissue import UM_PER_PX, find_tissue
from disc.data.wsi.scan import Scan

pytestmark = pytest.mark.real


@pytest.fixture
def panda() -> Path:
    return Path(os.environ["DISC_REAL_DATA"]) / "panda"


def test_tissue_is_where_the_pathologist_drew(panda: Path) -> None:
    slide = next((panda / "train_images").glob("*.tiff"))
    mask = tifffile.imread(panda / "train_label_masks" / f"{slide.stem}_mask.tiff", level=0)
    tissue = find_tissue(Scan(slide).read_whole(UM_PER_PX))
    rows, columns = (
        ((np.arange(n) + 0.5) * size / n).astype(int)
        for n, size in zip(tissue.shape, mask.shape, strict=False)
    )
    truth = mask[..., 0][np.ix_(rows, columns)] > 0
    dice = 2 * (tissue & truth).sum() / (tissue.sum() + truth.sum())
    print(f"Dice of tissue against the mask: {dice:.3f}")
    assert dice >= 0.90


def test_becomes_a_set_with_three_parts(panda: Path, tmp_path: Path) -> None:
    request = TileRequest(
        slides=panda / "train_images",
        masks=panda / "train_label_masks",
        labels=panda / "train.csv",
        out=tmp_path / "set",
    )
    report = tile_slides(request)
    assert report.is_split_by_position and report.labels["GG3"] and report.labels["GG4"]
    tiles = read_set(request.out, 64)
    fractions = np.array(
        [np.bincount(tiles.mask(i).ravel(), minlength=4) for i in range(len(tiles))]
    )
    assert (fractions.max(1) > 0.9 * 64**2).sum() >= 10, (
        "single-class tiles: labels cover territories"
    )
    split = read_split(request.out, "Val1", tiles)
    for part in (split.train, split.val, split.test):
        assert sum(len(np.unique(part.mask(i))) > 1 for i in range(len(part))) >= 5
