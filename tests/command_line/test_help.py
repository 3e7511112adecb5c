"""What `--help` shows: to newcomers, of a run, of one kind of data set."""

import dataclasses
import re
import resource
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import disc
from disc import cli
from disc.command_line.options import list_options
from disc.command_line.shown import CHANGED
from disc.data.readers.source import KINDS, Source
from disc.pipeline.request import RunRequest
from disc.presets import PRESETS

ROOT = Path(__file__).parents[2]
FLAG = re.compile(r"^(?:│ |  )(--[a-z][\w.-]*)", re.M)


@pytest.fixture
def show(capsys, monkeypatch):
    """Help on some words, as it is printed."""

    def tell(words, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        try:
            assert cli.main(words.split()) == 0
        except SystemExit as stop:
            assert not stop.code
        return capsys.readouterr().out

    return tell


def flags_of(text):
    """Options that begin a line; of a yes and no in two lines, the yes."""
    found = (flag for flag in FLAG.findall(text) if not flag.split(".")[-1].startswith("no-"))
    return set(found) - {"--help"}


def count_leaves(kind):
    """Settings that hold a value, counted apart from the code under test."""
    total = 0
    for field in dataclasses.fields(kind):
        value = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        is_inner = dataclasses.is_dataclass(value)
        total += count_leaves(type(value)) if is_inner else 1
    return total


def test_the_program_tells_people_what_it_is_for_and_names_every_command(show):
    text = show("--help")
    assert text.startswith("disc makes ")
    assert "Heavy imports" not in text
    for name, command in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary[:30])}", text, re.M)
    assert max(map(len, text.splitlines())) <= 80


def test_help_takes_less_than_half_a_second_of_a_core():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "disc", "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("columns", [80, 120])
def test_a_run_shows_what_people_change(show, columns):
    text = show("run laptop --help", columns)
    assert flags_of(text) == {f"--{name.replace('_', '-')}" for name in CHANGED}
    assert len(text.splitlines()) <= 120
    assert max(map(len, text.splitlines())) <= columns
    assert "--help-all" in text
    assert re.search(r"--denoiser.channels.*\n.*default: 48 96 128", text)


def test_all_options_are_shown_where_all_are_asked_for(show):
    shown = flags_of(show("run laptop --help-all"))
    # the run's own, and what `disc run` adds to them
    assert len(shown) == count_leaves(type(PRESETS["laptop"]())) + 2


def test_what_people_change_is_there():
    assert {option.path for option in list_options(RunRequest)} >= CHANGED
    assert 20 <= len(CHANGED) <= 30


@pytest.mark.parametrize("command", ["convert", "select"])
@pytest.mark.parametrize(("kind", "own"), [("panda", "--reach-um"), ("folder", "--layers")])
def test_a_kind_of_set_shows_its_options_alone(show, command, kind, own):
    every = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Source)}
    shown = flags_of(show(f"{command} --kind {kind} --help"))
    assert own in shown and not {"--reach-um", "--layers"} - {own} & shown
    assert "--out" in shown and not every <= shown
    without = show(f"{command} --help")
    assert own not in flags_of(without)
    assert flags_of(without) < shown
    for other in KINDS:
        assert other in without
    assert f"disc {command} --kind" in without


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_no_default_is_blank(show, name):
    words = "run smoke --help-all" if name == "run" else f"{name} --help"
    text = " ".join(show(words).replace("│", " ").split())
    assert "(default: )" not in text and "(default: '')" not in text


def test_presets_are_told(show):
    text = show("run --help")
    for name in PRESETS:
        assert re.search(rf"^  {name} ", text, re.M)
    assert "--config" in text


def test_the_version_is_said_once(show):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert disc.__version__ == version(project["name"]) == project["version"]
    assert show("--version") == f"disc {project['version']}\n"


def test_the_package_itself_is_light():
    code = "import sys, disc; disc.__version__\n"
    code += "sys.exit(bool({'torch', 'numpy', 'tyro', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = disc.no_such_name


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m disc run laptop --help-all | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Train ")
    assert done.stderr == ""
