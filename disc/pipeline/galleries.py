"""Galleries of a run: its generated tiles beside real ones, and what agreement does not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from disc.data.tiles.tile_set import TileSet
from disc.evaluate.agreement import KINDS, kinds_of, label_fractions
from disc.evaluate.kernel_distance import match_labels
from disc.evaluate.quality import Gallery, quality_table
from disc.evaluate.referee import referee_features
from disc.grade.carcino import CarcinoNet
from disc.labels import IGNORE
from disc.model.schedule import Schedule
from disc.pipeline.context import Context
from disc.sample.cost import count_evaluations
from disc.sample.plans import plan_of
from disc.sample.sampler import rebuild
from disc.sample.solver import standard_deviation
from disc.settings.synthesis import Variant

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """The masks that every variant is asked for.

    Attributes:
        masks: uint8 [N, H, W].
        names: of each, [N].
        slides: on which each was drawn, [N].
        drawn_for: "test slides" or "synthesis", [N].
        seeds: of the noise, [N].
    """

    masks: Pixels
    names: Sequence[str]
    slides: Sequence[str]
    drawn_for: Sequence[str]
    seeds: Sequence[int]

    def take(self, indices: Sequence[int]) -> Asked:
        """Some of them."""
        return Asked(
            masks=self.masks[list(indices)],
            names=[self.names[i] for i in indices],
            slides=[self.slides[i] for i in indices],
            drawn_for=[self.drawn_for[i] for i in indices],
            seeds=[self.seeds[i] for i in indices],
        )

    @property
    def kinds(self) -> npt.NDArray[np.str_]:
        """Of `disc.evaluate.agreement.KINDS`, [N]."""
        return kinds_of(self.drawn_for, (label_fractions(self.masks) > 0).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Generated:
    """What a variant made of the masks that it was asked for.

    Attributes:
        images: uint8 [N, H, W, 3].
        latents: [N, 3, h, w].
        reading: of the images by the referee, uint8 [N, H, W].
    """

    images: Pixels
    latents: torch.Tensor
    reading: Pixels


def hang(referee: CarcinoNet, images: Pixels, masks: Pixels, slides: Sequence[str]) -> Gallery:
    """A gallery of tiles uint8 [N, H, W, 3] and masks [N, H, W]."""
    return Gallery(images, masks, slides, referee_features(referee, images))


@dataclass(frozen=True, eq=False)
class RealTiles:
    """Tiles that no generator saw, to set generated ones beside.

    Attributes:
        tiles: the set that they are in.
        chosen: which of it; those with unlabelled pixels are left out where there are others.
        fractions: of their labels, [N, 4].
    """

    tiles: TileSet
    chosen: Sequence[int]
    fractions: npt.NDArray[np.float64]


def survey(tiles: TileSet) -> RealTiles:
    """Read the masks of a set once, for any number of galleries of its tiles."""
    everything, full = [], []
    for i in range(len(tiles)):
        mask = tiles.mask(i)
        everything.append(label_fractions(mask[None])[0])
        if (mask != IGNORE).all():
            full.append(i)
    chosen = full or list(range(len(tiles)))
    return RealTiles(tiles, chosen, np.stack(everything)[chosen])


def hang_real(
    context: Context, referee: CarcinoNet, real: RealTiles, targets: Pixels
) -> dict[str, Gallery]:
    """Real tiles of the labels of the masks asked for, uint8 [N, H, W].

    Returns:
        As they are ("real"), and through the autoencoder ("reconstruction"); at most N tiles.
    """
    tiles, pairs = real.tiles, match_labels(label_fractions(targets), real.fractions)[1]
    chosen = [real.chosen[i] for i in pairs]
    images, drawn = (np.stack([read(i) for i in chosen]) for read in (tiles.image, tiles.mask))
    slides = [tiles.tiles[i].slide_id for i in chosen]
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    return {name: hang(referee, view, drawn, slides) for name, view in views.items()}


def measure_quality(
    context: Context, referee: CarcinoNet, generated: Mapping[Variant, Generated], asked: Asked
) -> pd.DataFrame:
    """The table of `quality_table` for each kind of mask, and what was spent on it.

    Args:
        context: the run.
        referee: gives features.
        generated: by variant.
        asked: the masks.

    Returns:
        kind, the columns of `quality_table`, standard_deviation (of latents; the data's is 1),
        evaluations (of the network, a tile) and steps (of the solver). A kind of which there are
        fewer than two masks is left out.
    """
    galleries: dict[str, Gallery] = {
        name: hang(referee, part.images, asked.masks, asked.slides)
        for name, part in generated.items()
    }
    options, tables = {"draws": context.run.evaluate.num_bootstrap, "seed": context.run.seed}, []
    tiles = survey(context.judged)
    for kind in KINDS:
        chosen = np.flatnonzero(asked.kinds == kind)
        if len(chosen) < 2:
            continue
        real = hang_real(context, referee, tiles, asked.masks[chosen])
        parts = {name: gallery.take(chosen) for name, gallery in galleries.items()}
        table = quality_table(parts, real, **options)
        facts = [
            {"variant": name, **_spent(context, name, part.latents[chosen], asked.masks[chosen])}
            for name, part in generated.items()
        ]
        tables.append(table.merge(pd.DataFrame(facts), on="variant", how="left").assign(kind=kind))
    return pd.concat(tables, ignore_index=True)


def _spent(
    context: Context, variant: Variant, latents: torch.Tensor, masks: Pixels
) -> dict[str, float]:
    run, schedule = context.run, Schedule(context.run.denoiser.zero_terminal_snr)
    solver, plan = run.solver_of(variant), plan_of(variant, run.sample.plan)
    return {
        "standard_deviation": standard_deviation(latents),
        "evaluations": float(count_evaluations(masks, plan, schedule, solver).mean()),
        "steps": solver.steps,
    }
