"""The data card of a synthetic set is filled from what made the set, with nothing left open."""

import re
from pathlib import Path

import pytest

from disc.data.tiles.records import Slide
from disc.labels import Label
from disc.sample.data_card import write_card

MADE = {
    **{"variant": "sd-sc", "plan": "end", "solver": "ddim 15 leading", "checkpoint": "c0ffee"},
    **{"precision": "float32", "autoencoder": "ffee"},
    **{"training_slides": "S1 S2 S3", "fold": "Val1"},
}
ROWS = [{"tile": f"T{i}", "seed": i, "shape_source": f"M{i % 2}", **MADE} for i in range(3)]
LABELS = {"T0": Label.NC, "T1": Label.GG4, "T2": Label.GG4}
SLIDES = [
    Slide(slide_id=f"S{i}", patient_id=f"S{i}", primary=grade, secondary=grade)
    for i, grade in enumerate((0, 4))
]


def write(folder: Path, rows=ROWS, *, um_per_px=4.0, is_simulated=True) -> str:
    facts = {"tile_px": 96, "um_per_px": um_per_px, "is_simulated": is_simulated}
    write_card(folder, rows, SLIDES, LABELS, **facts)
    return (folder / "data_card.md").read_text(encoding="utf-8")


def read_table(card: str) -> dict[str, str]:
    return dict(re.findall(r"^\| (.+?) \| (.*?) \|$", card, re.M))


def test_rows_come_from_the_manifest(tmp_path: Path) -> None:
    rows = read_table(write(tmp_path))
    assert rows["slides"] == "2; by primary grade: Non-Cancer 1, GG4 1"
    assert rows["tiles"] == "3; by most frequent label: Non-Cancer 1, GG4 2"
    assert (rows["side of a tile"], rows["width of a pixel"]) == ("96 px", "4 µm")
    assert (rows["variant"], rows["plan"], rows["solver"]) == ("sd-sc", "end", "ddim 15 leading")
    assert rows["hash of the weights"] == "c0ffee"
    assert rows["its training slides"].startswith("3, fold Val1;")
    assert rows["shapes of masks"] == "of 2 training tiles, with other labels"


@pytest.mark.parametrize("um_per_px", [4.0, 0.92, None])
@pytest.mark.parametrize("is_simulated", [True, False, None])
def test_nothing_is_left_for_somebody_to_fill_in(tmp_path: Path, um_per_px, is_simulated) -> None:
    card = write(tmp_path, um_per_px=um_per_px, is_simulated=is_simulated)
    assert all(read_table(card).values())
    assert not re.search(r"TODO|TBD|FIXME|XXX|\bNone\b|\bnan\b|[{}<>]|\[[^\]]*\]|\.\.\.", card)
    assert ("simulated tissue" in card) == (is_simulated is True)
    assert card.count("not recorded") == (um_per_px is None) + (is_simulated is None)


def test_tiles_that_share_noise_are_told(tmp_path: Path) -> None:
    rows = [{**row, "bundle": 0, "times_used": 2} for row in ROWS]
    assert read_table(write(tmp_path, rows))["tiles that share a bundle"] == "at most 2"
    assert "bundle" not in write(tmp_path)
