"""Which samples of a step make its loss non-finite; costs nothing until a loss is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from disc.processes import Share
from disc.seeds import torch_generator
from disc.train.checkpoint import State

Batch = Mapping[str, torch.Tensor]
Step = Callable[[State, Batch, torch.Generator], Mapping[str, torch.Tensor]]
MAX_NAMES = 5


@dataclass(frozen=True)
class NamedBatches:
    """Batches by step, and what their samples are called.

    Attributes:
        batch_at: the batch of a step, a pure function.
        names_at: the names of its samples, in their order.
        part_at: some rows of the batch of a step, where that takes less to read than all; None:
            they are taken from the whole.
    """

    batch_at: Callable[[int], Batch]
    names_at: Callable[[int], Sequence[str]]
    part_at: Callable[[int, range], Batch] | None = None

    @classmethod
    def by_rows(
        cls,
        part_at: Callable[[int, range], Batch],
        size: int,
        names_at: Callable[[int], Sequence[str]],
    ) -> NamedBatches:
        """Batches of `size` samples, of which only the rows that are asked for are read."""
        return cls(lambda step: part_at(step, range(size)), names_at, part_at)

    def rows(self, step: int, rows: range) -> Batch:
        """Some rows of the batch of a step."""
        if self.part_at is not None:
            return self.part_at(step, rows)
        return {key: value[rows.start : rows.stop] for key, value in self.batch_at(step).items()}

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        return self.batch_at(step)


def part_of(batch_at: Callable[[int], Batch], step: int, share: Share, size: int) -> Batch:
    """A process's part of the batch of a step, of `size` samples over all processes."""
    if isinstance(batch_at, NamedBatches):
        return batch_at.rows(step, share.cut(size))
    return {key: share.take(value) for key, value in batch_at(step).items()}


def diagnose(state: State, step: Step, batch_at: Callable[[int], Batch], loss: float) -> str:
    """One line on a loss that is not finite: the samples that cause it, and what to do.

    Args:
        state: as it was before the step.
        step: the step function that gave the loss.
        batch_at: the whole batch of a step; if it is `NamedBatches`, samples have names.
        loss: the loss, NaN or infinite.
    """
    batch, start = batch_at(state.step), f"loss is {loss} at step {state.step}"
    size = len(next(iter(batch.values())))
    with_such_values = _not_finite(batch)
    bad = with_such_values or [i for i in range(size) if not _is_fine_alone(state, step, batch, i)]
    if with_such_values or 0 < len(bad) < size:
        named = ", ".join(_name(batch_at, state.step, i) for i in bad[:MAX_NAMES])
        more = f" and {len(bad) - MAX_NAMES} more" if len(bad) > MAX_NAMES else ""
        return (
            f"{start}, from {named}{more}; stopped before it changed a weight. The checkpoint "
            "before is whole: look at that data, and replace or leave out what is damaged"
        )
    which = "each sample of it alone gives that too" if bad else "no sample of it alone gives that"
    return (
        f"{start} ({which}: the training diverged); stopped. The checkpoint before is whole: "
        "lower the learning rate"
    )


def _not_finite(batch: Batch) -> list[int]:
    """Indices of the samples that hold a value that is not finite."""
    floats = [value for value in batch.values() if value.is_floating_point()]
    found = [~torch.isfinite(value.reshape(len(value), -1)).all(1) for value in floats]
    return torch.stack(found).any(0).nonzero().flatten().tolist() if found else []


def _is_fine_alone(state: State, step: Step, batch: Batch, index: int) -> bool:
    # the same sample twice: batch normalisation needs more than one
    device = next(state.network.parameters()).device
    twice = {key: value[[index, index]].to(device) for key, value in batch.items()}
    alone = replace(state, model=state.network, share=Share())
    with torch.no_grad():
        loss = step(alone, twice, torch_generator(0, "fault", index))["loss"]
    return bool(torch.isfinite(loss))


def _name(batch_at: Callable[[int], Batch], step: int, index: int) -> str:
    if isinstance(batch_at, NamedBatches):
        return batch_at.names_at(step)[index]
    return f"sample {index}"
