"""A probe: can a linear classifier tell synthetic tiles from real ones by their features?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from disc.evaluate.auroc import auroc
from disc.grade.bags import Bag
from disc.seeds import numpy_generator
from disc.study.added import real_bags
from disc.study.grid import real_cell
from disc.study.study import Study

MAX_TILES = 2000
"""Of each kind."""
FOLDS = 5


def probe_features(study: Study) -> pd.DataFrame:
    """The probe on every variant of every run.

    Returns:
        encoder, fold, variant, generator_seed, auroc (out of fold), real and synthetic (tiles).
        With fewer than five slides of a kind there is no such row.
    """
    rows = []
    for encoder, run in product(study.encoders, study.runs):
        cell = real_cell(encoder, run.fold)
        real = real_bags(study, cell)
        for variant in study.variants:
            slides = study.synthetic(run, variant).slides.values()
            bags = study.bags(cell, study.synthetic_name(run, variant), slides)
            if min(len(real), len(bags)) < FOLDS:
                continue
            facts = {"encoder": encoder, "fold": run.fold, "variant": run.name(variant)}
            found = probe(real, bags, study.request.seed)
            rows.append({**facts, "generator_seed": run.seed, **found})
    return pd.DataFrame(rows)


def probe(real: Sequence[Bag], synthetic: Sequence[Bag], seed: int) -> dict[str, float]:
    """How well a linear probe tells synthetic tiles from real ones: .5 not at all, 1 always.

    Tiles of a slide are never in the part that is learned from and in the one that is read.

    Raises:
        ValueError: if there are fewer than five slides of a kind.
    """
    tiles, owners, truth = [], [], []
    for is_synthetic, bags in enumerate((real, synthetic)):
        if len(bags) < FOLDS:
            raise ValueError(f"a probe needs {FOLDS} slides of each kind; there are {len(bags)}")
        features = np.concatenate([bag.features for bag in bags])
        owner = np.repeat([f"{is_synthetic} {bag.slide_id}" for bag in bags], _sizes(bags))
        chosen = numpy_generator(seed, "probe", is_synthetic).permutation(len(features))[:MAX_TILES]
        tiles.append(features[chosen])
        owners.append(owner[chosen])
        truth.append(np.full(len(chosen), is_synthetic))
    model = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=500, class_weight="balanced")
    )
    read = cross_val_predict(
        model,
        np.concatenate(tiles),
        np.concatenate(truth),
        groups=np.concatenate(owners),
        cv=GroupKFold(FOLDS, shuffle=True, random_state=0),
        method="predict_proba",
    )
    value = auroc(np.concatenate(truth), read[:, 1])[0]
    return {"auroc": float(value), "real": len(truth[0]), "synthetic": len(truth[1])}


def _sizes(bags: Sequence[Bag]) -> list[int]:
    return [len(bag.features) for bag in bags]
