"""A training on a disk that fills up: to be run on a disk of 300 kB, by test_full_disk.py."""

import sys
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from disc import cli
from disc.settings.training import Optim
from disc.train.checkpoint import NAME
from disc.train.loop import train


def train_on(folder, steps):
    """A network whose checkpoint takes 100 kB."""
    torch.manual_seed(0)
    train(
        model=nn.Linear(8192, 1),
        step=lambda state, batch, generator: {"loss": state.model(batch["x"]).square().mean()},
        batch_at=lambda step: {"x": torch.ones(2, 8192)},
        optim=Optim(steps=steps, batch=2, checkpoint_every=5),
        folder=folder,
        seed=0,
    )


def main(disk):
    """Fill the disk after the first checkpoint, train on by the command, make room, train on."""
    train_on(disk / "run", 5)
    kept = (disk / "run" / NAME).read_bytes()
    (disk / "others").write_bytes(bytes(150_000))
    with mock.patch("disc.pipeline.run.execute", lambda config: train_on(disk / "run", 10)):
        code = cli.main(["run", "smoke"])
    assert (disk / "run" / NAME).read_bytes() == kept
    (disk / "others").unlink()
    train_on(disk / "run", 10)
    assert (disk / "run" / NAME).read_bytes() != kept
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
