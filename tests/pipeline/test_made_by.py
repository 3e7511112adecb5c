"""By what a report was made, and which stages a change of its looks does again."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import disc
from disc.files import digest
from disc.pipeline import made_by
from disc.pipeline.context import Context
from disc.pipeline.run import all_stages
from disc.presets import smoke
from disc.settings.report import Report


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ["/x/bin/disc", "run", "smoke", "--name", "two words"],
            "disc run smoke --name 'two words'",
        ),
        (["/x/disc/__main__.py", "run", "smoke"], "disc run smoke"),
        (["/x/bin/pytest", "run", "smoke"], ""),
        ([], ""),
    ],
)
def test_the_command_is_told_where_it_is_ours(words: list[str], command: str) -> None:
    assert made_by.find_command(words) == command


def run_git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_commit_is_that_of_the_programs_own_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed below another repository: none. Then checked in; then changed."""
    source = tmp_path / "lib" / "disc" / "__init__.py"
    source.parent.mkdir(parents=True)
    source.write_text("")
    monkeypatch.setattr(disc, "__file__", str(source))
    assert made_by.find_commit() == ""
    run_git(tmp_path, "init", "-q")
    assert made_by.find_commit() == ""
    run_git(tmp_path, "add", ".")
    run_git(tmp_path, "commit", "-q", "-m", "first")
    commit = run_git(tmp_path, "rev-parse", "--short=10", "HEAD")
    assert made_by.find_commit() == commit
    source.write_text("1\n")
    assert made_by.find_commit() == f"{commit}, with changes that are not committed"


MARKER = {"config": "a", "inputs": {}, "seconds": 1.0}


def test_facts_that_are_not_known_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_by, "find_commit", lambda: "")
    for name, end in (("one", 0), ("two", 1_700_000_000_000_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "done.json").write_text(json.dumps({**MARKER, "finished": end}))
    facts = made_by.describe_making(tmp_path, ["one", "two"])
    assert facts == {
        "Program": f"disc {made_by.find_version()}",
        "Finished": "2023-11-14 22:13 UTC",
    }


def test_another_palette_does_the_report_again_and_nothing_else(tmp_path: Path) -> None:
    runs = [smoke(), replace(smoke(), report=Report(palette="paper"))]
    before, after = (all_stages(Context(run, tmp_path)) for run in runs)
    changed = [
        stage.name
        for stage, other in zip(before, after, strict=True)
        if digest(stage.settings) != digest(other.settings)
    ]
    assert changed == ["report"]
