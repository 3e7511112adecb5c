"""The stage that measures mask agreement of every variant, and draws a sheet of tiles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
import torch

from disc.evaluate.agreement import (
    CHANCE,
    KINDS,
    MULTI_CLASS,
    SYNTHESIS,
    TEST,
    agreement_table,
    measure_tiles,
)
from disc.evaluate.referee import find_lost, find_unread, read_tiles
from disc.files import BadInput, write_bytes, write_json, write_parquet
from disc.grade.carcino import CarcinoNet
from disc.labels import IGNORE
from disc.pipeline.context import QUALITY, Context
from disc.pipeline.evaluation_masks import (
    choose_tiles,
    draw_synthesis_masks,
    draw_targets,
    join_real_tiles,
)
from disc.pipeline.galleries import Asked, Generated, measure_quality
from disc.pipeline.stages.referee import load_referee, pixel_accuracy
from disc.processes import gather, own_share
from disc.records.seal import seal
from disc.sample.plans import plan_of
from disc.sample.sampler import Sampler, rebuild
from disc.sample.solver import name_solver, standard_deviation
from disc.sample.synthesis import collect_shapes
from disc.seeds import derive, numpy_generator
from disc.settings.run import Run
from disc.settings.synthesis import Variant

SHEET_ROWS = 8
SHEET, SPREADS = "sheet.safetensors", "spreads.json"


def measure_agreement(context: Context, folder: Path) -> str:
    """Measure how well every variant follows the target masks, beside its ceilings.

    Processes share the tiles that are generated and read; the first measures them.
    """
    run, asked, referee = context.run, ask(context), load_referee(context)
    sampler = context.sampler(*run.variants)
    generated = {name: _generate(sampler, referee, name, asked) for name in run.variants}
    if not own_share().is_first:
        return ""
    tables = _ceilings(context, referee)
    for variant, made in generated.items():
        values = measure_tiles(asked.masks, made.reading)
        tables.append(_rows(variant, context, asked, values))
    tables += _collages(context, referee, asked)
    tables.append(_chance(context, asked, generated["sd"]))
    table, right = pd.concat(tables, ignore_index=True), pixel_accuracy(context, referee)
    quality = measure_quality(context, referee, generated, asked)
    write_parquet(folder / QUALITY, quality)
    spreads = {name: standard_deviation(part.latents) for name, part in generated.items()}
    if not all(map(math.isfinite, spreads.values())):
        raise FloatingPointError(f"generated latents are not finite: standard deviations {spreads}")
    write_json(folder / SPREADS, spreads)
    write_json(folder / "referee.json", right)
    _write_sheet(context, folder)
    write_parquet(context.folder / "agreement.parquet", table)
    return (
        f"{len(asked.masks)} masks; {_tell(table, run)}; the referee reads "
        f"{right['real']:.2f} of real pixels right, {right['reconstruction']:.2f} through the "
        "autoencoder"
    )


def _generate(sampler: Sampler, referee: CarcinoNet, variant: Variant, asked: Asked) -> Generated:
    """What a variant makes of the masks, and how it reads; this process does its part of it."""
    own = own_share().cut(len(asked.masks))
    masks, seeds = asked.masks[own.start : own.stop], asked.seeds[own.start : own.stop]
    parts = []
    if len(own):
        latents = sampler.draw_latents(variant, masks, seeds)
        tiles = sampler.decode(latents)
        parts = [(tiles, latents.numpy(), read_tiles(referee, tiles))]
    images, drawn, read = map(np.concatenate, zip(*gather(parts), strict=True))
    return Generated(images, torch.from_numpy(drawn), read)


def ask(context: Context) -> Asked:
    """The masks that every variant is asked for: of test slides' shapes, and of synthesis."""
    run, known = context.run, context.latents.known()
    book = collect_shapes(context.split.test)
    test, sources = draw_targets(book, known, run.evaluate, run.seed, run.data.tile_px)
    wanted = run.evaluate.num_synthesis
    drawn, others = draw_synthesis_masks(context.recipes, context.book, wanted, run.seed)
    numbers = [*range(len(test)), *range(len(drawn))]
    drawn_for = [TEST] * len(test) + [SYNTHESIS] * len(drawn)
    purposes = {TEST: "asked", SYNTHESIS: "synthesis"}
    labelled = [(purposes[one], i) for one, i in zip(drawn_for, numbers, strict=True)]
    return Asked(
        masks=np.concatenate([test, drawn]),
        names=[f"{purpose} {i}" for purpose, i in labelled],
        slides=[*sources, *others],
        drawn_for=drawn_for,
        seeds=[derive(run.seed, purpose, i) for purpose, i in labelled],
    )


