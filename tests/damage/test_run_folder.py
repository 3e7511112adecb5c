"""Damage to every file of a run that any command reads: told in a line, or without effect."""

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from disc import cli
from disc.files import BadInput
from disc.records.listing import UNREAD
from tests.damage.run_damages import damages
from tests.damage.run_folder import AT_WORK, READERS, as_bytes, write_run

MEMORY = 2 * 2**30
"""Bytes that this process may take while one damaged file is read."""
SAMPLE = 30
"""Cases of the fast tests, of a run that noted its files and again of one that did not."""
WITHOUT_HASH = ("without check", "check None")
SEALED = (
    *("unet", "referee.", "half0.", "autoencoder/diff", "condition.", "checkpoint.", "sheet."),
    "carcino.",
)


@pytest.fixture(scope="module", params=["recorded", "older"])
def run(request, tmp_path_factory) -> Path:
    is_recorded = request.param == "recorded"
    return write_run(tmp_path_factory.mktemp(request.param), is_recorded=is_recorded)


def start_peak() -> bool:
    """Count the memory of this process from here on; whether the system does that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return True
    return False


def read_peak() -> int:
    """Most bytes that this process has taken since; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("VmHWM")), 0)


@contextmanager
def damaged(path: Path, edit) -> Iterator[None]:
    """A file with damage, brought back afterwards, in at most a minute."""
    kept, text = path.with_name(f".{path.name}.kept"), path.read_bytes()
    shutil.copy2(path, kept)

    def stop(*_: object) -> None:
        raise TimeoutError("it hangs")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        edit(path)
        yield
    finally:
        signal.alarm(0)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        kept.replace(path)
        assert path.read_bytes() == text


def cases(run: Path, flips: int = 6):
    return [
        (name, what, edit)
        for number, name in enumerate(READERS)
        for what, edit in damages(run / name, number, flips)
    ]


def examine(run: Path, name: str, what: str, edit, *, before: bytes, capsys) -> str:
    """What becomes of one damage; fails where it is taken for what was written."""
    path, is_recorded = run / name, "recorded" in run.parent.name
    is_listed = is_recorded and AT_WORK not in name and name != "config.json"
    # A stage without its marker is one that is not done.
    is_listed = is_listed and (name.rpartition("/")[2], what) != ("done.json", "missing")
    with damaged(path, edit):
        is_other = (
            not path.is_file()
            or path.read_bytes() != path.with_name(f".{path.name}.kept").read_bytes()
        )
        is_counted = start_peak()
        code = cli.main(["doctor", str(run)])
        said = capsys.readouterr()
        assert code in (0, 1) and "Traceback" not in said.err
        if is_listed and is_other and not name.endswith("done.json"):
            assert code == 1 and f"damaged: {name}" in said.out, said.out
        try:
            found = as_bytes(READERS[name](run))
        except (BadInput, OSError, FloatingPointError) as error:
            line = " ".join(str(error).split())
            assert line and "Traceback" not in line
            assert path.name in line or path.parent.name in line, line
            assert not is_counted or read_peak() < MEMORY, "more than 2 GiB"
            return "refused"
        assert not is_counted or read_peak() < MEMORY, "more than 2 GiB"
        if found == before:
            return "no effect"
    is_sealed = any(part in name for part in SEALED) and "another" not in what
    # A marker that lacks its own hash is one from before there were any: what follows is redone.
    is_listed = is_listed and not (name.endswith("done.json") and what in WITHOUT_HASH)
    assert not (is_listed and is_other and UNREAD.isdisjoint(name.split("/"))), "taken for whole"
    assert not (is_sealed and what.startswith(("bit", "first", "noise"))), "changed weights taken"
    return "read"


def campaign(run: Path, chosen, capsys) -> Counter:
    counts, faults, before = Counter(), [], {}
    for name, what, edit in chosen:
        if name not in before:
            before[name] = as_bytes(READERS[name](run))
        try:
            counts[examine(run, name, what, edit, before=before[name], capsys=capsys)] += 1
        except Exception as error:
            faults.append(f"{name}, {what}: {type(error).__name__}: {str(error)[:300]}")
    assert not faults, f"{len(faults)} of {len(chosen)}:\n" + "\n".join(faults[:40])
    return counts


def test_a_sample_of_damage_is_told_in_a_line(run, capsys):
    found = cases(run)
    step = len(found) // SAMPLE
    counts = campaign(run, found[::step], capsys)
    assert counts["refused"] > SAMPLE / 2


@pytest.mark.slow
def test_every_damage_is_told_in_a_line(run, capsys):
    found = cases(run, flips=14)
    assert len(found) >= 1500
    counts = campaign(run, found, capsys)
    with capsys.disabled():
        print(f"\n{run.parent.name}: {len(found)} cases: {dict(counts)}")
    assert counts["refused"] > len(found) / 2
