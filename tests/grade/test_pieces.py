"""Gradient accumulation of pixel graders, whose loss is no mean over tiles."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from disc.grade.pixels import train_pixel_grader
from disc.grade.pool import TilePool
from disc.settings.grading import CarcinoNet
from disc.settings.training import Optim, Speed
from tests.grade.tile_sets import write_set


def test_pieces_have_the_gradient_of_the_whole_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they hold unequal numbers of known pixels, and of labels."""
    real = write_set(tmp_path / "real", [0, 3, 4, 5])
    synthetic = write_set(tmp_path / "synthetic", [5, 5], name="syn")
    drawn = TilePool.draw_batch

    def unequal(pool, size, **options):
        batch = dict(drawn(pool, size, **options))
        batch["masks"] = batch["masks"].clone()
        batch["masks"][:3] = 255
        batch["masks"][3, 4:] = 255
        return batch

    monkeypatch.setattr(TilePool, "draw_batch", unequal)
    found = {}
    for count in (1, 2, 4):
        speed = Speed(accumulate=count)
        optim = Optim(steps=1, batch=8, lr=6e-3, warmup=5, clip=1e9, speed=speed)
        train_pixel_grader(
            net=CarcinoNet(width=8, blocks=(1, 1, 1), optim=optim),
            real=real,
            synthetic=synthetic,
            balance_weight=0.3,
            folder=tmp_path / str(count),
            seed=0,
        )
        kept = safetensors.torch.load_file(tmp_path / str(count) / "checkpoint.safetensors")
        # AdamW keeps a tenth of the first gradient
        gradients = [kept[key].flatten() * 10 for key in sorted(kept) if key.endswith("exp_avg")]
        found[count] = torch.cat(gradients)
    assert found[1].abs().max() > 0.01
    for count in (2, 4):
        torch.testing.assert_close(found[count], found[1], atol=1e-6, rtol=1e-5)
