"""Slides: what they hold, that they are the same every time and at every resolution."""

from functools import cache

import numpy as np
import pytest

from disc import seeds
from disc.labels import GRADES, label_of_grade
from disc.phantom.drawing import Picture, draw_slide
from disc.phantom.glands import Seeds
from disc.phantom.stain import EXTERNAL, HOME

CORE_UM = (500.0, 1200.0)


@cache
def draw(score, *, index=0, um_per_px=4.0, **options) -> Picture:
    rng = seeds.numpy_generator(3, "test", index)
    return draw_slide(rng, score, core_um=CORE_UM, **options).render(um_per_px)


SCORES = [(3, 4), (4, 3), (4, 5), (5, 4), (3, 3), (5, 5)]


@cache
def pictures() -> list[tuple[tuple[int, int], Picture]]:
    return [(score, draw(score, index=index)) for index, score in enumerate(SCORES)]


def fractions(picture: Picture) -> np.ndarray:
    return np.bincount(picture.exact[picture.tissue], minlength=4) / picture.tissue.sum()


def test_the_same_seed_gives_the_same_slide_and_another_seed_another():
    first, other = (draw((3, 4), index=index) for index in (0, 1))
    again = draw.__wrapped__((3, 4), index=0)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_a_slide_holds_its_grades_and_more_of_the_primary():
    for score, picture in pictures():
        fraction = fractions(picture)
        primary, secondary = (label_of_grade(grade) for grade in score)
        assert set(np.flatnonzero(fraction)) == {0, primary, secondary}
        if primary != secondary:
            assert fraction[primary] > fraction[secondary] > 0.03


def test_a_benign_slide_holds_non_cancer_only():
    picture = draw((0, 0))
    assert not picture.exact.any()
    assert not picture.mask.any()


def test_glass_is_bright_and_non_cancer():
    for _, picture in pictures():
        assert not picture.exact[~picture.tissue].any()
        inner = ~picture.tissue
        assert np.median(picture.image[inner].min(axis=1)) > 220
        assert np.median(picture.image[picture.tissue].min(axis=1)) < 200


@pytest.mark.parametrize("score", [(3, 4), pytest.param((5, 4), marks=pytest.mark.slow)])
def test_two_resolutions_show_one_slide(score):
    coarse, fine = draw(score), draw(score, um_per_px=2.0)
    height, width = (
        min(a, b // 2) for a, b in zip(coarse.exact.shape, fine.exact.shape, strict=True)
    )
    box = np.s_[:height, :width]
    nearest = fine.exact[1::2, 1::2][box]
    assert (nearest == coarse.exact[box]).mean() > 0.97
    halved = fine.image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - coarse.image[box]).mean() < 12


def test_without_noise_the_annotator_is_exact():
    picture = draw((3, 4), annotation_noise=0.0)
    assert (picture.mask == picture.exact).all()


def test_noise_changes_the_annotation_and_nothing_else():
    agreement, images = [], ([], [])
    for noise in (0.0, 0.5, 1.0, 2.0):
        right = []
        for index in range(2):
            picture = draw((4, 3), index=index, annotation_noise=noise)
            right.append((picture.mask == picture.exact).mean())
            images[index].append(picture.image.tobytes())
        agreement.append(np.mean(right))
    assert [len(set(same)) for same in images] == [1, 1]
    assert agreement == sorted(agreement, reverse=True)
    assert agreement[1] > 0.87
    assert 0.70 < agreement[2] < 0.92
    assert agreement[3] < agreement[2] - 0.05


def test_the_annotator_uses_the_labels_of_the_slide():
    for score, picture in pictures():
        assert {GRADES[label] for label in np.unique(picture.mask)} <= {0, *score}


def test_another_scanner_changes_the_image_only():
    home, external = (draw((3, 4), scanner=scanner) for scanner in (HOME, EXTERNAL))
    assert (home.exact == external.exact).all()
    hue = [(p.image[..., 2].mean() - p.image[..., 0].mean()) for p in (home, external)]
    assert hue[0] - hue[1] > 5


def test_the_largest_gland_lies_in_the_plane_however_its_square_is_rounded() -> None:
    # numpy squares this as a scalar to less than as an element of an array
    radius = np.array([35.50643401512222, 9.0])
    seeds = Seeds(np.array([[0.0, 0.0], [50.0, 0.0]]), radius, np.zeros(2, np.int64))

    assert seeds.tree().data[0, 2] == 0
