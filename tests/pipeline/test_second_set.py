"""The out-of-distribution test set of a run, in a layout of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc.files import BadInput
from disc.pipeline.context import Context
from disc.presets import smoke


def write_lapc(root: Path) -> None:
    for folder in ("jpg_nameless", "mask_nameless"):
        (root / folder).mkdir(parents=True)
    Image.new("RGB", (128, 128), (200, 90, 160)).save(root / "jpg_nameless" / "a.jpg")
    values = np.repeat([[0, 1, 2, 3]], 128, 0).repeat(32, 1).astype(np.uint8)
    Image.fromarray(values).save(root / "mask_nameless" / "a.png")


def test_lapc_beside_simulated_tiles(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc")
    run = smoke()
    data = replace(run.data, shifted_root=tmp_path / "lapc", shifted_kind="lapc", fit="resize")
    context = Context(replace(run, data=data), tmp_path / "run")
    tiles = context.read_shifted(tmp_path / "lapc")
    assert tiles.image(0).shape == (64, 64, 3)
    assert np.array_equal(tiles.mask(0), np.repeat([[1, 2, 3, 0]], 64, 0).repeat(16, 1))
    other = replace(data, shifted_values={0: 0, 1: 3, 2: 4, 3: 5})
    read = Context(replace(run, data=other), tmp_path / "run").read_shifted(tmp_path / "lapc")
    assert np.array_equal(read.mask(0), np.repeat([[0, 1, 2, 3]], 64, 0).repeat(16, 1))
    exact = replace(data, fit="exact")
    with pytest.raises(BadInput, match="128 x 128 px; expected 64 x 64 px"):
        Context(replace(run, data=exact), tmp_path / "run").read_shifted(tmp_path / "lapc").image(0)
