"""Batches for self-distillation from separated conditions: DISC, and DISC-CoTrain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from disc.masks.recipes import draw_tile
from disc.masks.shapes import count_regions, label_shape
from disc.sample.bank import Bank
from disc.sample.separated import fuse
from disc.seeds import numpy_generator
from disc.train.diagnose import NamedBatches
from disc.train.draws import epoch_indices
from disc.train.latents.latent_set import unknown_slides
from disc.train.loop import Batch

Shapes = Sequence[npt.NDArray[np.uint8]]


def distil_batches(
    bank: Bank, shapes: Shapes, *, batch: int, seed: int, purpose: str
) -> NamedBatches:
    """Bundles fused under new masks at every step.

    A mask is a random shape map whose regions get distinct labels, all equally likely.

    Paper: Eq. (3), Sec. 2.3.
    """
    regions, weights = [count_regions(shape) for shape in shapes], even_weights(bank)
    bundles_at = deal_bundles(bank, batch=batch, seed=seed, purpose=purpose)

    def part_at(step: int, rows: range) -> Batch:
        rng = numpy_generator(seed, purpose, "masks", step)
        drawn = [draw_tile(regions, weights, rng) for _ in range(rows.stop)][rows.start :]
        masks = np.stack([label_shape(shapes[tile.shape], tile.labels) for tile in drawn])
        target_masks = torch.from_numpy(masks)
        # Eq. (2): z_0^mixed = sum_k [m = k] z_0^k; z_0^k [B, K, 3, h, w], m [B, H, W]
        fused = fuse(bank.take(bundles_at(step)[rows.start : rows.stop]), target_masks)
        return {"latents": fused, "masks": target_masks, "slides": unknown_slides(len(rows))}

    return NamedBatches.by_rows(part_at, batch, lambda step: name_bundles(bundles_at(step)))


def even_weights(bank: Bank) -> npt.NDArray[np.float64]:
    """Probability of each label [K]: all that the bank holds are equally likely."""
    weights = np.zeros(bank.num_labels)
    weights[list(bank.labels)] = 1 / len(bank.labels)
    return weights


def deal_bundles(
    bank: Bank, *, batch: int, seed: int, purpose: str
) -> Callable[[int], npt.NDArray[np.int64]]:
    """From a step to the bundles [batch] of its batch; each once an epoch, in a new order."""
    num = len(bank)
    return lambda step: epoch_indices(num, step=step, batch=batch, seed=seed, purpose=purpose)


def name_bundles(bundles: npt.NDArray[np.int64]) -> list[str]:
    """What an error calls some bundles."""
    return [f"bundle {i} of the bank" for i in bundles]


def cotrain_batches(real: NamedBatches, distilled: NamedBatches) -> NamedBatches:
    """Batches of real and distilled samples in equal parts.

    The mean over a batch [2B, ...] is then (L_real + L_distilled) / 2.

    Paper: Sec. 2.3 (SD-DISC-CoTrain averages both errors).
    """

    def names_at(step: int) -> list[str]:
        return [*real.names_at(step), *distilled.names_at(step)]

    def part_at(step: int, rows: range) -> Batch:
        num = len(real.names_at(step))
        halves = (
            (real, range(rows.start, min(rows.stop, num))),
            (
                distilled,
                range(max(0, rows.start - num), rows.stop - num),
            ),
        )
        parts = [half.rows(step, part) for half, part in halves if len(part)]
        keys = ("latents", "masks", "slides")
        return {key: torch.cat([part[key] for part in parts]) for key in keys}

    return NamedBatches(lambda step: part_at(step, range(len(names_at(step)))), names_at, part_at)
