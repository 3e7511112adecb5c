"""Can a probe tell synthetic tiles from real ones?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from disc.audit.encoders import View
from disc.audit.figures import DRAWS, Figure, mean_of, refuse
from disc.audit.look.halves import halve
from disc.audit.look.nearness import MOST
from disc.audit.sets import AuditSet
from disc.evaluate.auroc import weigh_auroc
from disc.evaluate.bootstrap import Array, cluster_bootstrap
from disc.seeds import numpy_generator

MIN_PROBED = 100
NUM_FOLDS = 4
"""Of patients, for the probe."""


def measure_probe(
    views: Sequence[View], real: AuditSet, synthetic: AuditSet, *, seed: int
) -> Figure:
    """How well a linear probe tells real from synthetic tiles of patients that it did not see.

    Args:
        views: of all encoders; each is probed, and the best is told.
        real: its patients are kept together.
        synthetic: so are its slides.
        seed: of the sample.
    """
    figure = Figure(
        part="look", name="probe", text="AUROC of the best linear probe that tells them apart"
    )
    num = min(MOST, *(len(view.chosen) for view in views), len(synthetic))
    if num < MIN_PROBED:
        return refuse(figure, num, MIN_PROBED)
    fewest = min(real.num_patients, synthetic.num_patients)
    if fewest < NUM_FOLDS:
        return refuse(figure, fewest, NUM_FOLDS, "patients or slides of one set")
    probed = [_probe(view, real, synthetic, num, seed) for view in views]
    found = [part for part in probed if np.isfinite(part[0])]
    if not found:
        return refuse(figure, 1, 2, "patients or slides of one set, of those that no network saw,")
    best = max(found, key=lambda part: part[0])
    return replace(
        figure,
        value=best[0],
        low=best[1],
        high=best[2],
        floor=mean_of([part[3] for part in found]),
        tiles=num,
        clusters=real.num_patients + synthetic.num_patients,
    )


def _probe(
    view: View, real: AuditSet, synthetic: AuditSet, num: int, seed: int
) -> tuple[float, float, float, float]:
    """AUROC with its interval, and that between two halves of the real patients.

    NaN is either where a kind, or a half, has a single patient.
    """
    rng = numpy_generator(seed, "probe")
    some, made = (rng.choice(len(part), num, replace=False) for part in (view.real, synthetic))
    features = np.concatenate([view.real[some], view.synthetic[made]])
    owners = np.concatenate(
        [real.patients[view.chosen][some], [f"synthetic {n}" for n in synthetic.patients[made]]]
    )
    truth = np.repeat([0, 1], num)
    scores = _scores(features, truth, owners)
    if np.isnan(scores).any():
        return (np.nan,) * 4
    codes = np.unique(owners, return_inverse=True)[1]
    area = weigh_auroc(truth, scores, codes.tolist())

    def statistic(weights: Array) -> Array:
        return np.asarray(area(weights.T), np.float64)[:, None]

    value, low, high = cluster_bootstrap(statistic, int(codes.max()) + 1, draws=DRAWS, seed=0)
    one, other = halve(real.patients[view.chosen], num // 2, rng)
    features = view.real[np.concatenate([one, other])]
    owners = real.patients[view.chosen][np.concatenate([one, other])]
    truth = np.repeat([0, 1], len(one))
    scores = _scores(features, truth, owners)
    ends = float(value[0]), float(low[0]), float(high[0])
    if np.isnan(scores).any():
        return *ends, np.nan
    return *ends, float(np.asarray(weigh_auroc(truth, scores)(np.ones((len(truth), 1))))[0])


def _scores(features: Array, truth: npt.NDArray[np.int64], owners: npt.NDArray[np.str_]) -> Array:
    """Scores of tiles by probes that did not see their patients; NaN where a kind has one alone.

    Every fold holds patients of both kinds, which weigh alike in each probe: patients differ in
    size, and an intercept that followed what is left to learn from would rank folds the wrong way.
    """
    scores = np.full(len(truth), np.nan)
    for test in _folds(truth, owners):
        train = np.ones(len(truth), bool)
        train[test] = False
        mean, deviation = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
        probe = LogisticRegression(C=0.1, max_iter=300, class_weight="balanced")
        probe.fit((features[train] - mean) / deviation, truth[train])
        scores[test] = probe.decision_function((features[test] - mean) / deviation)
    return scores


def _folds(
    truth: npt.NDArray[np.int64], owners: npt.NDArray[np.str_]
) -> Iterator[npt.NDArray[np.int64]]:
    """Tiles of each fold: as many folds of each kind's patients, joined."""
    kinds = [np.flatnonzero(truth == kind) for kind in (0, 1)]
    num = min(NUM_FOLDS, *(len(set(owners[kind])) for kind in kinds))
    if num > 1:
        parts = [GroupKFold(num).split(kind, groups=owners[kind]) for kind in kinds]
        for one, other in zip(*parts, strict=True):
            yield np.concatenate([kinds[0][one[1]], kinds[1][other[1]]])
