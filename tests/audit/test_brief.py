"""An audit's short form finds what is copied, blurred and like real tiles."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from disc.audit import brief
from disc.audit.asked.segmenter import as_tile_set
from disc.audit.copies.detector import Effort
from disc.audit.copies.pictures import take_pictures
from disc.audit.copies.wear import soften
from disc.audit.sets import hold_arrays
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from tests.audit.made_tiles import make_tiles


class Stop(Exception):
    """What is asked for is known."""


def test_training_tiles_are_read_chunk_by_chunk_and_not_held(monkeypatch: pytest.MonkeyPatch):
    """Pictures of all of them are kept, which are small; whole tiles where a calibration looks."""
    images = np.random.default_rng(0).integers(0, 256, (210, 32, 32, 3), np.uint8)
    read = list[int]()

    class Reading:
        def image(self, tile, tile_px):
            read.append(tile.x)
            return images[tile.x]

    slides = {name: Slide(slide_id=name, patient_id=name) for name in "ab"}
    facts = {"image": Path("none"), "mask": None, "y": 0}
    tiles = tuple(Tile(name=str(i), slide_id="ab"[i % 2], x=i, **facts) for i in range(210))
    training = TileSet(slides=slides, tiles=tiles, tile_px=32, reading=Reading())

    def calibrate(tiles, patients, synthetic, **options):
        assert len(tiles) == len(patients) == 210 and not read
        np.testing.assert_array_equal(tiles[np.array([7, 3])], images[[7, 3]])
        assert read == [7, 3]
        torch.testing.assert_close(take_pictures(tiles).pixels, take_pictures(images).pixels)
        raise Stop

    monkeypatch.setattr(brief, "calibrate", calibrate)
    monkeypatch.setattr(brief, "hold", lambda name, tiles: SimpleNamespace(images=images[:2]))
    with pytest.raises(Stop):
        brief.audit_briefly(training, training, {"sd": training}, seed=0)


@pytest.mark.slow
def test_copies_and_blur_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief, "EFFORT", Effort(null=60, planted=20, kinds=("flipped", "quarter")))
    monkeypatch.setattr(brief, "MOST_SEARCHED", 40)
    drawn = {
        name: make_tiles(num, start, side=128, px=32)
        for name, num, start in (("training", 5, 0), ("test", 4, 60), ("fresh", 3, 90))
    }
    images, masks, owners = drawn["fresh"]
    drawn["copies"] = drawn["training"]
    drawn["blurred"] = soften(images, 1.0), masks, owners
    sets = {name: as_tile_set(hold_arrays(name, *made, 4.0)) for name, made in drawn.items()}
    test, training = sets.pop("test"), sets.pop("training")
    found = brief.audit_briefly(test, training, sets, seed=0).set_index(["variant", "name"])
    assert found.loc[("copies", "copies"), "value"] == 1
    assert found.loc[("fresh", "copies"), "value"] < 0.1
    assert found.loc[("fresh", "copies"), "tiles"] == 40
    for label in ("NC", "GG5"):
        assert found.loc[("blurred", f"gradient.{label}"), "high"] < 0.9
        assert found.loc[("fresh", f"gradient.{label}"), "value"] == pytest.approx(1, abs=0.2)
    far, near = (found.loc[(name, "kid.texture"), "value"] for name in ("blurred", "fresh"))
    assert far > 10 * near
    few = as_tile_set(hold_arrays("few", *(part[:50] for part in drawn["training"]), 4.0))
    refused = brief.audit_briefly(test, few, sets, seed=0).set_index(["variant", "name"])
    assert "50 training tiles" in refused.loc[("fresh", "copies"), "refused"]
