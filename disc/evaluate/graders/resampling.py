"""Resampled patients, generator seeds and grader seeds: the draws that all statistics share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from disc.evaluate.trainings import training_weights
from disc.seeds import derive, numpy_generator

Draws = npt.NDArray[np.float32]
"""One column a draw; exact for the counts that they hold."""
BLOCK_BYTES = 64 * 2**20
"""Of patients' weights held at a time."""
Cell = tuple[int | str, int | str, int | str]
"""Generator seed, grader seed, fold."""


def split_patients(has: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The two strata of patients: with and without a positive slide of the rarest label.

    Rarest is the label with fewest patients on one side, of those that have two or more on both;
    no draw can lose it. Without such a label all patients are one stratum.

    Args:
        has: whether a patient has a positive slide of a label, [patients, labels].

    Returns:
        [patients].

    >>> split_patients(np.array([[1, 1], [1, 1], [0, 1], [0, 0], [0, 0]], bool)).tolist()
    [True, True, False, False, False]
    """
    fewer = np.minimum(has.sum(axis=0), (~has).sum(axis=0))
    can_split = fewer >= 2
    if not can_split.any():
        return np.zeros(len(has), bool)
    rarest = int(np.where(can_split, fewer, len(has)).argmin())
    return has[:, rarest]


def patient_weights(
    strata: npt.NDArray[np.bool_], draws: int, seed: int, block: int | None = None
) -> Iterator[Draws]:
    """How much each patient counts in each draw, in blocks of draws: [patients, block].

    Of the n patients of a stratum n - 1 are drawn with replacement and count n / (n - 1) each (Rao
    and Wu 1988), so that the variance is right in small strata too. The draws do not depend on the
    size of the blocks.

    Args:
        strata: of each patient, [patients].
        draws: all in all.
        seed: of the draws.
        block: draws at a time; by default as many as `BLOCK_BYTES` hold.
    """
    step = block or max(1, BLOCK_BYTES // (4 * max(1, len(strata))))
    generators = {kind: numpy_generator(seed, "patients", int(kind)) for kind in (False, True)}
    for start in range(0, draws, step):
        num = min(step, draws - start)
        weights = np.ones((len(strata), num), np.float32)
        for kind, generator in generators.items():
            size = int((strata == kind).sum())
            if size > 1:
                drawn = generator.integers(0, size, (num, size - 1))
                places = drawn + size * np.arange(num)[:, None]
                counts = np.bincount(places.ravel(), minlength=num * size).reshape(num, size)
                weights[strata == kind] = counts.T * (size / (size - 1))
        yield weights


def cell_weights(cells: Sequence[Cell], draws: int, seed: int) -> Draws:
    """How much each run of a configuration counts in each draw, [runs, draws]; they add up to 1.

    Generator seeds are drawn, and below them grader seeds, one fewer than there are of each (see
    `training_weights`). Grader seeds are drawn once for all that was trained with the same set of
    them: equal grader seeds are equal initial weights and equal batches of real slides, whatever
    was added. A level with one seed is not resampled; folds are averaged, never resampled.

    Args:
        cells: generator seed, grader seed and fold of each run.
        draws: all in all.
        seed: of the draws.
    """
    generators = sorted({cell[0] for cell in cells}, key=str)
    shares = _seed_shares(generators, draws, derive(seed, "generator seeds"))
    weights = np.empty((len(cells), draws), np.float32)
    for generator, share in zip(generators, shares, strict=True):
        graders = sorted({cell[1] for cell in cells if cell[0] == generator}, key=str)
        of_graders = _seed_shares(graders, draws, derive(seed, "grader seeds"))
        for place, cell in enumerate(cells):
            if cell[0] == generator:
                num_folds = sum(other[:2] == cell[:2] for other in cells)
                weights[place] = share * of_graders[graders.index(cell[1])] / num_folds
    return weights


def mean_weights(cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
    """How much each run counts in the mean over generator seeds, grader seeds, folds, [runs, 1]."""
    generators = {cell[0] for cell in cells}
    shares = []
    for cell in cells:
        num_graders = len({other[1] for other in cells if other[0] == cell[0]})
        num_folds = sum(other[:2] == cell[:2] for other in cells)
        shares.append(1 / (len(generators) * num_graders * num_folds))
    return np.asarray(shares)[:, None]


def seed_freedom(cells: Sequence[Cell]) -> float:
    """Degrees of freedom of the seeds: those of the level with fewest; infinite where all have one.

    >>> seed_freedom([(0, 0, ""), (0, 1, ""), (0, 2, "")])
    2.0
    """
    nums = [len({cell[0] for cell in cells}), len({cell[1] for cell in cells})]
    return min((num - 1.0 for num in nums if num > 1), default=np.inf)


def _seed_shares(names: Sequence[int | str], draws: int, seed: int) -> npt.NDArray[np.float64]:
    """Share of each seed in each draw, [seeds, draws]; the same names give the same draws."""
    weights = training_weights(len(names), draws, derive(seed, *names))
    shares: npt.NDArray[np.float64] = (weights / weights.sum(axis=1, keepdims=True)).T
    return shares
