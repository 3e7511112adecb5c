"""What segmenters have learnt to read is told from what they have not, whatever fills the tiles."""

from types import SimpleNamespace

import numpy as np
import pytest

from disc.audit.asked.segmenter import find_unlearnt
from disc.labels import Label

SIDE = 32


def hold(shares: dict[Label, float], num: int = 200) -> SimpleNamespace:
    """Tiles of one label each, in these shares."""
    masks = np.concatenate(
        [
            np.full((round(share * num), SIDE, SIDE), label, np.uint8)
            for label, share in shares.items()
        ]
    )
    masks = np.random.default_rng(0).permutation(masks)
    return type("Held", (SimpleNamespace,), {"__len__": lambda held: len(held.masks)})(masks=masks)


EVEN = dict.fromkeys(Label, 0.25)
BENIGN = {Label.NC: 0.93, Label.GG4: 0.07}
CANCER = {Label.GG4: 0.97, Label.NC: 0.03}


@pytest.mark.parametrize(
    "shares", [EVEN, BENIGN, {Label.NC: 1.0}, {Label.GG4: 0.97, Label.NC: 0.03}]
)
def test_whoever_reads_without_a_fault_has_learnt_all(shares: dict[Label, float]) -> None:
    real = hold(shares)
    assert find_unlearnt(real, real.masks, [*Label], 0) == []  # type: ignore[arg-type]


def test_a_label_that_is_never_read_is_named_where_it_is_asked_for() -> None:
    real = hold(EVEN)
    own = np.where(real.masks == Label.GG5, np.uint8(Label.GG4), real.masks)
    assert find_unlearnt(real, own, [*Label], 0) == [Label.GG5]  # type: ignore[arg-type]
    assert find_unlearnt(real, own, [Label.NC, Label.GG3], 0) == []  # type: ignore[arg-type]


def test_a_reader_of_chance_has_learnt_nothing() -> None:
    real = hold(EVEN)
    own = np.random.default_rng(1).permutation(real.masks)
    assert find_unlearnt(real, own, [*Label], 0) == [*Label]  # type: ignore[arg-type]


def test_a_few_pixels_of_a_label_are_not_judged() -> None:
    real = hold({Label.NC: 0.5, Label.GG4: 0.5})
    own = real.masks.copy()
    real.masks[0, :2, :2] = Label.GG5
    assert find_unlearnt(real, own, [*Label], 0) == []  # type: ignore[arg-type]
