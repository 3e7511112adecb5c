"""The stage that fills the bank of separated conditions, and what the referee reads in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from disc.evaluate.agreement import primary_measure
from disc.evaluate.referee import read_tiles
from disc.files import write_json
from disc.model.latent_shape import LATENT_FACTOR
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import Masks, draw_targets
from disc.pipeline.stages.referee import load_referee
from disc.processes import own_share
from disc.records.typed import Finite
from disc.sample.bank import Bank, fill_bank, read_bank
from disc.sample.separated import fuse

BANK_SAMPLE = 96
"""Bundles of a bank that the referee reads."""
QUALITY = "quality.json"


@dataclass(frozen=True, kw_only=True)
class BankQuality:
    """What the report tells of a bank."""

    bundles: int
    spread: Finite
    """Standard deviation of its latents."""


def make_bank(context: Context, folder: Path) -> str:
    """Fill the bank, and measure what the referee reads in it."""
    run = context.run
    fill_bank(
        context.denoiser("sd"),
        folder,
        run.sample,
        num=run.distil.num_bundles,
        labels=context.latents.known(),
        latent_px=run.data.tile_px // LATENT_FACTOR,
        seed=run.seed,
    )
    if not own_share().is_first:
        return ""
    quality = measure_bank(context, read_bank(folder))
    if not math.isfinite(quality["spread"]):
        raise FloatingPointError(f"{folder}: latents of the bank are not finite; train sd again")
    write_json(folder / QUALITY, quality)
    several = quality.get("several labels")
    return (
        f"{quality['bundles']} bundles; standard deviation {quality['spread']:.2f} (data: 1), "
        f"agreement {quality['one label']:.2f} single-class, "
        + (f"{several:.2f} multi-class" if several is not None else "no masks of several labels")
    )


def measure_bank(context: Context, bank: Bank) -> dict[str, float]:
    """Standard deviation and mask agreement of a bank, before anything is distilled from it.

    Returns:
        bundles, spread, and the mean agreement of uniform ("one label") and of fused latents
        ("several labels", left out where no training shape makes such a mask).
    """
    labels, num = list(bank.labels), min(len(bank), BANK_SAMPLE)
    settings = replace(context.run.evaluate, num_uniform=0, num_mixed=num)
    seed, tile_px = context.run.seed, context.run.data.tile_px
    sampler, referee = context.sampler(), load_referee(context)

    def agree(latents: torch.Tensor, masks: Masks) -> float:
        values = primary_measure(masks, read_tiles(referee, sampler.decode(latents)))
        return float(np.nanmean(values))

    uniform = np.stack(
        [np.full((tile_px, tile_px), labels[i % len(labels)], np.uint8) for i in range(num)]
    )
    fused, _ = draw_targets(context.book, labels, settings, seed, tile_px)
    chosen = bank.take(range(num))
    quality = {
        "bundles": len(bank),
        "spread": bank.standard_deviation(),
        "one label": agree(fuse(chosen, torch.from_numpy(uniform)), uniform),
    }
    if len(fused):
        latents = fuse(chosen[: len(fused)], torch.from_numpy(fused))
        quality["several labels"] = agree(latents, fused)
    return quality
