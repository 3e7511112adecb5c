"""The page of file formats names what is written."""

import re
from pathlib import Path

import pytest

from disc.slides.from_slide_graders import COLUMNS as ATTENTION
from disc.slides.judging.record import GradeRecord
from disc.slides.writing.tiles import COLUMNS, OWN_COLUMNS
from disc.studio.quiz import COLUMNS as QUIZ

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("tiles.csv", (*COLUMNS, *OWN_COLUMNS)),
        ("attention.csv", ATTENTION),
        ("studio/quiz.csv", QUIZ),
    ],
)
def test_columns_of_tables(table: str, columns: tuple[str, ...]) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{table}"))
    assert [name for name in re.findall(r"\w+", row.split("|")[3]) if name in columns] == [*columns]


def test_every_key_of_grade_json_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(GradeRecord.model_fields) <= named
