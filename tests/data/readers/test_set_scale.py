"""The scale that a set records of itself."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.set_scale import read_scale
from disc.data.readers.source import Source
from disc.files import BadInput


def write_set(root: Path, side: int, facts: dict[str, object] | None = None) -> Path:
    (root / "images").mkdir(parents=True)
    name = "a_Block_Region_0_0_0_xini_0_yini_0.jpg"
    Image.new("RGB", (side, side)).save(root / "images" / name)
    if facts is not None:
        (root / "set.json").write_text(json.dumps(facts))
    return root


@pytest.mark.parametrize(
    ("facts", "side", "scale"),
    [
        ({"tile_px": 64, "um_per_px": 6.0}, 64, 6.0),
        ({"tile_px": 64, "um_per_px": None}, 64, None),
        ({}, 512, None),
        (None, 512, 0.92),
        (None, 64, None),
    ],
)
def test_the_record_of_the_set_counts(
    facts: dict[str, object] | None, side: int, scale: float | None, tmp_path: Path
) -> None:
    assert read_scale(write_set(tmp_path / "set", side, facts), side) == scale


def test_tiles_made_smaller_have_wider_pixels(tmp_path: Path) -> None:
    own = write_set(tmp_path / "own", 128, {"tile_px": 128, "um_per_px": 2.0})
    public = write_set(tmp_path / "public", 512)
    assert read_scale(own, 32, "resize") == 8.0
    assert read_scale(public, 64, "resize") == pytest.approx(0.92 * 8)


def test_the_set_may_lie_deeper(tmp_path: Path) -> None:
    write_set(tmp_path / "SICAPv2", 64, {"tile_px": 64, "um_per_px": 6.0})
    assert read_scale(tmp_path, 64) == 6.0


@pytest.mark.parametrize("wrong", [float("nan"), -4, "4", True, 0, float("inf")])
def test_an_impossible_scale_is_refused(tmp_path: Path, wrong: object) -> None:
    root = write_set(tmp_path, 64, {"tile_px": 64, "um_per_px": wrong})
    for read in (
        lambda: read_scale(root, 64),
        lambda: read_source(Source(root=root, kind="sicapv2")),
    ):
        with pytest.raises(BadInput, match=r"set\.json: um_per_px is .*; expected a number"):
            read()


def test_a_set_made_smaller_says_so(tmp_path: Path) -> None:
    root = write_set(tmp_path, 512)
    row = {"slide_id": "a", "patient_id": "a", "Gleason_primary": 0, "Gleason_secondary": 0}
    pd.DataFrame([row]).to_excel(root / "wsi_labels.xlsx", index=False)
    for side, fit, um in ((512, "exact", 0.92), (256, "resize", 1.84)):
        tiles = read_source(Source(root=root, kind="sicapv2", tile_px=side, fit=fit))
        assert tiles.tiles[0].um_per_px == pytest.approx(um)


def write_wide(root: Path) -> Path:
    """An image of 1,200 x 1,300 px of half a micrometre: a square of 942 px, on grey."""
    picture = np.full((1200, 1300, 3), 90, np.uint8)
    picture[129:1071, 179:1121] = (200, 100, 150)
    (root / "images").mkdir(parents=True)
    Image.fromarray(picture).save(root / "images" / "a.png")
    return root


def test_images_are_brought_to_a_scale(tmp_path: Path) -> None:
    root = write_wide(tmp_path)
    source = Source(
        root=root, kind="folder", tile_px=512, um_per_px=0.5, to_um_per_px=0.92, fit="exact"
    )
    tiles = read_source(source)
    assert tiles.tiles[0].um_per_px == pytest.approx(0.92, rel=1e-3)
    assert np.abs(tiles.image(0).astype(int) - (200, 100, 150)).max() <= 14
    with pytest.raises(BadInput, match=r"coarser than the 0\.4 asked for"):
        read_source(replace(source, to_um_per_px=0.4))
    with pytest.raises(BadInput, match="1300 x 1200 px; expected 2048 px or more each way"):
        read_source(replace(source, to_um_per_px=2.0)).image(0)
    crop = read_source(replace(source, to_um_per_px=None, fit="crop"))
    assert crop.tiles[0].um_per_px == pytest.approx(0.5 * 1200 / 512)