def _tell(table: pd.DataFrame, run: Run) -> str:
    """The primary measure of every variant on multi-class masks, in a few words."""
    found = agreement_table(table[table["variant"].isin(run.variants)], draws=1, seed=run.seed)
    multi = found[found["kind"] == MULTI_CLASS]
    read = ", ".join(f"{row.variant} {row.value:.3f}" for row in multi.itertuples())
    unread = ", ".join(f"{name} ({value:.2f})" for name, value in find_unread(table).items())
    said = f"; the referee hardly knows {unread}" if unread else ""
    lost = [f"{name} ({own:.2f} to {kept:.2f})" for name, (kept, own) in find_lost(table).items()]
    said += f"; the autoencoder loses {', '.join(lost)}" if lost else ""
    return f"mean recall of labels that cover 5 % or more: {read or 'no multi-class masks'}{said}"


def _rows(variant: str, context: Context, asked: Asked, values: Any) -> pd.DataFrame:
    facts = {
        "variant": variant,
        "plan": str(plan_of(variant, context.run.sample.plan)),
        "solver": name_solver(context.run.solver_of(variant)),
        "seed": context.run.seed,
        "tile": asked.names,
        "source_slide": asked.slides,
        "masks": asked.drawn_for,
    }
    return pd.DataFrame({**facts, **values})


def _collages(context: Context, referee: Any, asked: Asked) -> list[pd.DataFrame]:
    """Real single-class tiles joined by the masks, through the autoencoder."""
    joined, collages = join_real_tiles(context.judged, asked.masks, context.run.seed)
    if not joined:
        return []
    part = asked.take(joined)
    read = read_tiles(referee, rebuild(context.autoencoder, collages))
    return [_rows("collage", context, part, measure_tiles(part.masks, read))]


def _chance(context: Context, asked: Asked, made: Generated) -> pd.DataFrame:
    """Each tile read against a random mask of another of its kind; a lone one is left out."""
    rng, others = numpy_generator(context.run.seed, "chance"), dict[int, int]()
    for kind in KINDS:
        drawn = rng.permutation(np.flatnonzero(asked.kinds == kind))
        if len(drawn) > 1:
            others |= dict(zip(drawn.tolist(), np.roll(drawn, 1).tolist(), strict=True))
    part = asked.take(sorted(others))
    readings = made.reading[[others[i] for i in sorted(others)]]
    return _rows(CHANCE, context, part, measure_tiles(part.masks, readings))


def _ceilings(context: Context, referee: Any) -> list[pd.DataFrame]:
    """Real tiles, as they are and through the autoencoder, read against their own masks."""
    tiles, settings = context.judged, context.run.evaluate
    chosen = choose_tiles(tiles, settings.num_uniform, settings.num_mixed, context.run.seed)
    if not chosen:
        raise BadInput(f"{context.root}: no test tile has a label; agreement needs their masks")
    images = np.stack([tiles.image(i) for i in chosen])
    masks = np.stack([tiles.mask(i) for i in chosen])
    own = Asked(
        masks=masks,
        names=[tiles.tiles[i].name for i in chosen],
        slides=[tiles.tiles[i].slide_id for i in chosen],
        drawn_for=[TEST] * len(chosen),
        seeds=[],
    )
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    return [
        _rows(name, context, own, measure_tiles(masks, read_tiles(referee, view)))
        for name, view in views.items()
    ]


def _write_sheet(context: Context, folder: Path) -> None:
    """Multi-class test tiles, and what each variant generates from their annotation."""
    tiles, known = context.split.test, context.latents.known()
    chosen = choose_tiles(tiles, 0, SHEET_ROWS, context.run.seed)
    chosen = [i for i in chosen if set(np.unique(tiles.mask(i))) <= {*known, IGNORE}]
    if not chosen:
        return
    masks = np.stack([tiles.mask(i) for i in chosen])
    images = np.stack([tiles.image(i) for i in chosen])
    seeds, variants = sheet_seeds(context.run, len(chosen)), context.run.variants
    sampler = context.sampler(*variants)
    arrays = {"mask": masks, "real": images, "reconstruction": rebuild(context.autoencoder, images)}
    arrays |= {variant: sampler.generate(variant, masks, seeds) for variant in variants}
    write_bytes(folder / SHEET, seal(safetensors.numpy.save(arrays)))


def sheet_seeds(run: Run, num: int) -> list[int]:
    """Of the noise of the sheet's lines, one a line."""
    return [derive(run.seed, "sheet", i) for i in range(num)]
