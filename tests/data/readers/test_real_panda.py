"""The reader on a real PANDA slide; run with `-m real` and DISC_REAL_DATA."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from disc.data.readers.read import read_source
from disc.data.readers.source import Source

NAME = "006f6aa35a78965c92fffd1fbd53a058"
BOX = 512


@pytest.mark.real
def test_boxes_on_a_real_biopsy(tmp_path: Path) -> None:
    root = Path(os.environ["DISC_REAL_DATA"]) / "panda"
    drawn = tifffile.imread(root / "train_label_masks" / f"{NAME}_mask.tiff", key=0)[..., 0]
    counts = [
        (int((drawn[y : y + BOX, x : x + BOX] >= 3).sum()), x, y)
        for y in range(0, drawn.shape[0] - BOX, BOX)
        for x in range(0, drawn.shape[1] - BOX, BOX)
    ]
    _, x, y = max(counts)
    with h5py.File(tmp_path / f"{NAME}.h5", "w") as file:
        placed = file.create_dataset("coords", data=np.array([[x, y]]))
        placed.attrs["patch_size_level0"] = BOX
    source = Source(root=root, coordinates=tmp_path, tile_px=256, reach_um=0)
    tiles = read_source(source)
    assert (tiles.slides[NAME].primary, tiles.slides[NAME].provider) == (4, "radboud")
    inside = drawn[y + 1 : y + BOX : 2, x + 1 : x + BOX : 2]
    label = np.array([0, 0, 0, 1, 2, 3])
    assert np.array_equal(tiles.mask(0), label[inside])
    extended = read_source(Source(root=root, coordinates=tmp_path, tile_px=256)).mask(0)
    assert (extended > 0).mean() > (tiles.mask(0) > 0).mean()
    assert tiles.image(0).mean() < 230
