"""A disk that is full when a checkpoint is due leaves the last one whole, and training resumes."""

import builtins
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from disc.settings.training import Optim
from disc.train.checkpoint import NAME
from disc.train.loop import train

ROOT = Path(__file__).parents[2]


def step(state, batch, generator):
    return {"loss": (state.model(batch["x"]) - 1).square().mean()}


def run(folder, steps=10):
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    train(
        model=net,
        step=step,
        batch_at=lambda step: {"x": torch.full((2, 4), float(step))},
        optim=Optim(steps=steps, batch=2, lr=0.1, ema=0.9, checkpoint_every=5),
        folder=folder,
        seed=0,
    )
    return net.state_dict()


class FullFile:
    """A file that takes some bytes, then none."""

    def __init__(self, file, point):
        self.file, self.point = file, point

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def fileno(self):
        return self.file.fileno()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        if self.point == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def fill_disk(patch, point):
    """From now on a checkpoint cannot be written: fail at one point of its writing."""
    real_open = builtins.open

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(path, *arguments, **more):
        if NAME not in str(path):
            return real_open(path, *arguments, **more)
        if point == "open":
            full()
        return FullFile(real_open(path, *arguments, **more), point)

    if point in ("fsync", "replace"):
        patch.setattr(os, point, full)
    else:
        patch.setattr(builtins, "open", open_full)


@pytest.mark.parametrize("point", ["open", "write", "flush", "fsync", "replace"])
def test_the_last_checkpoint_stays_whole(tmp_path, monkeypatch, point):
    straight = run(tmp_path / "straight")
    run(tmp_path / "full", steps=5)
    before = (tmp_path / "full" / NAME).read_bytes()
    with monkeypatch.context() as patch:
        fill_disk(patch, point)
        with pytest.raises(OSError, match=r"cannot write .* bytes .*; free space there; the same"):
            run(tmp_path / "full")
    assert (tmp_path / "full" / NAME).read_bytes() == before
    assert sorted(os.listdir(tmp_path / "full")) == [NAME, "log.jsonl"]
    resumed = run(tmp_path / "full")
    for name, value in straight.items():
        assert torch.equal(value, resumed[name])


def test_a_full_disk_at_the_log_is_one_clear_error(tmp_path, monkeypatch):
    straight = run(tmp_path / "straight")
    monkeypatch.setattr("disc.train.log.EVERY", 2)
    full = FullFile(open(os.devnull, "w"), "write")  # noqa: SIM115
    real_open = builtins.open
    with monkeypatch.context() as patch:
        patch.setattr(
            builtins,
            "open",
            lambda path, *a, **k: full if str(path).endswith("jsonl") else real_open(path, *a, **k),
        )
        with pytest.raises(OSError, match=r"free space there.*log\.jsonl"):
            run(tmp_path / "full")
    resumed = run(tmp_path / "full")
    for name, value in straight.items():
        assert torch.equal(value, resumed[name])


def test_half_written_checkpoints_of_killed_processes_are_removed(tmp_path):
    run(tmp_path, steps=5)
    (tmp_path / f".{NAME}.4242.tmp").write_bytes(b"half")
    run(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [NAME, "log.jsonl"]


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path):
    """A small one, mounted in a name space of its own, where the kernel permits it."""
    apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=300k tmpfs '{tmp_path}'"
    if shutil.which("unshare") is None or subprocess.run([*apart, mount], check=False).returncode:
        pytest.skip("no disk of its own may be mounted here")
    train_there = f"{sys.executable} -m tests.train.full_disk '{tmp_path}'"
    command = [*apart, f"{mount} && {train_there}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot write" in done.stderr
    assert "No space left on device" in done.stderr
    assert "free space there; the same command then resumes" in done.stderr
