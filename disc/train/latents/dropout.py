"""Condition dropout: some tiles of a batch lose their mask, which guidance needs."""

from __future__ import annotations

import torch

from disc.labels import IGNORE
from disc.seeds import torch_generator
from disc.train.diagnose import Batch, NamedBatches


def hide_masks(batch_at: NamedBatches, share: float, *, seed: int, purpose: str) -> NamedBatches:
    """The same batches, with the mask of a random share of the tiles unknown everywhere.

    The labels of their slides are hidden too, so that nothing is left of the condition.

    Differs from paper: it hides none (share = 0).
    """
    if share == 0:
        return batch_at

    def hidden_at(step: int) -> Batch:
        batch = dict(batch_at(step))
        generator = torch_generator(seed, purpose, "hidden", step)
        is_hidden = torch.rand(len(batch["masks"]), generator=generator) < share
        batch["masks"] = batch["masks"].masked_fill(is_hidden[:, None, None], IGNORE)
        batch["slides"] = batch["slides"].masked_fill(is_hidden[:, None], 0)
        return batch

    return NamedBatches(hidden_at, batch_at.names_at)
