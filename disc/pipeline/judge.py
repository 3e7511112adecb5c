"""The stage that judges the generator: mask agreement of every variant, and a sheet of tiles."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy
import torch

from disc import settings
from disc.evaluate.agreement import RECALLS, recalls
from disc.evaluate.referee import read_tiles
from disc.files import write_bytes, write_json
from disc.pipeline.asked import choose_tiles, draw_asked, join_real_tiles
from disc.pipeline.context import Context
from disc.pipeline.referee import load_referee, share_right
from disc.sample.bank import Bank
from disc.sample.painter import rebuild
from disc.sample.separated import fuse
from disc.sample.solver import name_solver, spread
from disc.sample.synthesis import collect_shapes
from disc.seeds import derive

Masks = npt.NDArray[np.uint8]
SHEET_ROWS = 8
BANK_SAMPLE = 96
"""Bundles of a bank that the referee reads."""


def measure_bank(context: Context, bank: Bank) -> dict[str, float]:
    """Spread of a bank, and what the referee reads in it, before anything is distilled from it.

    Returns:
        bundles, spread, and the mean agreement of uniform ("one label") and of fused latents.
    """
    labels, num = list(bank.labels), min(len(bank.seeds), BANK_SAMPLE)
    knobs = replace(context.run.evaluate, num_uniform=0, num_mixed=num)
    seed, tile_px = context.run.seed, context.run.data.tile_px
    painter, referee = context.painter(), load_referee(context)

    def agree(latents: torch.Tensor, masks: Masks) -> float:
        if not len(masks):
            return float("nan")
        values = recalls(masks, read_tiles(referee, painter.decode(latents)))
        return float(np.nanmean(values, axis=1).mean())

    uniform = np.stack(
        [np.full((tile_px, tile_px), labels[i % len(labels)], np.uint8) for i in range(num)]
    )
    fused, _ = draw_asked(context.book, labels, knobs, seed, tile_px)
    chosen = bank.latents[:num]
    return {
        "bundles": len(bank.seeds),
        "spread": spread(bank.latents[:, labels]),
        "one label": agree(fuse(chosen, torch.from_numpy(uniform)), uniform),
        "several labels": agree(fuse(chosen[: len(fused)], torch.from_numpy(fused)), fused),
    }


def _agreement(context: Context, folder: Path) -> str:
    run, known = context.run, context.latents.known()
    book = collect_shapes(context.split.test)
    asked, sources = draw_asked(book, known, run.evaluate, run.seed, run.data.tile_px)
    seeds = [derive(run.seed, "asked", i) for i in range(len(asked))]
    painter = context.painter(*settings.VARIANTS)
    referee = load_referee(context)
    tables, spreads = _ceilings(context, referee), {}
    names = [f"asked {i}" for i in range(len(asked))]
    for variant in settings.VARIANTS:
        latents = painter.draw_latents(variant, asked, seeds)
        spreads[variant] = spread(latents)
        read = read_tiles(referee, painter.decode(latents))
        tables.append(_rows(variant, context, names, sources, recalls(asked, read)))
    joined, collages = join_real_tiles(context.judged, asked, run.seed)
    if joined:
        read = read_tiles(referee, rebuild(context.autoencoder, collages))
        values = recalls(asked[joined], read)
        chosen, drawn = [names[i] for i in joined], [sources[i] for i in joined]
        tables.append(_rows("collage", context, chosen, drawn, values))
    table = pd.concat(tables, ignore_index=True)
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    right = share_right(context, referee)
    write_json(folder / "spreads.json", spreads)
    write_json(folder / "referee.json", right)
    _write_sheet(context, folder)
    write_bytes(context.folder / "agreement.parquet", buffer.getvalue())
    return (
        f"{len(asked)} masks, {len(settings.VARIANTS)} variants; the referee reads "
        f"{right['real']:.2f} of real pixels right, {right['reconstruction']:.2f} through the "
        "autoencoder"
    )


def _rows(
    variant: str, context: Context, names: list[str], sources: list[str], values: Any
) -> pd.DataFrame:
    facts = {
        "variant": variant,
        "plan": "end" if variant == "sd-sc" else "plain",
        "solver": name_solver(context.run.sample.solver),
        "seed": context.run.seed,
        "tile": names,
        "source_slide": sources,
    }
    return pd.DataFrame({**facts, **dict(zip(RECALLS, values.T, strict=True))})


def _ceilings(context: Context, referee: Any) -> list[pd.DataFrame]:
    """Real tiles, as they are and through the autoencoder, read against their own masks."""
    tiles, knobs = context.judged, context.run.evaluate
    chosen = choose_tiles(tiles, knobs.num_uniform, knobs.num_mixed, context.run.seed)
    images = np.stack([tiles.image(i) for i in chosen])
    masks = np.stack([tiles.mask(i) for i in chosen])
    names = [tiles.tiles[i].name for i in chosen]
    slides = [tiles.tiles[i].slide_id for i in chosen]
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    return [
        _rows(name, context, names, slides, recalls(masks, read_tiles(referee, view)))
        for name, view in views.items()
    ]


def _write_sheet(context: Context, folder: Path) -> None:
    """Several-label test tiles, and what each variant makes of their annotation."""
    tiles, known = context.split.test, context.latents.known()
    chosen = choose_tiles(tiles, 0, SHEET_ROWS, context.run.seed)
    chosen = [i for i in chosen if set(np.unique(tiles.mask(i))) <= set(known)]
    if not chosen:
        return
    masks = np.stack([tiles.mask(i) for i in chosen])
    images = np.stack([tiles.image(i) for i in chosen])
    seeds = [derive(context.run.seed, "sheet", i) for i in range(len(chosen))]
    painter = context.painter(*settings.VARIANTS)
    arrays = {"mask": masks, "real": images, "reconstruction": rebuild(context.autoencoder, images)}
    arrays |= {variant: painter.paint(variant, masks, seeds) for variant in settings.VARIANTS}
    write_bytes(folder / "sheet.safetensors", safetensors.numpy.save(arrays))
