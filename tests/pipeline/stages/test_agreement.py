"""What the stage of agreement measures beside the variants."""

from types import SimpleNamespace

import numpy as np
import torch

from disc.evaluate.agreement import CHANCE, RECALLS
from disc.pipeline.galleries import Asked, Generated
from disc.pipeline.stages.agreement import _chance
from disc.presets import smoke


def test_chance_is_each_tile_beside_the_mask_of_another_of_its_kind():
    """Perfect tiles of 64 uniform masks, label by label in turn, and of two whose halves differ."""
    masks = np.zeros((66, 8, 8), np.uint8)
    masks[:64] = (np.arange(64) % 4).astype(np.uint8)[:, None, None]
    masks[64, 4:], masks[65, :4] = 1, 1
    asked = Asked(
        masks=masks,
        names=[f"asked {i}" for i in range(66)],
        slides=["S"] * 66,
        drawn_for=["test slides"] * 66,
        seeds=list(range(66)),
    )
    made = Generated(np.zeros((66, 8, 8, 3), np.uint8), torch.zeros(66, 3, 2, 2), masks)
    table = _chance(SimpleNamespace(run=smoke()), asked, made)
    assert set(table["variant"]) == {CHANCE} and list(table["tile"]) == asked.names
    recalls = table[RECALLS].to_numpy()
    assert np.nansum(recalls[64:]) == 0 and (~np.isnan(recalls[64:])).sum() == 4
    assert 0.1 < np.nanmean(recalls[:64]) < 0.4, "of four labels a quarter"
