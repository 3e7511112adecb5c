"""Killed at any time, the same command ends in the same weights and numbers."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

TABLES = ["agreement", "scores", "pixels"]
WEIGHTS = [
    "latents/autoencoder/diffusion_pytorch_model.safetensors",
    "denoiser/sd/unet/diffusion_pytorch_model.safetensors",
    "denoiser/sd-disc/unet/diffusion_pytorch_model.safetensors",
    "denoiser/sd-disc-cotrain/condition.safetensors",
    "referee/referee.safetensors",
]


def start(out):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "disc", "run", "smoke", "--out", str(out)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )


@pytest.mark.slow
def test_killed_a_dozen_times_it_ends_in_the_same_bytes(tmp_path):
    began = time.monotonic()
    assert start(tmp_path / "straight").wait() == 0
    whole = time.monotonic() - began
    moments = random.Random(2404)
    for _ in range(12):
        process = start(tmp_path / "killed")
        try:
            process.wait(timeout=6 + moments.uniform(0, whole / 6))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert start(tmp_path / "killed").wait() == 0
    straight, killed = tmp_path / "straight" / "smoke", tmp_path / "killed" / "smoke"
    for name in WEIGHTS:
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name
    for name in TABLES:
        one, other = (pd.read_parquet(run / f"{name}.parquet") for run in (straight, killed))
        pd.testing.assert_frame_equal(one, other)
