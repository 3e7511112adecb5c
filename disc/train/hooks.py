"""Hooks that measure a network during training: results are logged, the best weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from disc.settings.training import Validation as ValidationSettings
from disc.train.checkpoint import Best, State
from disc.train.log import Log
from disc.train.tensorboard import Measurements

Hook = Callable[[nn.Module, int], Measurements]
"""From the averaged network (EMA), in evaluation mode, and the step to what it measures."""
VALIDATION = "validation"
"""Name of the number by which the best weights are chosen: the lowest."""


@dataclass(frozen=True)
class Hooks:
    """What is measured during one training, and when.

    A hook is a function of (weights, step) and leaves the training's random state alone: with and
    without hooks the training takes the same steps. Only the first process runs them.
    """

    settings: ValidationSettings = field(default_factory=ValidationSettings)
    hooks: Sequence[Hook] = ()

    @property
    def keeps_best(self) -> bool:
        """Whether the training ends with its best weights, not with its last."""
        return self.settings.keep == "best"

    def run(self, state: State, log: Log, *, is_last: bool) -> None:
        """Run the hooks if they are due, log what they measure, keep the best weights.

        Raises:
            FloatingPointError: if a validation loss is not finite.
        """
        every = self.settings.every
        if not self.hooks or not (is_last or (every and state.step % every == 0)):
            return
        start, measured = time.perf_counter(), dict[str, float | npt.NDArray[np.uint8]]()
        network = state.averaged()
        with torch.random.fork_rng(), torch.no_grad():
            for hook in self.hooks:
                measured |= hook(network, state.step)
        loss = float(measured.get(VALIDATION, math.inf))
        if VALIDATION in measured and not math.isfinite(loss):
            raise FloatingPointError(
                f"the validation loss is {loss} at step {state.step} of {log.path.parent}; the "
                "checkpoint before is whole: lower the learning rate"
            )
        is_better = state.best is None or loss < state.best.loss
        if self.keeps_best and VALIDATION in measured and is_better:
            weights = {key: value.cpu() for key, value in network.state_dict().items()}
            state.best = Best(state.step, loss, weights)
        log.add_measurements(measured, time.perf_counter() - start)
