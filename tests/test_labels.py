import pytest

from disc.labels import PALETTES, Label, isup_group, parse_score, slide_label


@pytest.mark.parametrize(
    ("text", "grades"),
    [("3+4", (3, 4)), (" 4 + 3 ", (4, 3)), ("0+0", (0, 0)), ("negative", (0, 0)), ("0", (0, 0))],
)
def test_scores(text, grades):
    assert parse_score(text) == grades


@pytest.mark.parametrize("text", ["", "3", "2+3", "3+6", "0+3", "4-4", "nan"])
def test_what_is_no_score_is_refused(text):
    with pytest.raises(ValueError, match=r"score|grade"):
        parse_score(text)


@pytest.mark.parametrize(
    ("score", "group"),
    [
        ("0+0", 0),
        ("3+3", 1),
        ("3+4", 2),
        ("4+3", 3),
        ("4+4", 4),
        ("3+5", 4),
        ("5+3", 4),
        ("4+5", 5),
        ("5+4", 5),
        ("5+5", 5),
    ],
)
def test_isup_groups(score, group):
    assert isup_group(*parse_score(score)) == group


def test_slide_labels_are_the_union_of_both_grades():
    assert slide_label(0, 0) == (1, 0, 0, 0)
    assert slide_label(3, 3) == (0, 1, 0, 0)
    assert slide_label(4, 5) == (0, 0, 1, 1)
    assert slide_label(3, 4) == slide_label(4, 3)


def test_colours_are_the_papers():
    assert PALETTES["paper"][Label.GG4] == (255, 255, 0)
    assert PALETTES["paper"][Label.NC] == (0, 100, 0)
