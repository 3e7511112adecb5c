"""Stages that judge the generator: the referee, mask agreement, and the sheet of tiles."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy
import torch

from disc import settings
from disc.data.tiles import TileSet
from disc.evaluate.agreement import RECALLS, recalls
from disc.evaluate.referee import read_tiles, train_referee
from disc.files import write_bytes, write_json
from disc.grade.carcino import CarcinoNet
from disc.labels import IGNORE, Label
from disc.masks.recipes import draw_tile
from disc.masks.shapes import paint_shape
from disc.model.store import load_weights, save_weights
from disc.pipeline.context import Context, as_json
from disc.pipeline.stage import Stage
from disc.processes import own_device
from disc.sample.bank import Bank
from disc.sample.painter import rebuild
from disc.sample.separated import fuse
from disc.sample.solver import spread
from disc.sample.synthesis import ShapeBook, collect_shapes
from disc.seeds import derive, numpy_generator
from disc.train.checkpoint import NAME as CHECKPOINT

Masks = npt.NDArray[np.uint8]
SHEET_ROWS = 8
READ_SAMPLE = 400
"""Test tiles on which the referee's own accuracy is measured."""
BANK_SAMPLE = 96
"""Bundles of a bank that the referee reads."""
REFEREE = "referee.safetensors"


def judge_stages(context: Context) -> list[Stage]:
    """Agreement of every variant with its masks, as the referee reads it."""
    run = context.run
    sampling = [as_json(run.sample.solver), as_json(run.evaluate), run.seed]
    return [
        Stage(
            name="agreement",
            needs=("referee", "denoiser/sd", "denoiser/sd-disc", "denoiser/sd-disc-cotrain"),
            knobs=sampling,
            work=partial(_agreement, context),
            outputs=(context.folder / "agreement.parquet",),
        ),
    ]


def referee_stage(context: Context) -> Stage:
    """The referee, trained apart from everything that it judges."""
    return Stage(
        name="referee",
        needs=("data",),
        knobs=[as_json(context.run.evaluate.referee), context.run.seed],
        work=partial(_referee, context),
        is_shared=True,
    )


def draw_asked(
    book: ShapeBook, known: Sequence[int], knobs: settings.Evaluate, seed: int, tile_px: int
) -> tuple[Masks, list[str]]:
    """The masks that every variant is asked for, and the slide that each was drawn on.

    One-label masks in equal parts of the known labels; then shapes of several regions, their
    labels drawn evenly. A one-label mask has no source and stands for itself.

    Returns:
        uint8 [N, H, W], and N names.
    """
    rng = numpy_generator(seed, "asked")
    labels = [known[i % len(known)] for i in range(knobs.num_uniform)]
    masks = [np.full((tile_px, tile_px), label, np.uint8) for label in labels]
    sources = [f"uniform {i}" for i in range(len(masks))]
    several = [i for i, count in enumerate(book.regions) if 1 < count <= len(known)]
    weights = np.zeros(len(Label))
    weights[list(known)] = 1 / len(known)
    for _ in range(knobs.num_mixed if several else 0):
        tile = draw_tile([book.regions[i] for i in several], weights, rng)
        chosen = several[tile.shape]
        masks.append(paint_shape(book.shapes[chosen], tile.labels))
        sources.append(book.sources[chosen].slide_id)
    empty = np.empty((0, tile_px, tile_px), np.uint8)
    return np.stack(masks) if masks else empty, sources


def _referee(context: Context, folder: Path) -> str:
    run = context.run
    if context.is_simulated:
        tiles = context.read(context.folder / "data" / "referee", "masks_exact")
    else:
        tiles = context.split.val
    save_weights(folder / REFEREE, train_referee(run.evaluate, tiles, folder, run.seed))
    (folder / CHECKPOINT).unlink(missing_ok=True)
    source = "exact masks of another draw" if context.is_simulated else "the validation tiles"
    return f"trained on {source}, {len(tiles)} tiles"


def load_referee(context: Context) -> CarcinoNet:
    """The trained referee."""
    referee = CarcinoNet(context.run.evaluate.referee)
    load_weights(context.folder / "referee" / REFEREE, referee)
    return referee.to(own_device()).eval()


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
    right = _share_right(context, referee)
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
    solver = context.run.sample.solver
    facts = {
        "variant": variant,
        "plan": "end" if variant == "sd-sc" else "plain",
        "solver": f"{solver.name} {solver.steps} {solver.spacing}",
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


def join_real_tiles(tiles: TileSet, asked: Masks, seed: int) -> tuple[list[int], Masks]:
    """Collages: for each mask asked for, real one-label tiles, each where the mask has its label.

    Returns:
        Which masks can be served (all their labels have a one-label tile), and their collages
        uint8 [M, H, W, 3].
    """
    masks = [tiles.mask(i) for i in range(len(tiles))]
    pools = [[i for i, mask in enumerate(masks) if (mask == label).all()] for label in Label]
    served = [i for i, mask in enumerate(asked) if all(pools[label] for label in np.unique(mask))]
    collages = np.zeros((len(served), *asked.shape[1:], 3), np.uint8)
    for collage, number in zip(collages, served, strict=True):
        rng = numpy_generator(seed, "collage", number)
        for label in np.unique(asked[number]):
            is_label = asked[number] == label
            collage[is_label] = tiles.image(int(rng.choice(pools[label])))[is_label]
    return served, collages


def _share_right(context: Context, referee: CarcinoNet) -> dict[str, float]:
    """Share of pixels that the referee reads right, in tiles as they come in the test partition."""
    tiles = context.judged
    order = numpy_generator(context.run.seed, "referee's accuracy").permutation(len(tiles))
    chosen = [int(i) for i in order[:READ_SAMPLE]]
    images = np.stack([tiles.image(i) for i in chosen])
    masks = np.stack([tiles.mask(i) for i in chosen])
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    is_known = masks != IGNORE
    return {
        name: float((read_tiles(referee, view) == masks)[is_known].mean())
        for name, view in views.items()
    }


def choose_tiles(tiles: TileSet, num_one: int, num_several: int, seed: int) -> list[int]:
    """A seeded choice of one-label and of several-label tiles."""
    order = numpy_generator(seed, "ceiling").permutation(len(tiles))
    left = {True: num_one, False: num_several}
    chosen = []
    for index in order:
        mask = tiles.mask(int(index))
        labels = set(np.unique(mask)) - {IGNORE}
        is_one = len(labels) == 1
        if labels and left[is_one]:
            left[is_one] -= 1
            chosen.append(int(index))
        if not any(left.values()):
            break
    return chosen


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
