"""Every damage is one line that names the file, and exit code 2, quickly and in little memory."""

import contextlib
import inspect
import io
import os
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from disc import cli
from disc.command_line.understand import understand
from tests.apart import call_apart
from tests.damage.cases import CASES, IMAGE, TABLE, Case
from tests.damage.conftest import TILE, words_for

PATIENCE_S = 60
MEMORY = 2**30
"""Beyond what all modules take."""
IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module", autouse=True)
def understood() -> Iterator[None]:
    """Words of a run differ in two folders alone: they are understood once, which takes longer."""
    once = understand(words_for(Path("set"), IMAGE), cli.COMMANDS, cli.ABOUT)
    request = inspect.getclosurevars(once).nonlocals["request"]

    def understand_run(words: list[str], commands: object, about: str) -> Callable[[], int]:
        if words[0] != "run":
            return understand(words, cli.COMMANDS, about)
        out, root = (Path(words[words.index(name) + 1]) for name in ("--out", "--data.root"))
        data = replace(request.run.data, root=root)
        return lambda: cli.run(replace(request, run=replace(request.run, out=out, data=data)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "understand", understand_run)
        yield


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
    """Exit code, standard error and name of the file, for every heavy damage, in little memory."""
    names, commands = {}, []
    for case in (case for case in CASES if case.is_heavy):
        root = Path(shutil.copytree(sound, tmp_path_factory.mktemp("heavy") / "set"))
        names[str(case)] = damage(root, case)
        commands.append(words_for(root, case.file))

    def act() -> list[tuple[int, str]]:
        found = []
        for words in commands:
            with contextlib.redirect_stderr(io.StringIO()) as error:
                code = cli.main(words)
            found.append((code, error.getvalue()))
        return found

    found = call_apart(act, PATIENCE_S, resource.RLIMIT_AS, MEMORY)
    return {key: (*one, name) for one, (key, name) in zip(found, names.items(), strict=True)}


@pytest.mark.parametrize("case", [case for case in CASES if case.is_heavy], ids=str)
def test_heavy_damage(outcomes: dict[str, tuple[int, str, str]], case: Case) -> None:
    check(case, *outcomes[str(case)])
