"""The slide grader: training on real and synthetic bags, and scoring of bags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from disc.files import require
from disc.grade.bags import Bag, lay_out
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.build import build_grader
from disc.grade.mil.heads import slide_loss
from disc.grade.mil.scoring import make_rows, read_logits
from disc.grade.mil.supervision import MixedLoss
from disc.grade.mixing import check_balance_weight, mix_losses
from disc.labels import NUM_LABELS
from disc.seeds import derive
from disc.settings.grading import SlideGrader
from disc.settings.grading import TransMIL as TransMILSettings
from disc.train.checkpoint import State
from disc.train.draws import epoch_indices
from disc.train.loop import Batch, Step, train

BagLoss = Callable[[State, Batch, str, torch.Generator], Tensor]
"""(state, batch, "real" or "synthetic", generator) -> loss of these bags."""


def train_slide_grader(
    *,
    net: TransMILSettings,
    real: Sequence[Bag],
    synthetic: Sequence[Bag],
    balance_weight: float,
    folder: Path,
    seed: int,
    grader: SlideGrader = "transmil",
) -> BagGrader:
    """Train a slide grader on real bags, or on real and as many synthetic bags a step.

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
        grader: which one.

    Raises:
        ValueError: if the balance weight is not in [0, 1], or needs synthetic bags and has none.
        BadInput: if a feature is not finite, naming the slide.

    Paper: Eq. (4), Sec. 2.4.
    """
    check_balance_weight(balance_weight, has_synthetic=bool(synthetic))
    bags = {"real": real} if balance_weight == 0 else {"real": real, "synthetic": synthetic}
    _check_finite([bag for some in bags.values() for bag in some])
    torch.manual_seed(derive(seed, grader))
    network = build_grader(grader, net, real[0].features.shape[1])
    network.standardise_by(torch.from_numpy(np.concatenate([bag.features for bag in real])))
    trained = train(
        model=network,
        step=_mixed_step(balance_weight, _loss_of(grader, real)),
        batch_at=lambda step: _draw(bags, net.optim.batch, step, seed),
        optim=net.optim,
        folder=folder,
        seed=seed,
        is_alone=True,
    )
    assert isinstance(trained, BagGrader)
    return trained


def score_bags(net: BagGrader, bags: Sequence[Bag]) -> npt.NDArray[np.float64]:
    """Probabilities of NC, GG3, GG4 and GG5, [N, 4]; a bag's do not depend on the other bags."""
    scores: npt.NDArray[np.float64] = 1 / (1 + np.exp(-read_logits(net, bags)[:, :NUM_LABELS]))
    return scores


def score_rows(net: BagGrader, bags: Sequence[Bag]) -> pd.DataFrame:
    """Scores as rows: patient, slide, label ("NC".."GG5", "ISUP" where known), truth, score."""
    return make_rows(bags, read_logits(net, bags))


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


def _loss_of(grader: SlideGrader, bags: Sequence[Bag]) -> BagLoss:
    """The loss of a grader; that of Mixed Supervision weighs labels by how often bags have them.

    Those are real ones, so that a label weighs as much whatever is added to them.
    """
    if grader == "mixed-supervision":
        return MixedLoss(bags)

    def loss(state: State, batch: Batch, name: str, generator: torch.Generator) -> Tensor:
        logits = state.model(batch[f"{name}_features"], batch[f"{name}_is_tile"])
        return slide_loss(logits, batch[f"{name}_truth"], batch[f"{name}_grades"])

    return loss


def _mixed_step(balance_weight: float, loss: BagLoss) -> Step:
    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        real = loss(state, batch, "real", generator)
        if "synthetic_truth" not in batch:
            return {"loss": real}
        synthetic = loss(state, batch, "synthetic", generator)
        mixed = mix_losses(real, synthetic, balance_weight)
        return {"loss": mixed, "real": real, "synthetic": synthetic}

    return step
