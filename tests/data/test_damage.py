"""Random damage to every kind of file that readers open: a good reading, or one line of refusal."""

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from disc.data.sources import Source, read_source
from disc.files import BadInput
from tests.data.conftest import SIDE
from tests.data.scans import draw_mask, paint, save_pyramid

SECONDS = 12
"""For each of ten kinds of file; together two minutes."""
pytestmark = pytest.mark.filterwarnings("ignore")


def read_all(source: Source) -> None:
    tiles = read_source(source)
    for index in range(len(tiles)):
        assert tiles.image(index).shape == (tiles.tile_px, tiles.tile_px, 3)
        assert set(np.unique(tiles.mask(index))) <= {0, 1, 2, 3, 255}


def panda(root: Path) -> Source:
    drawn = draw_mask()[:1024]
    rows = {"image_id": ["a"], "data_provider": ["radboud"], "gleason_score": ["3+4"]}
    pd.DataFrame(rows).to_csv(root / "train.csv", index=False)
    save_pyramid(root / "train_images" / "a.tiff", paint(drawn))
    save_pyramid(root / "train_label_masks" / "a_mask.tiff", drawn)
    with h5py.File(root / "a.h5", "w") as file:
        placed = file.create_dataset("coords", data=np.array([[512, 512]]))
        placed.attrs["patch_size_level0"] = 256
    return Source(root=root, coordinates=root, tile_px=64)


def folder(root: Path) -> Source:
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    tifffile.imwrite(root / "images" / "a.tif", image, compression="lzw")
    Image.fromarray(rng.choice([0, 3], (64, 64)).astype(np.uint8)).save(root / "masks" / "a.png")
    pd.DataFrame({"slide_id": ["a"], "gleason_score": ["3+3"]}).to_csv(root / "s.csv")
    return Source(root=root, kind="folder", slides=root / "s.csv")


FILES: dict[str, tuple[Callable[[Path], Source] | None, str]] = {
    "tile": (None, "images/*.jpg"),
    "mask": (None, "masks/*.png"),
    "partition": (None, "partition/Test/Train.xlsx"),
    "scores": (None, "wsi_labels.xlsx"),
    "slide": (panda, "train_images/a.tiff"),
    "slide's mask": (panda, "train_label_masks/a_mask.tiff"),
    "table": (panda, "train.csv"),
    "coordinates": (panda, "a.h5"),
    "TIFF": (folder, "images/a.tif"),
    "CSV": (folder, "s.csv"),
}


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, or the end cut off."""
    broken = bytearray(data)
    if rng.random() < 0.2:
        return bytes(broken[: rng.integers(len(data))])
    for _ in range(rng.integers(1, 9)):
        # Headers are where the damage is worst.
        end = len(data) if rng.random() < 0.5 else min(len(data), 400)
        broken[rng.integers(end)] = rng.integers(256)
    return bytes(broken)


def try_damage(source: Source, path: Path, seconds: float, seed: int) -> int:
    data, rng, refused = path.read_bytes(), np.random.default_rng(seed), 0
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        path.unlink()
        path.write_bytes(damage(data, rng))
        try:
            read_all(source)
        except (BadInput, FileNotFoundError) as error:
            refused += 1
            assert "\n" not in str(error), repr(error)[:300]
            assert len(str(error)) < 900, repr(error)[:300]
    return refused


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_random_damage_is_refused_in_one_line(kind: str, tiny_set: Path, tmp_path: Path) -> None:
    make, pattern = FILES[kind]
    root = tiny_set if make is None else tmp_path / "other"
    root.mkdir(exist_ok=True)
    source = Source(root=root, tile_px=SIDE) if make is None else make(root)
    read_all(source)
    assert try_damage(source, next(iter(sorted(root.glob(pattern)))), SECONDS, seed=len(kind))
