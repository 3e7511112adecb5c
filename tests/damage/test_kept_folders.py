"""Damage to studies, exported weights and graded slides: told in a line, or without effect."""

from pathlib import Path

import pytest

from tests.damage.campaign import Folder, campaign
from tests.damage.kept_folders import (
    EXPORTED,
    GRADED,
    STUDY,
    write_exported,
    write_graded,
    write_study,
)

SAMPLE = 8
"""Cases of the fast test, of each kind of folder."""
WITHOUT_HASH = ("without check", "check None")


def _study(out: Path, *, is_noted: bool) -> Folder:
    def must_see(name: str, what: str) -> bool:
        # A part without its marker is one that is not done, and is made again.
        is_marker = name.endswith("done.json") and what in ("missing", *WITHOUT_HASH)
        return is_noted and name != "study.json" and not is_marker

    root = write_study(out, is_noted=is_noted)
    readers = {name: read for name, read in STUDY.items() if (root / name).exists()}
    # without its record it is no study, and `disc doctor` says so
    is_doctored = lambda name: name != "study.json"  # noqa: E731
    return Folder(root=root, readers=readers, is_noted=must_see, is_doctored=is_doctored)


FOLDERS = {
    "study": lambda out: _study(out, is_noted=True),
    "older study": lambda out: _study(out, is_noted=False),
    "exported": lambda out: Folder(
        root=write_exported(out), readers=EXPORTED, is_noted=lambda *_: True
    ),
    "graded": lambda out: Folder(
        root=write_graded(out),
        readers=GRADED,
        # of what nothing reads again, the size is compared
        is_noted=lambda name, what: "grade.json" in name,
    ),
}


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request, tmp_path_factory) -> Folder:
    return FOLDERS[request.param](tmp_path_factory.mktemp("kept"))


def test_a_sample_of_damage_is_told_in_a_line(folder, capsys):
    found = folder.cases()
    campaign(folder, found[:: len(found) // SAMPLE], capsys)


@pytest.mark.slow
def test_every_damage_is_told_in_a_line(folder, capsys):
    found = folder.cases()
    counts = campaign(folder, found, capsys)
    with capsys.disabled():
        print(f"\n{folder.root}: {len(found)} cases: {dict(counts)}")
    assert counts["refused"] > len(found) / 2
