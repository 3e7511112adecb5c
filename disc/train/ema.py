"""Exponential moving average (EMA) of weights."""

from __future__ import annotations

import torch
from torch import nn


class Ema:
    """Exponential moving average of a network's parameters; buffers are copied.

    The decay warms up as (1 + n) / (10 + n), as in latent diffusion.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start the average at the network's present weights."""
        self.decay = decay
        self.weights = {key: value.detach().clone() for key, value in network.state_dict().items()}

    def restart(self, network: nn.Module, name: str) -> None:
        """Start the average of one parameter anew at its present value."""
        self.weights[name].copy_(network.state_dict()[name])

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network after its optimisation step number `step` (from 0)."""
        # average <- d average + (1 - d) parameter, d = min(decay, (1 + n) / (10 + n)); any shape
        weight = 1.0 - min(self.decay, (1 + step) / (10 + step))
        parameters = dict(network.named_parameters())
        averages = [self.weights[name] for name in parameters]
        torch._foreach_lerp_(averages, list(parameters.values()), weight)
        for name, value in network.named_buffers():
            if name in self.weights:
                self.weights[name].copy_(value)
