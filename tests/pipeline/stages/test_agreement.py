"""What the stage of agreement measures beside the variants."""

from types import SimpleNamespace

import numpy as np
import torch

from disc.evaluate.agreement import CHANCE, RECALLS
from disc.pipeline.galleries import Asked, Generated
from disc.pipeline.stages.agreement import _chance
from disc.presets import smoke


def test_chance_is_each_tile_beside_the_mask_of_another_of_its_kind():
    """Perfect tiles of four uniform masks, and of two of halves that are each other's reverse."""
    masks = np.zeros((6, 8, 8), np.uint8)
    masks[:4] = np.arange(4, dtype=np.uint8)[:, None, None]
    masks[4, 4:], masks[5, :4] = 1, 1
    asked = Asked(
        masks=masks,
        names=[f"asked {i}" for i in range(6)],
        slides=["S"] * 6,
        drawn_for=["test slides"] * 6,
        seeds=list(range(6)),
    )
    made = Generated(np.zeros((6, 8, 8, 3), np.uint8), torch.zeros(6, 3, 2, 2), masks)
    table = _chance(SimpleNamespace(run=smoke()), asked, made)
    assert set(table["variant"]) == {CHANCE} and list(table["tile"]) == asked.names
    assert np.nansum(table[RECALLS].to_numpy()) == 0  # no tile stands beside its own mask
    assert table[RECALLS].notna().sum(axis=1).tolist() == [1, 1, 1, 1, 2, 2]
