"""The published counts, against a plan of SICAPv2 that adds them up from its four folds."""

from pathlib import Path

import pytest

from benchmarks.checking import BOOKS, plan_slides, plan_tiles
from disc.data.check.contents import Contents, Item
from disc.data.check.rules.published_counts import check_sicapv2
from disc.data.tiles.names import parse_name
from disc.data.tiles.records import Slide
from disc.labels import label_of_grade


@pytest.fixture
def contents() -> Contents:
    plans, planned = plan_tiles(), plan_slides()
    contents = Contents(name="SICAPv2", root=Path("SICAPv2"), kind="sicapv2", is_official=True)
    for plan in plans:
        path = Path(f"{plan.name}.jpg")
        assert parse_name(plan.name)["slide"] == plan.slide
        contents.items.append(Item(name=plan.name, image=path, slide_id=plan.slide))
    for row in planned.itertuples():
        slide = Slide(slide_id=row.slide, patient_id=str(row.patient))
        contents.slides[slide.slide_id] = slide
    for book, groups in BOOKS:
        listed = [plan for plan in plans if plan.is_listed and plan.group in groups]
        contents.parts[book] = {plan.name: label_of_grade(plan.grade) for plan in listed}
        contents.cribriform[book] = sum(plan.is_cribriform for plan in listed)
    return contents


def notes(contents: Contents) -> list[str]:
    check_sicapv2(contents)
    return [case.note for finding in contents.findings for case in finding.cases]


def test_the_whole_of_sicapv2(contents: Contents) -> None:
    assert len({item.name for item in contents.items}) == 18_783
    assert notes(contents) == []


def test_one_row_less(contents: Contents) -> None:
    del contents.parts["Test/Test"][next(iter(contents.parts["Test/Test"]))]
    assert notes(contents) == [
        "in all: 12,080 listed tiles; expected 12,081",
        "Test/Test: 2,121 tiles; expected 2,122",
        "Test/Test: 643 NC; expected 644",
    ]


def test_other_sets_are_not_counted(contents: Contents) -> None:
    contents.is_official = False
    del contents.items[0]
    assert notes(contents) == []
