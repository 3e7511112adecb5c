"""Slides of PANDA that show the same tissue, and whose they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from disc.data.readers.panda import read_panda
from disc.data.readers.source import Source
from disc.data.writing.request import SelectRequest
from disc.data.writing.select import select_slides


def save(
    root: Path, slides: Mapping[str, str], groups: Sequence[tuple[str, object]], **columns: object
) -> Source:
    """Tables of slides by their scores, and of groups."""
    table = pd.DataFrame({"image_id": list(slides), "gleason_score": list(slides.values())})
    table.assign(data_provider="radboud", **columns).to_csv(root / "train.csv", index=False)
    pairs = pd.DataFrame(groups, columns=["image_id", "group_id"])
    pairs.to_csv(root / "groups.csv", index=False)
    return Source(root=root, duplicates=root / "groups.csv")


def patients(source: Source) -> dict[str, str]:
    slides = read_panda(source, is_ahead=True).slides
    return {name: slide.patient_id for name, slide in slides.items()}


CHAIN = [("a1", 1), ("b1", 1), ("a1", 2), ("c1", 2)]


@pytest.mark.parametrize("pairs", [CHAIN, CHAIN[::-1]])
def test_a_slide_in_two_groups_joins_them(
    tmp_path: Path, pairs: Sequence[tuple[str, object]]
) -> None:
    slides = {"a1": "3+3", "b1": "4+4", "b2": "4+4", "c1": "5+5", "c2": "5+5", "d1": "0+0"}
    source = save(tmp_path, slides, pairs)
    found = patients(source)
    assert {found[name] for name in ("a1", "b1", "c1")} == {"group-1"}
    assert [found[name] for name in ("b2", "c2", "d1")] == ["b2", "c2", "d1"]
    for seed in range(4):
        out = tmp_path / "chosen.csv"
        select_slides(SelectRequest(source=source, per_grade=1, seed=seed, out=out))
        assert pd.read_csv(out).image_id.tolist() == ["d1", "a1", "b2", "c2"]


def test_a_patients_other_slides_go_with_a_group(tmp_path: Path) -> None:
    """P1 has s0 and s1, P2 has s2 and s3; a group of s1 and s2 makes one of them."""
    slides = {f"s{number}": "3+4" for number in range(6)}
    whose = ["P1", "P1", "P2", "P2", "P3", "P3"]
    source = save(tmp_path, slides, [("s1", "g"), ("s2", "g"), ("s5", "")], patient_id=whose)
    assert list(patients(source).values()) == ["group-g"] * 4 + ["P3"] * 2


def test_slides_that_are_not_there_link_the_others(tmp_path: Path) -> None:
    """b is in no list of slides to keep, and x in no table at all."""
    slides = {"a": "3+4", "b": "3+4", "c": "3+4", "d": "3+4"}
    pairs = [("a", 1), ("b", 1), ("b", 2), ("c", 2), ("c", 3), ("x", 3), ("x", 4), ("d", 4)]
    source = save(tmp_path, slides, pairs)
    pd.DataFrame({"image_id": ["a", "c", "d"]}).to_csv(tmp_path / "keep.csv", index=False)
    kept = Source(root=tmp_path, duplicates=source.duplicates, keep=tmp_path / "keep.csv")
    assert patients(kept) == {"a": "group-1", "c": "group-1", "d": "group-1"}
