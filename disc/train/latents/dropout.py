"""Condition dropout: a fraction of tiles gets the null condition, which guidance needs."""

from __future__ import annotations

import torch

from disc.labels import IGNORE
from disc.seeds import torch_generator
from disc.train.diagnose import Batch, NamedBatches


def drop_masks(batch_at: NamedBatches, fraction: float, *, seed: int, purpose: str) -> NamedBatches:
    """The same batches, with the null condition for a random fraction of the tiles.

    The null condition is a mask that is unknown everywhere (255), and a slide without labels (0).

    Differs from paper: it drops none (fraction = 0).
    """
    if fraction == 0:
        return batch_at

    def dropped_at(step: int, rows: range) -> Batch:
        batch = dict(batch_at.rows(step, rows))
        generator = torch_generator(seed, purpose, "hidden", step)
        # Of every row up to the last, so that a tile's does not depend on who reads it.
        is_dropped = torch.rand(rows.stop, generator=generator)[rows.start :] < fraction
        batch["masks"] = batch["masks"].masked_fill(is_dropped[:, None, None], IGNORE)
        batch["slides"] = batch["slides"].masked_fill(is_dropped[:, None], 0)
        return batch

    def whole_at(step: int) -> Batch:
        return dropped_at(step, range(len(batch_at.names_at(step))))

    return NamedBatches(whole_at, batch_at.names_at, dropped_at)
