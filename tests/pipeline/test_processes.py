"""Two processes train and sample what one does, beyond floating point."""

import os
import subprocess
import sys

import pytest
import safetensors.torch
import torch

UNET = "smoke/denoiser/sd/unet/diffusion_pytorch_model.safetensors"


def run(out, *launcher):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launcher, "-m", "disc", "run", "smoke", "--out", str(out), "--until", "bank"]
    command += ["--denoiser.optim.steps", "10", "--autoencoder.optim.steps", "10"]
    subprocess.run(command, env=environment, check=True, timeout=900)


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path):
    run(tmp_path / "one", sys.executable)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    run(tmp_path / "two", *torchrun)
    one, two = (safetensors.torch.load_file(tmp_path / n / UNET) for n in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], atol=2e-3, rtol=0, msg=name)
    bank = "smoke/bank/bundles_000000.safetensors"
    seeds = [safetensors.torch.load_file(tmp_path / n / bank)["seeds"] for n in ("one", "two")]
    assert torch.equal(*seeds)
