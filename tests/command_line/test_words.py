"""What words are taken for, and what is said of those that mean nothing."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pytest
from tyro.conf import Positional

from disc import cli
from disc.command_line.options import list_options
from disc.command_line.parse import place_named
from disc.files import BadInput
from disc.pipeline import renamed
from disc.pipeline import run as runs
from disc.pipeline.config_file import to_json
from disc.pipeline.request import RunRequest
from disc.presets import laptop, smoke


@pytest.fixture
def executed(monkeypatch, tmp_path):
    """Runs that would be done."""
    seen = []
    monkeypatch.setattr(runs, "execute", lambda run: seen.append(run) or tmp_path)
    return seen


def refuse(words, capsys):
    """The one line with which some words are refused."""
    assert cli.main(words.split()) == 2
    told = capsys.readouterr()
    assert not told.out
    (line,) = told.err.splitlines()
    assert line.startswith("disc: ") and "│" not in line
    return line


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("chek", "check"),
        ("run laptp", "laptop"),
        ("run laptp --help", "laptop"),
        ("run smoke --denoiser.contxt 32", "--denoiser.context"),
        ("run smoke --denoiser.contxt=32", "--denoiser.context"),
        ("run smoke --contxt 32", "--denoiser.context"),
        ("run smoke --tile-px 32", "--data.tile-px"),
        ("run smoke --nme=x", "--name"),
        ("check a --pge d", "--page"),
        ("convert --rot a --out b", "--root"),
    ],
)
def test_what_may_be_meant_is_said(words, meant, capsys):
    assert f"did you mean {meant}" in refuse(words, capsys)


def test_suggestions_are_the_commands_own(capsys):
    """`--tile-px` is an option of four other commands, which a run does not have."""
    line = refuse("run smoke --tile-px 32", capsys)
    assert "--data.tile-px?" in line and " or " not in line


def test_what_is_like_nothing_is_not_guessed(capsys):
    assert "did you mean" not in refuse("run smoke --xyzzy 1", capsys)
    assert "did you mean" not in refuse("xyzzy", capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "a command is missing: run"),
        ("run", "needs a preset first (smoke, demo, laptop"),
        ("run --dry-run smoke", "needs a preset first"),
        ("tile", "missing: --slides, --out; see disc tile --help"),
        ("convert --kind pand --help", "invalid choice 'pand'"),
        ("run --config nowhere.json", "nowhere.json: no such file"),
    ],
)
def test_what_is_missing_is_said(words, said, capsys):
    assert said in refuse(words, capsys)


@pytest.mark.parametrize("given", ["--denoiser.neck-px 3", "--denoiser.neck-px=3"])
def test_an_old_option_is_answered_with_its_new_name(given, monkeypatch, capsys):
    monkeypatch.setattr(renamed, "RENAMED", {"denoiser.neck_px": "denoiser.context"})
    line = refuse(f"run smoke {given}", capsys)
    assert "is now called --denoiser.context; see" in line


def test_of_an_old_and_a_new_name_one_is_a_setting():
    names = {option.path for option in list_options(RunRequest)}
    for old, new in renamed.RENAMED.items():
        assert (old in names) != (new in names), f"{old}, {new}"
    assert not set(renamed.RENAMED) & set(renamed.RENAMED.values())


@pytest.mark.parametrize(
    ("words", "new"),
    [
        ("run smoke --watch.every 3", "--validation.every"),
        ("run smoke --data.shifted-root x", "--data.external-root"),
        ("convert --root x --out y --rim-px 3", "--artefact-px"),
        ("tile --slides x --out y --tissue.most-holes 3", "--tissue.max-holes"),
    ],
)
def test_every_command_knows_its_old_options(words, new, capsys):
    assert f"is now called {new};" in refuse(words, capsys)


def test_every_renamed_option_stands_in_the_changelog():
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    for old in (*renamed.RENAMED, *renamed.OTHERS):
        assert old.split(".")[-1].replace("_", "-").removeprefix("shifted-") in text, old


def test_the_configuration_of_a_run_repeats_it(executed, tmp_path):
    first = replace(laptop(), seed=3, denoiser=replace(laptop().denoiser, layers=2))
    path = tmp_path / "config.json"
    path.write_bytes(to_json(first))
    assert cli.main(["run", "--config", str(path)]) == 0
    assert cli.main(["run", "--config", str(path), "--name", "again", "--data.fold", "Val2"]) == 0
    other = replace(first, name="again", data=replace(first.data, fold="Val2"))
    assert executed == [first, other]


def test_a_preset_is_the_default_of_its_options(executed):
    assert cli.main(["run", "smoke", "--distil.num-bundles", "8"]) == 0
    assert executed == [replace(smoke(), distil=replace(smoke().distil, num_bundles=8))]


def test_a_preset_and_a_file_are_one_too_many(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_bytes(to_json(smoke()))
    assert "not both" in refuse(f"run smoke --config {path}", capsys)


def test_a_stop_by_hand_says_how_to_resume(monkeypatch, capsys):
    def stop(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "execute", stop)
    assert cli.main(["run", "smoke"]) == 130
    assert capsys.readouterr().err == "disc: stopped; the same command goes on, or begins anew\n"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A run, and slides."""

    run: Annotated[Path, Positional]
    """Folder of a run."""
    slides: Annotated[tuple[Path, ...], Positional] = ()
    """Slides."""
    mpp: float = 1
    """Micrometres per pixel."""


@pytest.mark.parametrize(
    ("words", "placed"),
    [
        ("RUN a b --mpp 1", "RUN a b --mpp 1"),
        ("--run RUN a b --mpp 1", "RUN a b --mpp 1"),
        ("a b --mpp 1 --run=RUN", "RUN a b --mpp 1"),
        ("RUN --mpp 1 --slides a b", "RUN a b --mpp 1"),
        ("--slides a b --run RUN --mpp 1", "RUN a b --mpp 1"),
    ],
)
def test_what_is_known_by_its_place_may_be_given_by_name(words, placed):
    options = [option for option in list_options(Request) if option.is_positional]
    assert [option.path for option in options] == ["run", "slides"]
    assert place_named(words.split(), options) == placed.split()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--mpp 1 --run", "--run: without a value"),
        ("--mpp 1 RUN --slides a", "--slides is given by name, run is not"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(words, said):
    options = [option for option in list_options(Request) if option.is_positional]
    with pytest.raises(BadInput, match=said):
        place_named(words.split(), options)
