"""Quality of generated tiles beside mask agreement, which is blind to blur."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from disc.evaluate.agreement import label_fractions
from disc.evaluate.kernel_distance import match_labels
from disc.evaluate.quality import Gallery, quality_table
from disc.evaluate.referee import referee_features
from disc.grade.carcino import CarcinoNet
from disc.labels import IGNORE, NUM_LABELS
from disc.model.latent_shape import LATENT_FACTOR
from disc.pipeline.context import Context
from disc.sample.regions import shrink_masks
from disc.sample.sampler import rebuild
from disc.settings.run import Run
from disc.settings.synthesis import Variant

Pixels = npt.NDArray[np.uint8]


def hang(referee: CarcinoNet, images: Pixels, masks: Pixels, slides: Sequence[str]) -> Gallery:
    """A gallery of tiles uint8 [N, H, W, 3] and masks [N, H, W]."""
    return Gallery(images, masks, slides, referee_features(referee, images))


def hang_real(context: Context, referee: CarcinoNet, targets: Pixels) -> dict[str, Gallery]:
    """Tiles that no generator saw, of the labels of the masks asked for, uint8 [N, H, W].

    Tiles with unlabelled pixels are left out where there are others.

    Returns:
        As they are ("real"), and through the autoencoder ("reconstruction"); at most N tiles.
    """
    tiles = context.judged
    masks = [tiles.mask(i) for i in range(len(tiles))]
    full = [i for i, mask in enumerate(masks) if (mask != IGNORE).all()] or list(range(len(masks)))
    fractions = [label_fractions(part) for part in (targets, np.stack([masks[i] for i in full]))]
    chosen = [full[i] for i in match_labels(*fractions)[1]]
    images, drawn = np.stack([tiles.image(i) for i in chosen]), np.stack([masks[i] for i in chosen])
    slides = [tiles.tiles[i].slide_id for i in chosen]
    views = {"real": images, "reconstruction": rebuild(context.autoencoder, images)}
    return {name: hang(referee, view, drawn, slides) for name, view in views.items()}


def measure_quality(
    context: Context,
    referee: CarcinoNet,
    generated: Mapping[Variant, Pixels],
    targets: Pixels,
    sources: Sequence[str],
) -> pd.DataFrame:
    """The table of `quality_table` for the variants of a run, with the evaluations of each.

    Args:
        context: the run.
        referee: gives features.
        generated: tiles uint8 [N, H, W, 3] by variant.
        targets: the masks, uint8 [N, H, W].
        sources: the slide that each mask was drawn on, [N].
    """
    run = context.run
    galleries: dict[str, Gallery] = {
        name: hang(referee, part, targets, sources) for name, part in generated.items()
    }
    real, draws = hang_real(context, referee, targets), run.evaluate.num_bootstrap
    table = quality_table(galleries, real, draws=draws, seed=run.seed)
    counts: dict[str, float] = {name: count_evaluations(run, name, targets) for name in generated}
    return table.assign(evaluations=table["variant"].map(counts))


def count_evaluations(run: Run, variant: Variant, targets: Pixels) -> float:
    """Evaluations of the network a tile: one a step, for each label present if separated."""
    solver = run.solver_of(variant)
    steps = solver.steps * (1 if solver.guidance == 1 else 2)
    if variant != "sd-sc":
        return float(steps)
    small = shrink_masks(torch.from_numpy(targets), targets.shape[-1] // LATENT_FACTOR)
    present = torch.stack([(small == label).flatten(1).any(1) for label in range(NUM_LABELS)])
    return steps * float(present.sum(0).float().mean())
