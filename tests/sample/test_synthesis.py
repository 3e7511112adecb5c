from dataclasses import replace
from pathlib import Path

import numpy as np

from disc.data.tiles.records import Slide, Tile
from disc.labels import Label
from disc.sample.synthesis import ShapeBook, plan_slides
from disc.settings.synthesis import Synthesis

SETTINGS = Synthesis(tiles=(3, 5))


def slides(*scores):
    return [
        Slide(slide_id=f"R{i}", patient_id=str(i), primary=primary, secondary=secondary)
        for i, (primary, secondary) in enumerate(scores)
    ]


def book():
    whole = np.zeros((8, 8), np.uint8)
    halves = np.repeat([[0], [1]], 4, 0).repeat(8, 1).astype(np.uint8)
    tile = Tile(name="T", slide_id="R0", image=Path("T.jpg"), mask=None, x=0, y=0)
    return ShapeBook([whole, halves], [tile, tile])


def count(plans):
    return {g: sum(plan.slide.primary == g for plan in plans) for g in (0, 3, 4, 5)}


def test_every_primary_grade_is_filled_to_the_most():
    real = slides((0, 0), (3, 3), (4, 3), (4, 4), (4, 5), (5, 4))
    assert count(plan_slides(real, book(), list(Label), SETTINGS)) == {0: 2, 3: 2, 4: 0, 5: 2}


def test_grades_absent_from_the_training_tiles_are_never_asked_for():
    known = [Label.NC, Label.GG3, Label.GG4]
    plans = plan_slides(slides((4, 5), (4, 4)), book(), known, SETTINGS)
    assert count(plans)[5] == 0
    targets = {label for plan in plans for tile in plan.tiles for label in tile.labels}
    assert Label.GG5 not in targets
    assert {plan.slide.secondary for plan in plans} <= {0, 3, 4}


def test_secondary_grades_are_those_of_real_slides():
    real = slides((4, 5), (4, 5), (3, 4))
    plans = plan_slides(real, book(), list(Label), SETTINGS)
    assert {p.slide.secondary for p in plans if p.slide.primary == 3} == {4}


def test_benign_slides_are_non_cancer_only():
    plans = plan_slides(slides((3, 3)), book(), list(Label), SETTINGS)
    benign = [plan for plan in plans if plan.slide.primary == 0]
    assert benign
    assert {tile.labels for plan in benign for tile in plan.tiles} == {(Label.NC,)}


def test_the_same_seed_plans_the_same_slides():
    real = slides((3, 3), (4, 4), (4, 4))
    assert plan_slides(real, book(), list(Label), SETTINGS) == plan_slides(
        real, book(), list(Label), SETTINGS
    )


def test_unscored_slides_are_not_balanced():
    real = [Slide(slide_id="R", patient_id="1")]
    assert plan_slides(real, book(), list(Label), SETTINGS) == []


def test_slides_may_have_the_sizes_of_real_ones():
    shapes, tile = book().shapes, book().sources[0]
    tiles = [replace(tile, slide_id=name) for name in ("a", *"b" * 7, *"c" * 2)]
    real = ShapeBook([shapes[0]] * 10, tiles)
    settings = replace(SETTINGS, sizes="real", slides_per_grade=20)
    plans = plan_slides(slides((0, 0), (3, 3)), real, list(Label), settings)
    assert {len(plan.tiles) for plan in plans} == {1, 2, 7}
