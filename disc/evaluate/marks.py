"""What must be said beside a difference in mask agreement, which is blind to blur."""

from __future__ import annotations

import pandas as pd

MAX_DEVIATION = 0.05
"""By how much the standard deviations of latents of what is compared may differ."""
MAX_LOSS = 0.01
"""Of the primary measure, by which what is called equal may be worse."""


BAND = (
    "the two took unequal numbers of steps, the standard deviations of their latents differ by "
    f"more than {MAX_DEVIATION:g}, or the kernel distance (KID) to real tiles through the "
    "autoencoder is larger and the interval of that difference excludes zero"
)
"""When a difference is marked, in words."""


def find_marks(
    *, steps: tuple[int, int], deviation: tuple[float, float], kid_gain_low: float
) -> tuple[str, ...]:
    """Why a difference in agreement may come from something else than following the mask.

    Fewer steps, and latents that vary less, blur tiles, and blur raises agreement.

    Args:
        steps: of the solver, of the one and of what it is compared to.
        deviation: standard deviation of latents of both.
        kid_gain_low: lower end of the interval of the difference of their kernel distances to real
            tiles; above 0, the one is farther from real tiles.

    Returns:
        Those of "steps", "deviation" and "KID" that apply; none: take the difference as it is.

    >>> find_marks(steps=(4, 15), deviation=(0.64, 0.88), kid_gain_low=1.2)
    ('steps', 'deviation', 'KID')
    """
    found = {
        "steps": steps[0] != steps[1],
        "deviation": abs(deviation[0] - deviation[1]) > MAX_DEVIATION,
        "KID": kid_gain_low > 0,
    }
    return tuple(name for name, applies in found.items() if applies)


def is_equal(*, primary_gain_low: float, kid_gain_low: float) -> bool:
    """Whether a cheaper way to make tiles may be called equal to another.

    Args:
        primary_gain_low: lower end of the paired interval of the difference in primary measure.
        kid_gain_low: lower end of the interval of the difference in kernel distance; above 0, it is
            farther from real tiles, beyond what chance does.

    >>> is_equal(primary_gain_low=-0.004, kid_gain_low=-0.1)
    True
    >>> is_equal(primary_gain_low=-0.004, kid_gain_low=0.1)
    False
    """
    return bool(primary_gain_low > -MAX_LOSS and kid_gain_low <= 0)


def mark_differences(differences: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """Differences to `sd` with a column `marks`: "steps, deviation, KID", those that apply, or "".

    Args:
        differences: variant, kind, and what stands beside.
        quality: `agreement/quality.parquet`, whose distances are compared to `sd`'s.
    """
    facts = quality.set_index(["kind", "variant"])
    marks = [
        ", ".join(_compare(facts.loc[(row.kind, row.variant)], facts.loc[(row.kind, "sd")]))
        if {(row.kind, row.variant), (row.kind, "sd")} <= set(facts.index)
        else ""
        for row in differences.itertuples()
    ]
    return differences.assign(marks=marks)


def _compare(one: pd.Series, base: pd.Series) -> tuple[str, ...]:
    return find_marks(
        steps=(int(one["steps"]), int(base["steps"])),
        deviation=(one["standard_deviation"], base["standard_deviation"]),
        kid_gain_low=one["kid_reconstruction_gain_low"],
    )
