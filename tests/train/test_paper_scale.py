"""The paper's denoiser at its full size: 512 px, cross-attention, the real loop."""

import dataclasses
import json

import pytest
import torch

from disc.model.denoiser import Denoiser
from disc.presets import paper
from disc.train.loop import rate_at
from disc.train.objectives.diffusion import train_denoiser

STEPS = 2


@pytest.mark.slow
def test_paper_takes_two_optimisation_steps_at_512_px(tmp_path):
    """Needs some 10 GiB of memory, 2.1 GiB of disk, and minutes on a CPU."""
    run = paper()
    assert (run.data.tile_px, run.denoiser.condition) == (512, "crossattn")
    optim = dataclasses.replace(run.denoiser.optim, steps=STEPS, batch=1)

    def batch_at(step):
        """Noise for latents, and a mask of two labels beside unknown pixels."""
        masks = torch.full((1, 512, 512), 255, dtype=torch.uint8)
        masks[:, 32:], masks[:, 200:, 100:] = 0, 2
        latents = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(step))
        return {"latents": latents, "masks": masks}

    torch.manual_seed(0)
    denoiser = Denoiser(run.denoiser)
    before = {n: value.detach().clone() for n, value in denoiser.named_parameters()}
    train_denoiser(denoiser, batch_at, optim, tmp_path, seed=0)
    log = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert log["step"] == STEPS and 0.5 < log["eps"] < 5  # noise has variance 1
    # Adam's first steps are of the size of the rate, whatever the gradient.
    far = sum(rate_at(step, optim) for step in range(STEPS))
    moves = {n: float((v.detach() - before[n]).abs().max()) for n, v in denoiser.named_parameters()}
    assert all(0 < move < 1.2 * far for move in moves.values()), moves
    assert any("attn2" in name for name in moves) and any("encode.tokens" in n for n in moves)
