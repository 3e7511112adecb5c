"""Killed at any time, the same command ends in the same weights and numbers."""

import json
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


KILLS = 20
"""At any moment of a run; as many more in the middle of a training."""
TRAININGS = ("autoencoder", "denoiser/sd")
STEPS = 300
EVERY = 5
"""Steps between checkpoints."""
SHORT = (
    "--phantom.slides 2 2 2 2 --phantom.test-slides 1 1 1 1 --phantom.external-slides 1 0 0 0 "
    "--phantom.referee-slides 1 1 1 1 --phantom.core-um 600 700 --data.workers 2 "
    f"--autoencoder.optim.steps {STEPS} --autoencoder.optim.batch 4 "
    f"--autoencoder.optim.checkpoint-every {EVERY} "
    f"--denoiser.optim.steps {STEPS} --denoiser.optim.batch 4 "
    f"--denoiser.optim.checkpoint-every {EVERY} "
    "--evaluate.referee.optim.steps 2 "
    "--validation.every 7 --validation.keep best --validation.num-tiles 16 --validation.num-rows 1"
).split()


def start(out, *words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "disc", "run", "smoke", "--out", str(out), *words]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )


@pytest.mark.slow
def test_killed_twenty_times_it_ends_in_the_same_bytes(tmp_path):
    """A run that ends before it is killed is followed by another, until that many are killed."""
    began = time.monotonic()
    assert start(tmp_path / "straight").wait() == 0
    whole = time.monotonic() - began
    moments, kills, places = random.Random(2404), 0, [tmp_path / "killed"]
    while kills < KILLS:
        process = start(places[-1])
        if is_killed(process, 6 + moments.uniform(0, whole / 6)):
            kills += 1
        else:
            assert process.returncode == 0
            places.append(tmp_path / f"killed-{len(places)}")
    for place in places:
        assert start(place).wait() == 0
        compare(tmp_path / "straight" / "smoke", place / "smoke")


def is_killed(process, seconds):
    """Kill a process after so long; whether it had not ended by itself."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def compare(straight, killed):
    for name in WEIGHTS:
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name
    for name in TABLES:
        one, other = (pd.read_parquet(run / f"{name}.parquet") for run in (straight, killed))
        pd.testing.assert_frame_equal(one, other)


def kill_in_training(folder, process, later):
    """Kill some time after a checkpoint, in units of the time from that to the next.

    The unit is taken on the spot: how fast a machine is may change from one kill to the next.
    """
    path, seen = folder / "checkpoint.safetensors", [time.time_ns()]
    while process.poll() is None and len(seen) < 3:
        if path.exists() and path.stat().st_mtime_ns > seen[-1]:
            seen.append(path.stat().st_mtime_ns)
        time.sleep(0.005)
    time.sleep(later * (seen[-1] - seen[-2]) / 1e9)
    assert process.poll() is None, "it ended before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def validations_of(folder):
    """What was measured at every validation, without how long it took."""
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line | {"seconds": 0} for line in lines if "validation" in line]


@pytest.mark.slow
def test_killed_at_twenty_moments_of_training_it_ends_in_the_same_bytes(tmp_path):
    """With workers that decode ahead, and the best of the averaged weights kept."""
    straight, killed = tmp_path / "straight" / "smoke", tmp_path / "killed" / "smoke"
    moments = random.Random(404)
    for stage in TRAININGS:
        words = [*SHORT, "--until", stage]
        assert start(tmp_path / "straight", *words).wait() == 0
        for _ in range(KILLS // len(TRAININGS)):
            process = start(tmp_path / "killed", *words)
            kill_in_training(killed / stage, process, moments.uniform(0, 2))
            assert not (killed / stage / "done.json").exists()
        assert start(tmp_path / "killed", *words).wait() == 0
    models = ["autoencoder/diffusion_pytorch_model", "denoiser/sd/unet/diffusion_pytorch_model"]
    for name in [*models, "denoiser/sd/condition"]:
        one, other = (run / f"{name}.safetensors" for run in (straight, killed))
        assert one.read_bytes() == other.read_bytes(), name
    seen = [(run / "denoiser/sd/validation.json").read_text() for run in (straight, killed)]
    assert seen[0] == seen[1]
    found = [validations_of(run / "denoiser/sd") for run in (straight, killed)]
    assert found[0] == found[1]
    assert len(found[0]) == STEPS // 7 + 1
    assert not list(killed.rglob("*.tmp"))
