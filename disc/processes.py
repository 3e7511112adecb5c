"""Which of several processes this is: one machine or many, started by torchrun or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PATIENCE = timedelta(hours=12)
"""How long processes wait for work that only the first one does."""


@dataclass(frozen=True)
class Share:
    """Which part of the work is this process's."""

    rank: int = 0
    count: int = 1

    def take(self, tensor: torch.Tensor) -> torch.Tensor:
        """This process's part of a tensor whose first axis is the whole batch."""
        size = len(tensor) // self.count
        return tensor[self.rank * size : (self.rank + 1) * size]

    def has(self, number: int) -> bool:
        """Whether piece `number` of a list of pieces is this process's."""
        return number % self.count == self.rank

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0


def own_share() -> Share:
    """This process's share; Accelerate finds out about the others."""
    state = _state()
    return Share(state.process_index, state.num_processes)


def own_device() -> torch.device:
    """The device of this process."""
    device: torch.device = _state().device
    return device


def wait_for_all() -> None:
    """Go on when every process has come here."""
    _state().wait_for_everyone()


def accelerate_on_cpu() -> bool:
    """Whether to tell Accelerate to stay on the CPU; it then finds torchrun's other processes."""
    import torch

    return not torch.cuda.is_available()


def _state() -> Any:
    from accelerate import PartialState

    if PartialState._shared_state:
        return PartialState()
    return PartialState(cpu=accelerate_on_cpu(), timeout=PATIENCE)
