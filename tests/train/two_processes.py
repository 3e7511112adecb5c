"""A training by several processes that keeps its best weights; started by test_hooks.py."""

import json
import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from disc.processes import own_share
from disc.settings.training import Optim
from disc.settings.training import Validation as ValidationSettings
from disc.train.hooks import Hooks
from disc.train.loop import train

LOSSES = {2: 0.9, 4: 0.2, 6: 0.5}


def main(folder):
    """Train, and write each process's weights and the steps at which it ran hooks."""
    torch.manual_seed(0)
    net, steps = nn.Linear(4, 1), []

    def validate(network, step):
        steps.append(step)
        return {"validation": LOSSES[step]}

    train(
        model=net,
        step=lambda state, batch, generator: {"loss": state.model(batch["x"]).square().mean()},
        batch_at=lambda step: {"x": torch.eye(4) + step},
        optim=Optim(steps=6, batch=4, lr=0.1, ema=0.5, checkpoint_every=4),
        folder=folder / "run",
        seed=0,
        hooks=Hooks(ValidationSettings(every=2, keep="best"), [validate]),
    )
    rank = own_share().rank
    safetensors.torch.save_file(net.state_dict(), folder / f"{rank}.safetensors")
    (folder / f"{rank}.json").write_text(json.dumps(steps))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
