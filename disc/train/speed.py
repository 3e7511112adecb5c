"""How a network runs while it trains: precision, layout, compilation, recomputed activations."""

from __future__ import annotations

from typing import Any

import torch
import torch._inductor.config
from accelerate.utils import convert_to_fp32
from torch import nn

from disc.files import BadInput
from disc.settings.training import Optim


class Runner(nn.Module):
    """A network as training steps call it; its weights stay the network's own.

    Matrix products are computed in the precision of the settings and returned in float32, so that
    losses are computed in it. Compilation is for one batch shape: another one compiles again.
    """

    def __init__(self, network: nn.Module, *, is_cast: bool, is_compiled: bool) -> None:
        """Wrap a network that is on its device."""
        super().__init__()
        self.network = network
        self._is_cast = is_cast
        # a bound method, so that the compiled network is not registered as a second child
        self._call: Any = network.__call__
        if is_compiled:
            self._call = torch.compile(network.forward, dynamic=False)

    def forward(self, *inputs: Any) -> Any:
        """The network's output, in float32."""
        device = next(self.network.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._is_cast):
            outputs = self._call(*inputs)
        return convert_to_fp32(outputs)


def set_up(network: nn.Module, optim: Optim) -> nn.Module:
    """Prepare a network that is on its device for training; returns what steps should call.

    Raises:
        BadInput: if activation checkpointing is asked for and the network has none.
    """
    if optim.speed.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    recompute_activations(network, optim.speed.checkpoint_activations)
    is_cast = optim.precision == "bfloat16"
    is_compiled = optim.speed.compile and next(network.parameters()).device.type != "cpu"
    if is_compiled:
        # kernels chosen by timing could differ after a resume, and so the weights
        torch._inductor.config.deterministic = True
    if not (is_cast or is_compiled):
        return network
    return Runner(network, is_cast=is_cast, is_compiled=is_compiled)


def restore_layout(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Give the optimiser's moments, as read from a file, the memory format of their weights."""
    for parameter in network.parameters():
        for slot, value in optimizer.state[parameter].items():
            if value.shape == parameter.shape:
                optimizer.state[parameter][slot] = torch.empty_like(parameter).copy_(value)


def clean_up(network: nn.Module) -> None:
    """Undo `set_up` on a trained network."""
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    recompute_activations(network, False)


def recompute_activations(network: nn.Module, is_wanted: bool) -> None:
    """Switch activation checkpointing of a network on or off.

    Raises:
        BadInput: if it is wanted and no part of the network supports it.
    """
    parts = [m for m in network.modules() if getattr(m, "_supports_gradient_checkpointing", False)]
    if is_wanted and not parts:
        name = type(network).__name__.strip("_")
        raise BadInput(
            f"speed.checkpoint_activations: {name} does not support it; denoisers and Carcino-Nets "
            "do"
        )
    for part in parts:
        switch = "enable" if is_wanted else "disable"
        getattr(part, f"{switch}_gradient_checkpointing")()
