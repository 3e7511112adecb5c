"""The stage that measures mask agreement of every variant, and draws a sheet of tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy

from disc.evaluate.agreement import measure_tiles
from disc.evaluate.referee import read_tiles
from disc.files import write_bytes, write_json, write_parquet
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import choose_tiles, draw_targets, join_real_tiles
from disc.pipeline.quality import measure_quality
from disc.pipeline.stages.referee import load_referee, pixel_accuracy
from disc.sample.plans import plan_of
from disc.sample.sampler import rebuild
from disc.sample.solver import name_solver, standard_deviation
from disc.sample.synthesis import collect_shapes
from disc.seeds import derive

Masks = npt.NDArray[np.uint8]


SHEET_ROWS = 8


def measure_agreement(context: Context, folder: Path) -> str:
    """Measure how well every variant follows the target masks, beside its ceilings."""
    run, known = context.run, context.latents.known()
    book = collect_shapes(context.split.test)
    targets, sources = draw_targets(book, known, run.evaluate, run.seed, run.data.tile_px)
    seeds = [derive(run.seed, "asked", i) for i in range(len(targets))]
    sampler = context.sampler(*run.variants)
    referee = load_referee(context)
    tables, standard_deviations, generated = _ceilings(context, referee), {}, {}
    names = [f"asked {i}" for i in range(len(targets))]
    for variant in run.variants:
        latents = sampler.draw_latents(variant, targets, seeds)
        standard_deviations[variant] = standard_deviation(latents)
        generated[variant] = sampler.decode(latents)
        read = read_tiles(referee, generated[variant])
        tables.append(_rows(variant, context, names, sources, measure_tiles(targets, read)))
    joined, collages = join_real_tiles(context.judged, targets, run.seed)
    if joined:
        read = read_tiles(referee, rebuild(context.autoencoder, collages))
        values = measure_tiles(targets[joined], read)
        chosen, drawn = [names[i] for i in joined], [sources[i] for i in joined]
        tables.append(_rows("collage", context, chosen, drawn, values))
    table = pd.concat(tables, ignore_index=True)
    right = pixel_accuracy(context, referee)
    quality = measure_quality(context, referee, generated, targets, sources)
    write_parquet(
        folder / "quality.parquet",
        quality.assign(standard_deviation=quality["variant"].map(standard_deviations)),
    )
    write_json(folder / "spreads.json", standard_deviations)
    write_json(folder / "referee.json", right)
    _write_sheet(context, folder)
    write_parquet(context.folder / "agreement.parquet", table)
    return (
        f"{len(targets)} masks, {len(run.variants)} variants; the referee reads "
        f"{right['real']:.2f} of real pixels right, {right['reconstruction']:.2f} through the "
        "autoencoder"
    )


def _rows(
    variant: str, context: Context, names: list[str], sources: list[str], values: Any
) -> pd.DataFrame:
    facts = {
        "variant": variant,
        "plan": str(plan_of(variant, context.run.sample.plan)),
        "solver": name_solver(context.run.solver_of(variant)),
        "seed": context.run.seed,
        "tile": names,
        "source_slide": sources,
    }
    return pd.DataFrame({**facts, **values})


def _ceilings(context: Context, referee: Any) -> list[pd.DataFrame]:
    """Real tiles, as they are and through the autoencoder, read against their own masks."""
    tiles, settings = context.judged, context.run.evaluate
    chosen = choose_tiles(tiles, settings.num_uniform, settings.num_mixed, context.run.seed)
    images = np.stack([tiles.image(i) for i in chosen])
    masks = np.stack([tiles.mask(i) for i in chosen])
    names = [tiles.tiles[i].name for i in chosen]
    slides = [tiles.tiles[i].slide_id for i in chosen]
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    return [
        _rows(name, context, names, slides, measure_tiles(masks, read_tiles(referee, view)))
        for name, view in views.items()
    ]


def _write_sheet(context: Context, folder: Path) -> None:
    """Multi-class test tiles, and what each variant generates from their annotation."""
    tiles, known = context.split.test, context.latents.known()
    chosen = choose_tiles(tiles, 0, SHEET_ROWS, context.run.seed)
    chosen = [i for i in chosen if set(np.unique(tiles.mask(i))) <= set(known)]
    if not chosen:
        return
    masks = np.stack([tiles.mask(i) for i in chosen])
    images = np.stack([tiles.image(i) for i in chosen])
    seeds = [derive(context.run.seed, "sheet", i) for i in range(len(chosen))]
    variants = context.run.variants
    sampler = context.sampler(*variants)
    arrays = {"mask": masks, "real": images, "reconstruction": rebuild(context.autoencoder, images)}
    arrays |= {variant: sampler.generate(variant, masks, seeds) for variant in variants}
    write_bytes(folder / "sheet.safetensors", safetensors.numpy.save(arrays))
