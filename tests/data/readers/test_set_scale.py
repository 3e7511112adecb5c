"""The scale that a set records of itself."""

import json
from pathlib import Path

import pytest
from PIL import Image

from disc.data.readers.set_scale import read_scale


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
