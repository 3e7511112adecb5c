"""Two gloo processes with half the batch each follow the loss of one, step by step."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
import torch
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.training import Optim, Speed
from disc.model.denoiser import Denoiser
from disc.train import log
from disc.train.objectives.diffusion import train_denoiser

log.EVERY = 1
folder, accumulate = Path(sys.argv[1]), int(sys.argv[2])
heads = dict(attention=(False, True), head_channels=16)
settings = DenoiserSettings(channels=(16, 32), context=16, **heads)
speed = Speed(accumulate=accumulate)
optim = Optim(steps=20, batch=8, lr=1e-3, warmup=5, ema=0.9, speed=speed)

def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    masks = torch.randint(0, 4, (8, 32, 32), generator=generator, dtype=torch.uint8)
    # latents of the two halves differ much, so that half a batch has another loss
    scale = torch.tensor([0.1] * 4 + [3.0] * 4)[:, None, None, None]
    return {"latents": scale * torch.randn(8, 3, 8, 8, generator=generator), "masks": masks}

torch.manual_seed(0)
train_denoiser(Denoiser(settings), batch_at, optim, folder, 1)
"""


def launch(script, folder, processes, accumulate=1):
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc_per_node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*launcher, str(script), str(folder), str(accumulate)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=600)


def losses(tmp_path, name, processes, accumulate=1):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch(script, tmp_path / name, processes, accumulate)
    lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 21))
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.slow
def test_two_processes_follow_the_loss_of_one(tmp_path):
    one = losses(tmp_path, "one", 1)
    assert max(one) - min(one) > 0.1
    assert losses(tmp_path, "two", 2) == pytest.approx(one, rel=1e-5, abs=0)
    assert losses(tmp_path, "pieces", 2, accumulate=2) == pytest.approx(one, rel=1e-5, abs=0)


@pytest.mark.slow
def test_two_processes_train_the_networks_of_one(tmp_path):
    """Codes come from the whole batch, and a loss that is no mean over tiles is that of all."""
    script = Path(__file__).with_name("two_networks.py")
    for name, processes in (("one", 1), ("two", 2)):
        launch(script, tmp_path / name, processes)
    one, two = ((tmp_path / name / "codes.txt").read_text().split() for name in ("one", "two"))
    assert [float(x) for x in two] == pytest.approx([float(x) for x in one], rel=1e-5)
    for network in ("autoencoder", "grader"):
        found = [
            safetensors.torch.load_file(tmp_path / name / f"{network}.safetensors")
            for name in ("one", "two")
        ]
        for key, value in found[0].items():
            torch.testing.assert_close(found[1][key], value, atol=1e-5, rtol=0, msg=key)


@pytest.mark.slow
def test_pieces_of_a_batch_draw_the_codes_of_the_whole(tmp_path):
    script = Path(__file__).with_name("two_networks.py")
    for name, accumulate in (("whole", 1), ("pieces", 2)):
        launch(script, tmp_path / name, 1, accumulate)
    texts = ((tmp_path / name / "codes.txt").read_text() for name in ("whole", "pieces"))
    whole, pieces = ([float(x) for x in text.split()] for text in texts)
    assert pieces == pytest.approx(whole, rel=1e-5)
