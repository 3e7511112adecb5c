"""Looks at a network while it is trained: what is seen is logged, and the best weights are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from disc.settings.training import Validation as ValidationSettings
from disc.train.checkpoint import Best, State
from disc.train.log import Log

TrainedOn = Mapping[str, float | npt.NDArray[np.uint8]]
"""Numbers, and pictures uint8 [H, W, 3], by name."""
Hook = Callable[[nn.Module, int], TrainedOn]
"""From the averaged network, in evaluation mode, and the step to what was seen."""
VALIDATION = "validation"
"""The number by which weights are best: the lowest."""


@dataclass(frozen=True)
class Hooks:
    """What is looked at during one training, and when.

    A look is a function of (weights, step) and leaves the training's randomness alone: with and
    without looks it takes the same steps. Only the first process looks.
    """

    settings: ValidationSettings = field(default_factory=ValidationSettings)
    hooks: Sequence[Hook] = ()

    @property
    def keeps_best(self) -> bool:
        """Whether the training ends with its best weights, not with its last."""
        return self.settings.keep == "best"

    def run(self, state: State, log: Log, *, is_last: bool) -> None:
        """Look where it is time, write what was seen to the log, keep weights that are better."""
        every = self.settings.every
        if not self.hooks or not (is_last or (every and state.step % every == 0)):
            return
        start, seen = time.perf_counter(), dict[str, float | npt.NDArray[np.uint8]]()
        network = state.averaged()
        with torch.random.fork_rng(), torch.no_grad():
            for hook in self.hooks:
                seen |= hook(network, state.step)
        loss = float(seen.get(VALIDATION, math.nan))
        is_better = state.best is None or loss < state.best.loss
        if self.keeps_best and math.isfinite(loss) and is_better:
            weights = {key: value.cpu() for key, value in network.state_dict().items()}
            state.best = Best(state.step, loss, weights)
        log.note(seen, time.perf_counter() - start)
