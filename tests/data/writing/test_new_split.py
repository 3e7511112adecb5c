"""Parts that share no patient, or no pixel."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disc.data.tiles.records import Slide
from disc.data.writing.new_split import (
    GAP,
    cut_bands,
    deal_patients,
    find_labelled,
    name_partitions,
)


def draw_slides(num_patients: int) -> list[Slide]:
    rng = np.random.default_rng(num_patients)
    return [
        Slide(slide_id=f"{p}.{i}", patient_id=str(p), primary=int(grade), secondary=int(grade))
        for p in range(num_patients)
        for grade in [rng.choice([0, 3, 4, 5])]
        for i in range(1 + p % 3)
    ]


@pytest.mark.parametrize("num_patients", [5, 6, 40])
def test_patients_stay_whole(num_patients: int) -> None:
    slides = draw_slides(num_patients)
    groups = deal_patients(slides, seed=0)
    owners = [{name.split(".")[0] for name in group} for group in groups]
    assert all(owners) and sum(map(len, owners)) == num_patients
    assert sorted(name for group in groups for name in group) == sorted(s.slide_id for s in slides)
    assert groups == deal_patients(slides[::-1], seed=0)
    assert deal_patients(slides, seed=1) != groups


@pytest.mark.parametrize("seed", range(8))
def test_no_part_is_of_slides_without_labels_alone(seed: int) -> None:
    """One of eight slides had no mask, was a fold's validation alone, and no run could start."""
    slides = [
        Slide(slide_id=f"s{i}", patient_id=f"p{i}", primary=(0, 3, 4, 5)[i % 4], secondary=3)
        for i in range(8)
    ]
    labelled = {slide.slide_id for slide in slides[2:7]}
    assert find_labelled(slides, labelled) == slides[2:7]
    assert find_labelled(slides, ()) == slides
    groups = deal_patients(slides, seed, labelled)
    assert all(labelled & set(group) for group in groups)
    assert {name for group in groups for name in group} == {slide.slide_id for slide in slides}


def test_grades_are_balanced() -> None:
    slides = [
        Slide(slide_id=f"{g}.{i}", patient_id=f"{g}.{i}", primary=g, secondary=g)
        for g in (0, 3, 4, 5)
        for i in range(10)
    ]
    for group in deal_patients(slides, seed=3):
        assert Counter(name[0] for name in group) == {"0": 2, "3": 2, "4": 2, "5": 2}


def test_partitions_are_sicapv2s() -> None:
    books = name_partitions([["a"], ["b"], ["c", "d"], ["e"], ["f"]])
    assert books["Test/Train"] == ["a", "b", "c", "d", "e"] and books["Test/Test"] == ["f"]
    assert len(books) == 10
    held_out = [name for i in range(1, 5) for name in books[f"Validation/Val{i}/Test"]]
    assert held_out == books["Test/Train"]
    assert books["Validation/Val3/Train"] == ["a", "b", "e"]


@given(
    rows=st.integers(1, 80),
    side=st.floats(20, 2000),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    seed=st.integers(0, 99),
)
def test_bands_share_no_pixel(rows: int, side: float, overlap: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.floor(np.arange(rows) * side * (1 - overlap))
    starts = rng.permutation(np.repeat(grid, rng.integers(1, 5, rows)))
    bands = cut_bands(starts, side, rng.random(len(starts)) < 0.2)
    assert bands.shape == starts.shape and bands.min() >= -1 and bands.max() <= 4
    for band in range(4):
        lower, upper = starts[(bands >= 0) & (bands <= band)], starts[bands > band]
        if len(lower) and len(upper):
            assert upper.min() - (lower.max() + side) >= GAP * side - 3


def test_half_overlap_loses_two_rows_a_cut() -> None:
    starts = np.repeat(np.arange(60) * 32.0, 4)
    bands = cut_bands(starts, 64.0, np.zeros(len(starts), bool))
    sizes = Counter(bands.tolist())
    assert sizes[-1] == 4 * 2 * 4
    assert min(sizes[band] for band in range(5)) >= 32


def test_tiles_with_several_labels_are_shared_out() -> None:
    """All lie in the first third of the slide; every band still gets some."""
    starts = np.repeat(np.arange(90) * 32.0, 4)
    is_mixed = starts < 32 * 30
    bands = cut_bands(starts, 64.0, is_mixed)
    assert min(Counter(bands[is_mixed].tolist())[band] for band in range(3)) >= 16
