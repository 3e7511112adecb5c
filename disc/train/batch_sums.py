"""Sums over a whole batch, of which processes and accumulated pieces each hold a part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from disc.processes import Share


class BatchSums:
    """Sums for a loss that is a ratio of sums over a batch, and no mean over samples.

    Pieces of gradient accumulation are not there at the same time: their sums are measured first,
    without gradients, and then stand in for the other pieces.
    """

    def __init__(self, share: Share, num_pieces: int) -> None:
        """Sums over the processes of a share, and so many pieces of each."""
        self._num_processes, self._num_pieces = share.count, num_pieces
        self._totals: list[Tensor] = []
        self._is_measured, self._next = False, 0

    def begin_piece(self) -> None:
        """What is summed from here on is another piece's, in the same order."""
        self._next = 0

    def finish_measuring(self) -> None:
        """All pieces were seen once; from here on sums are those of the whole batch."""
        self._totals = [self._over_processes(total) for total in self._totals]
        self._is_measured = True

    def __call__(self, part: Tensor) -> Tensor:
        """The sum of all parts, with this one's gradient; the part while sums are measured.

        A piece's gradient counts as often as there are pieces and processes, since what trains
        divides by both.
        """
        if self._num_processes * self._num_pieces == 1:
            return part
        if self._num_pieces == 1:
            return self._with_gradient(self._over_processes(part.detach().clone()), part)
        number, self._next = self._next, self._next + 1
        if self._is_measured:
            return self._with_gradient(self._totals[number], part)
        if number == len(self._totals):
            self._totals.append(torch.zeros_like(part))
        self._totals[number] += part.detach()
        return part

    def _over_processes(self, total: Tensor) -> Tensor:
        if self._num_processes > 1:
            distributed.all_reduce(total)
        return total

    def _with_gradient(self, total: Tensor, part: Tensor) -> Tensor:
        # the difference is 0, and has the part's gradient
        return total + self._num_processes * self._num_pieces * (part - part.detach())


@dataclass(frozen=True)
class WithSums:
    """A step whose loss has its sums over the batch from `state.sum_all`.

    Pieces of gradient accumulation are computed once more for it, without gradients.
    """

    step: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        """What the step gives."""
        return self.step(*arguments)
