"""An audit's short form finds what is copied, blurred and like real tiles."""

import pytest

from disc.audit import brief
from disc.audit.copies.detector import Effort
from disc.audit.copies.wear import soften
from disc.audit.segmenter import as_tile_set
from disc.audit.sets import hold_arrays
from tests.audit.made_tiles import make_tiles


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
