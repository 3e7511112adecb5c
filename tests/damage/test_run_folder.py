"""Damage to every file of a run that any command reads: told in a line, or without effect."""

import pytest

from tests.damage.campaign import Folder, campaign
from tests.damage.run_folder import AT_WORK, READERS, write_run

SAMPLE = 20
"""Cases of the fast tests, of a run that noted its files and again of one that did not."""
WITHOUT_HASH = ("without check", "check None")


@pytest.fixture(scope="module", params=["recorded", "older"])
def run(request, tmp_path_factory) -> Folder:
    is_recorded = request.param == "recorded"
    root = write_run(tmp_path_factory.mktemp(request.param), is_recorded=is_recorded)

    def is_noted(name: str, what: str) -> bool:
        if not is_recorded or AT_WORK in name or name == "config.json":
            return False
        # A stage without its marker is one that is not done, and a marker that lacks its own hash
        # is one from before there were any: what follows is redone.
        return not (name.endswith("done.json") and what in ("missing", *WITHOUT_HASH))

    return Folder(root=root, readers=READERS, is_noted=is_noted, is_doctored=lambda _: True)


def test_a_sample_of_damage_is_told_in_a_line(run, capsys):
    found = run.cases()
    step = len(found) // SAMPLE
    counts = campaign(run, found[::step], capsys)
    assert counts["refused"] > SAMPLE / 2


@pytest.mark.slow
def test_every_damage_is_told_in_a_line(run, capsys):
    found = run.cases(flips=14)
    assert len(found) >= 1500
    counts = campaign(run, found, capsys)
    with capsys.disabled():
        print(f"\n{run.root.parent.name}: {len(found)} cases: {dict(counts)}")
    assert counts["refused"] > len(found) / 2
