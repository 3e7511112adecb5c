"""Batches read one step ahead, while the network is trained on the one before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from disc.train.loop import Batch


class Prefetcher:
    """Batches of a function of the step, the next of which a thread prepares; values unchanged."""

    def __init__(self, batch_at: Callable[[int], Batch]) -> None:
        """Start the thread.

        Args:
            batch_at: the batch of a step, a pure function.
        """
        self._batch_at = batch_at
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Batch]] | None = None

    def __call__(self, step: int) -> Batch:
        """The batch of a step; cheapest one step after the other."""
        if self._next is None or self._next[0] != step:
            self._next = (step, self._thread.submit(self._batch_at, step))
        batch = self._next[1].result()
        self._next = (step + 1, self._thread.submit(self._batch_at, step + 1))
        return batch
