from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from disc.files import BadInput
from disc.grade.bags import Bag, lay_out
from disc.study import probe as probing
from disc.study.added import (
    balance_bags,
    cut_to_sizes,
    remix_bags,
    require_copies,
    shuffle_truths,
)
from disc.study.probe import probe
from disc.study.request import BALANCED


def bag(name: str, primary: int, size: int = 6, shift: float = 0.0) -> Bag:
    rng = np.random.default_rng(len(name) + size)
    place = (0, 3, 4, 5).index(primary)
    return Bag(
        slide_id=name,
        patient_id=name,
        features=(rng.normal(size=(size, 3)) + shift).astype(np.float32),
        truth=tuple(int(k == place) for k in range(4)),
        primary=primary,
    )


REAL = [bag("a", 0, 4), bag("b", 3, 5), bag("c", 3, 7)]


def test_copies_balance_the_primary_grades() -> None:
    copies = balance_bags(REAL, Counter({0: 3, 3: 2, 5: 4}), 0)
    assert Counter(one.primary for one in copies) == {0: 3, 3: 2}, "GG5 has no real bag to copy"
    assert {one.slide_id for one in copies} <= {"a", "b", "c"}


def test_a_control_that_has_nothing_to_copy_is_refused_before_graders_are_trained() -> None:
    """It ended in a traceback once its cell was reached."""

    def slides(*grades: int) -> SimpleNamespace:
        drawn = (SimpleNamespace(primary=grade) for grade in grades)
        return SimpleNamespace(slides=dict(enumerate(drawn)))

    @dataclass
    class Place:
        fold: str
        variant: str
        source: str = ""
        condition: str = ""

    def study(real: SimpleNamespace) -> Any:
        return SimpleNamespace(
            variants=("sd",),
            run_of=lambda cell: None,
            synthetic=lambda run, source: slides(5, 5),
            base=lambda fold: SimpleNamespace(folder="runs/a", training_set=real),
        )

    cells: Any = [Place("Val1", "real"), Place("Val1", BALANCED)]
    require_copies(study(slides(3, 5)), cells)
    require_copies(study(slides(3, 4)), cells[:1])
    with pytest.raises(BadInput, match="grade 5, of which no training slide of Val1 is"):
        require_copies(study(slides(3, 4)), cells)


def test_shuffled_bags_keep_their_tiles_and_the_labels_there_are() -> None:
    bags = [bag(f"s{i}", grade) for i, grade in enumerate((0, 3, 4, 5, 0, 3, 4, 5))]
    shuffled = shuffle_truths(bags, 0)
    assert all(one.features is other.features for one, other in zip(bags, shuffled, strict=True))
    assert Counter(one.truth for one in shuffled) == Counter(one.truth for one in bags)
    assert [one.truth for one in shuffled] != [one.truth for one in bags]


def test_bags_are_cut_to_sizes_of_real_ones() -> None:
    cut = cut_to_sizes([bag(f"s{i}", 3, 40) for i in range(20)], [4, 5, 7], 0)
    assert {len(one.features) for one in cut} == {4, 5, 7}
    whole = bag("s", 3, 3)
    assert np.array_equal(cut_to_sizes([whole], [9], 0)[0].features, whole.features)


def test_remixed_bags_hold_real_tiles_of_the_labels_asked_for() -> None:
    tiles = {0: [np.zeros(2, np.float32)], 2: [np.full(2, 2.0, np.float32)]}
    (mixed,) = remix_bags([bag("s", 4)], {"s": [2, 0, 2, 1]}, tiles, 0)
    assert mixed.features[:, 0].tolist() == [2, 0, 2], "no real tile is GG3"
    assert mixed.truth == bag("s", 4).truth


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.3, 0.7), (4.0, 0.99, 1.0)])
def test_the_probe_tells_what_differs_and_not_what_is_alike(
    shift: float, low: float, high: float
) -> None:
    real = [bag(f"real {i:02d}", 3, 20 + i) for i in range(10)]
    made = [bag(f"synthetic {i:02d}", 3, 30 + i, shift) for i in range(10)]
    found = probe(real, made, 0)
    assert low <= found["auroc"] <= high
    assert found["real"] == sum(len(one.features) for one in real)


def test_bags_that_are_cut_keep_places_and_labels_of_their_tiles() -> None:
    whole = replace(
        bag("s", 3, 40),
        coords=np.arange(80).reshape(40, 2),
        labels=np.arange(40, dtype=np.uint8) % 4,
    )
    (cut,) = cut_to_sizes([whole], [4], 0)
    assert cut.coords is not None and cut.labels is not None
    rows = cut.coords[:, 0] // 2
    assert np.array_equal(cut.features, whole.features[rows])
    assert np.array_equal(cut.labels, rows % 4)
    assert lay_out([cut])["is_tile"].sum() == 4


def test_too_few_slides_are_no_probe_and_no_end_of_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    slides = SimpleNamespace(slides={})
    study = SimpleNamespace(
        encoders=["carcino"],
        runs=[SimpleNamespace(fold="f")],
        variants=("sd",),
        bags=lambda *_: [bag(f"s{i}", 3) for i in range(4)],
        synthetic_name=lambda *_: "",
        synthetic=lambda *_: slides,
    )
    monkeypatch.setattr(probing, "real_bags", lambda *_: [bag(f"r{i}", 3) for i in range(9)])
    assert probing.probe_features(study).empty  # type: ignore[arg-type]


def test_shuffled_bags_have_the_instances_labels_of_each_other_too() -> None:
    """Mixed Supervision learns from both: with its own instances' labels a bag is not shuffled."""
    bags = [
        replace(bag(f"{place}", grade, 4 + place), labels=np.full(4 + place, place, np.uint8))
        for place, grade in enumerate((0, 3, 4, 5))
    ]
    shuffled = shuffle_truths(bags, 0)
    for one, other in zip(bags, shuffled, strict=True):
        assert other.labels is not None
        assert len(other.labels) == len(one.features)
        assert set(other.labels) == {other.truth.index(1)}
    assert [one.truth for one in shuffled] != [one.truth for one in bags]
