"""Every damage is one line that names the file, and exit code 2, quickly and in little memory."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from disc import cli
from tests.damage.cases import CASES, IMAGE, TABLE, Case
from tests.damage.conftest import TILE, words_for

PATIENCE_S = 60
MEMORY = 2 * 2**30
RUN_ALL = """
import contextlib, io, json, sys
from disc.cli import main
found = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as error:
        found.append([main(words), error])
print(json.dumps([[code, error.getvalue()] for code, error in found]))
"""
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def deadline() -> Iterator[None]:
    """A hang is a failure, not a wait."""

    def stop(*_: object) -> None:
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def damage(root: Path, case: Case) -> str:
    """Do it; the name that the line must hold."""
    path = root / case.file.format(TILE)
    case.edit(path)
    return case.named or path.name


def check(case: Case, code: int, error: str, name: str) -> None:
    assert code == 2, error
    assert error.startswith("disc: ") and error.count("\n") == 1, error
    assert name in error
    assert re.search(case.expected, error), error


def test_the_table_names_each_case_once() -> None:
    names = [str(case) for case in CASES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("file", [IMAGE, TABLE])
def test_sound_files_are_accepted(
    root: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """So that what follows is due to the damage. The table is read before the slides."""
    code = cli.main(words_for(root, file))
    error = capsys.readouterr().err
    assert code == 0 or (file == TABLE and "one.tiff: not a slide" in error)


@pytest.mark.usefixtures("deadline")
@pytest.mark.parametrize("case", [case for case in CASES if not case.is_heavy], ids=str)
def test_damage(root: Path, capsys: pytest.CaptureFixture[str], case: Case) -> None:
    if case.name == "forbidden" and IS_ROOT:
        pytest.skip("root may read everything")
    name = damage(root, case)
    code = cli.main(words_for(root, case.file))
    check(case, code, capsys.readouterr().err, name)
    assert not list((root.parent / "out").rglob("done.json"))


@pytest.fixture(scope="module")
def outcomes(
    sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str, str]]:
    """Exit code, standard error and name of the file, for every heavy damage.

    All in one process that may take 2 GiB: starting one takes seconds.
    """
    names, commands = {}, []
    for case in (case for case in CASES if case.is_heavy):
        root = Path(shutil.copytree(sound, tmp_path_factory.mktemp("heavy") / "set"))
        names[str(case)] = damage(root, case)
        commands.append(words_for(root, case.file))
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {key: (*one, name) for one, (key, name) in zip(found, names.items(), strict=True)}


@pytest.mark.parametrize("case", [case for case in CASES if case.is_heavy], ids=str)
def test_heavy_damage(outcomes: dict[str, tuple[int, str, str]], case: Case) -> None:
    check(case, *outcomes[str(case)])
