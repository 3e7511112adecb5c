"""What trained graders say of bags: scores, ISUP groups, attention per tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from disc.grade.bags import Bag, lay_out
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.heads import isup_groups
from disc.grade.mil.mixed import MixedSupervision
from disc.labels import GRADES, NUM_LABELS, Label, isup_group

CHUNK = 16
ISUP = "ISUP"
"""Label of the rows whose truth and score are ISUP grade groups."""
ROWS = ["patient", "slide", "label", "truth", "score"]
_ATTENTION = {"slide": str, "tile": np.int64, "x": np.int64, "y": np.int64, "attention": np.float32}


@torch.no_grad()
def read_logits(net: BagGrader, bags: Sequence[Bag]) -> npt.NDArray[np.float64]:
    """Logits [N, outputs]; a bag's do not depend on the other bags."""
    parts = [net(*inputs).double().cpu().numpy() for inputs in _chunks(net, bags)]
    return np.concatenate(parts) if parts else np.empty((0, NUM_LABELS))


@torch.no_grad()
def attend_bags(net: BagGrader, bags: Sequence[Bag]) -> list[npt.NDArray[np.float32]]:
    """How much each tile of each bag counts for the slide, [N] a bag, adding up to 1."""
    found: list[npt.NDArray[np.float32]] = []
    for inputs in _chunks(net, bags):
        weights, is_tile = net.attend(*inputs).float().cpu(), inputs[1].cpu()
        # places are filled row by row, so they come in the order of the tiles
        found += [row[kept].numpy() for row, kept in zip(weights, is_tile, strict=True)]
    return found


def attention_table(net: BagGrader, bags: Sequence[Bag]) -> pd.DataFrame:
    """Attention as rows: slide, tile (its number in the bag), x, y, attention."""
    # a set without scored slides has no row, and these columns all the same
    parts = [pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _ATTENTION.items()})]
    for bag, attention in zip(bags, attend_bags(net, bags), strict=True):
        coords = np.full((len(attention), 2), -1) if bag.coords is None else bag.coords
        columns = {"slide": bag.slide_id, "tile": np.arange(len(attention))}
        parts.append(
            pd.DataFrame({**columns, "x": coords[:, 0], "y": coords[:, 1], "attention": attention})
        )
    return pd.concat(parts, ignore_index=True)


def make_rows(bags: Sequence[Bag], logits: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Scores as rows: patient, slide, label, truth, score.

    Labels are "NC" to "GG5", and "ISUP", with groups for truth and score, where the grader has an
    ordinal head.
    """
    rows = []
    scores = 1 / (1 + np.exp(-logits[:, :NUM_LABELS]))
    is_ordinal = logits.shape[1] > NUM_LABELS
    groups = isup_groups(logits[:, NUM_LABELS:]) if is_ordinal else np.zeros(len(bags))
    for bag, of_labels, group in zip(bags, scores, groups, strict=True):
        names = {"patient": bag.patient_id, "slide": bag.slide_id}
        for label in Label:
            truth, score = bag.truth[label], float(of_labels[label])
            rows.append({**names, "label": label.name, "truth": truth, "score": score})
        if is_ordinal:
            primary, secondary = (GRADES[Label(label)] for label in bag.grades)
            truth, score = isup_group(primary, secondary), float(group)
            rows.append({**names, "label": ISUP, "truth": truth, "score": score})
    return pd.DataFrame(rows, columns=ROWS)


def _chunks(net: BagGrader, bags: Sequence[Bag]) -> Iterator[list[Tensor]]:
    """Inputs of the grader, a few bags at a time."""
    device = next(net.parameters()).device
    net.eval()
    names = ["features", "is_tile"]
    if isinstance(net, MixedSupervision):
        names.append("places")
    for start in range(0, len(bags), CHUNK):
        grids = lay_out(bags[start : start + CHUNK])
        yield [grids[name].to(device) for name in names]
