"""The slide grader: training on real and synthetic bags, and scoring of bags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from disc.files import require
from disc.grade.bags import Bag, lay_out
from disc.grade.mixing import check_balance_weight, mix_losses
from disc.grade.transmil import TransMIL
from disc.labels import NUM_LABELS, Label
from disc.seeds import derive
from disc.settings.grading import TransMIL as TransMILSettings
from disc.train.checkpoint import State
from disc.train.draws import epoch_indices
from disc.train.loop import Batch, Step, train

CHUNK = 16


def train_slide_grader(
    *,
    net: TransMILSettings,
    real: Sequence[Bag],
    synthetic: Sequence[Bag],
    balance_weight: float,
    folder: Path,
    seed: int,
) -> TransMIL:
    """Train a TransMIL on real bags, or on real and as many synthetic bags a step.

    One process trains it by itself, whatever the others do.

    The real bags of a step are the same for every balance weight; with 0, synthetic bags are not
    looked at.

    Args:
        net: sizes and optimisation; `optim.batch` counts the real bags of a step.
        real: training bags.
        synthetic: bags; may be empty where the balance weight is 0.
        balance_weight: lambda of Eq. 4.
        folder: of checkpoint and log.
        seed: of weights and batches.

    Raises:
        ValueError: if the balance weight is not in [0, 1], or needs synthetic bags and has none.
        BadInput: if a feature is not finite, naming the slide.

    Paper: Eq. (4), Sec. 2.4.
    """
    check_balance_weight(balance_weight, has_synthetic=bool(synthetic))
    bags = {"real": real} if balance_weight == 0 else {"real": real, "synthetic": synthetic}
    _check_finite([bag for some in bags.values() for bag in some])
    torch.manual_seed(derive(seed, "transmil"))
    network = TransMIL(net, real[0].features.shape[1])
    network.standardise_by(torch.from_numpy(np.concatenate([bag.features for bag in real])))
    trained = train(
        model=network,
        step=_mixed_step(balance_weight),
        batch_at=lambda step: _draw(bags, net.optim.batch, step, seed),
        optim=net.optim,
        folder=folder,
        seed=seed,
        is_alone=True,
    )
    assert isinstance(trained, TransMIL)
    return trained


@torch.no_grad()
def score_bags(net: TransMIL, bags: Sequence[Bag]) -> npt.NDArray[np.float64]:
    """Probabilities of NC, GG3, GG4 and GG5, [N, 4]; a bag's do not depend on the other bags."""
    device = next(net.parameters()).device
    scores = [np.empty((0, NUM_LABELS))]
    for start in range(0, len(bags), CHUNK):
        grids = lay_out(bags[start : start + CHUNK])
        logits = net.eval()(grids["features"].to(device), grids["is_tile"].to(device))
        scores.append(logits.double().sigmoid().cpu().numpy())
    return np.concatenate(scores)


def score_rows(net: TransMIL, bags: Sequence[Bag]) -> pd.DataFrame:
    """Scores as rows: patient, slide, label ("NC".."GG5"), truth, score."""
    rows = [
        {
            "patient": bag.patient_id,
            "slide": bag.slide_id,
            "label": label.name,
            "truth": bag.truth[label],
            "score": float(scores[label]),
        }
        for bag, scores in zip(bags, score_bags(net, bags), strict=True)
        for label in Label
    ]
    return pd.DataFrame(rows, columns=["patient", "slide", "label", "truth", "score"])


def _check_finite(bags: Sequence[Bag]) -> None:
    """One bad value would corrupt the mean that all bags are standardised by."""
    for bag in bags:
        require(
            bool(np.isfinite(bag.features).all()),
            f"slide {bag.slide_id}: its features hold a value that is not finite; delete its .h5 "
            "and the done.json of the features, to make them anew",
        )


def _draw(bags: Mapping[str, Sequence[Bag]], size: int, step: int, seed: int) -> Batch:
    batch: dict[str, Tensor] = {}
    for name, some in bags.items():
        chosen = epoch_indices(len(some), step=step, batch=size, seed=seed, purpose=f"{name} bags")
        drawn = lay_out([some[index] for index in chosen])
        batch |= {f"{name}_{key}": value for key, value in drawn.items()}
    return batch


def _mixed_step(balance_weight: float) -> Step:
    def loss(state: State, batch: Batch, name: str) -> Tensor:
        logits = state.model(batch[f"{name}_features"], batch[f"{name}_is_tile"])
        return F.binary_cross_entropy_with_logits(logits, batch[f"{name}_truth"])

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        real = loss(state, batch, "real")
        if "synthetic_truth" not in batch:
            return {"loss": real}
        synthetic = loss(state, batch, "synthetic")
        mixed = mix_losses(real, synthetic, balance_weight)
        return {"loss": mixed, "real": real, "synthetic": synthetic}

    return step
