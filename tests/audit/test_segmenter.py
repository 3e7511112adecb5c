"""What segmenters have learnt to read is told from what they have not, whatever fills the tiles."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from disc.audit.asked.learnt import _FEW, _NONE, find_unlearnt, refuse_unlearnt
from disc.audit.figures import Figure
from disc.labels import Label

SIDE = 32
Pixels = npt.NDArray[np.uint8]


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


def find(real: SimpleNamespace, own: Pixels) -> dict[Label, str]:
    return find_unlearnt(real, own, 0)  # type: ignore[arg-type]


def refuse_named(
    names: Sequence[str], unlearnt: Mapping[Label, str], asked: SimpleNamespace
) -> list[Figure]:
    """Figures with a value, some refused."""
    figures = [
        Figure(part="asked", name=name, text="", value=0.5, ceiling=0.9, chance=0.2)
        for name in names
    ]
    return refuse_unlearnt(figures, unlearnt, asked)  # type: ignore[arg-type]


NAMES = (
    *("agreement", "size.5-20%", "boundary.8", "train-real", "recall.GG5", "confusion.GG4>GG5"),
    *("recall.GG4", "confusion.GG4>NC", "train-synthetic", "kid.embedded", "tissue"),
)
EVEN = dict.fromkeys(Label, 0.25)
BENIGN = {Label.NC: 0.93, Label.GG4: 0.07}
CANCER = {Label.GG4: 0.97, Label.NC: 0.03}


@pytest.mark.parametrize("shares", [EVEN, BENIGN, {Label.GG4: 0.97, Label.NC: 0.03}])
def test_whoever_reads_without_a_fault_has_learnt_all(shares: dict[Label, float]) -> None:
    real = hold(shares)
    assert find(real, real.masks) == dict.fromkeys(set(Label) - set(shares), _NONE)


def test_of_tiles_of_one_label_nothing_is_told() -> None:
    """Whoever reads it everywhere is right; agreement of 1 kept to every limit."""
    real = hold({Label.NC: 1.0})
    assert set(find(real, real.masks)) == set(Label)
    (figure,) = refuse_named(["agreement"], find(real, real.masks), real)
    assert "real tiles are of NC alone" in figure.refused


def test_a_label_that_is_never_read_is_named_where_it_is_asked_for() -> None:
    real = hold(EVEN)
    own = np.where(real.masks == Label.GG5, np.uint8(Label.GG4), real.masks)
    unlearnt = find(real, own)
    assert list(unlearnt) == [Label.GG5]
    figures = refuse_named(NAMES, unlearnt, real)
    kept = {figure.name for figure in figures if not figure.refused}
    assert kept == {"recall.GG4", "confusion.GG4>NC", "train-synthetic", "kid.embedded", "tissue"}
    assert all("GG5 in real tiles; train them longer" in o.refused for o in figures if o.refused)
    others = hold({Label.NC: 0.5, Label.GG3: 0.5})
    refused = {one.name for one in refuse_named(NAMES, unlearnt, others) if one.refused}
    assert refused == {"recall.GG5", "confusion.GG4>GG5"}


def test_of_a_reader_of_chance_nothing_is_kept_that_rests_on_it() -> None:
    real = hold(EVEN)
    unlearnt = find(real, np.random.default_rng(1).permutation(real.masks))
    assert set(unlearnt) == set(Label)
    kept = [figure.name for figure in refuse_named(NAMES, unlearnt, real) if not figure.refused]
    assert kept == ["tissue"]


@pytest.mark.parametrize(("num", "why"), [(0, _NONE), (1, _FEW), (4, _FEW), (5, "")])
def test_a_label_of_too_few_real_tiles_is_not_trusted(num: int, why: str) -> None:
    """Of masks that ask for it, nothing is told; they were called ignored."""
    real = hold({Label.NC: 0.5, Label.GG4: 0.5})
    real.masks[:num, :16] = Label.GG5
    unlearnt = find(real, real.masks.copy())
    assert unlearnt.get(Label.GG5, "") == why
    (figure,) = refuse_named(["agreement"], unlearnt, hold({Label.NC: 0.9, Label.GG5: 0.1}))
    assert bool(figure.refused) == bool(why) and why.format("GG5") in figure.refused


def test_agreement_of_masks_that_are_all_alike_is_refused() -> None:
    real = hold({Label.NC: 0.5, Label.GG4: 0.5})
    figure = Figure(part="asked", name="agreement", text="", value=1, ceiling=0.9, chance=0.9)
    (refused,) = refuse_unlearnt([figure], {}, real)  # type: ignore[arg-type]
    assert "masks are so alike that shuffled ones agree at 0.90" in refused.refused
