"""Damage to every file of a folder that a command reads back: told in a line, or without effect."""

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from disc import cli
from disc.files import BadInput
from disc.records.listing import UNREAD
from tests.damage.run_damages import damages
from tests.damage.run_folder import as_bytes

MEMORY = 2 * 2**30
"""Bytes that this process may take while one damaged file is read."""
SEALED = (
    *("unet", "referee.", "half0.", "autoencoder/diff", "condition.", "checkpoint.", "sheet."),
    "carcino.",
)
Reader = Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What is damaged.

    Attributes:
        root: the folder.
        readers: what a command calls to read each of its files, which takes the folder.
        is_noted: whether a change of a file, by its name, of this kind must be seen by its hash.
        is_doctored: whether `disc doctor` must name it, too.
    """

    root: Path
    readers: Mapping[str, Reader]
    is_noted: Callable[[str, str], bool]
    is_doctored: Callable[[str], bool] = lambda name: False
    before: dict[str, bytes] = field(default_factory=dict)

    def cases(self, flips: int = 6):
        """Name of a file, kind of damage, and what does it."""
        return [
            (name, what, edit)
            for number, name in enumerate(self.readers)
            for what, edit in damages(self.root / name, number, flips)
        ]


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


def examine(folder: Folder, name: str, what: str, edit, capsys) -> str:
    """What becomes of one damage; fails where it is taken for what was written."""
    path = folder.root / name
    with damaged(path, edit):
        is_other = (
            not path.is_file()
            or path.read_bytes() != path.with_name(f".{path.name}.kept").read_bytes()
        )
        is_noted = is_other and folder.is_noted(name, what)
        is_counted = start_peak()
        if folder.is_doctored(name):
            code = cli.main(["doctor", str(folder.root)])
            said = capsys.readouterr()
            assert code in (0, 1) and "Traceback" not in said.err
            if is_noted and not name.endswith("done.json"):
                assert code == 1 and f"damaged: {name}" in said.out, said.out
        try:
            found = as_bytes(folder.readers[name](folder.root))
        except (BadInput, OSError, FloatingPointError) as error:
            line = " ".join(str(error).split())
            assert line and "Traceback" not in line
            assert path.name in line or path.parent.name in line, line
            assert not is_counted or read_peak() < MEMORY, "more than 2 GiB"
            return "refused"
        assert not is_counted or read_peak() < MEMORY, "more than 2 GiB"
        if found == folder.before[name]:
            return "no effect"
    is_sealed = any(part in name for part in SEALED) and "another" not in what
    assert not (is_noted and UNREAD.isdisjoint(name.split("/"))), "taken for whole"
    assert not (is_sealed and what.startswith(("bit", "first", "noise"))), "changed weights taken"
    return "read"


def campaign(folder: Folder, chosen, capsys) -> Counter:
    """How many damages are refused, read, or without effect."""
    counts, faults = Counter(), []
    for name, what, edit in chosen:
        if name not in folder.before:
            folder.before[name] = as_bytes(folder.readers[name](folder.root))
        try:
            counts[examine(folder, name, what, edit, capsys)] += 1
        except Exception as error:
            faults.append(f"{name}, {what}: {type(error).__name__}: {str(error)[:300]}")
    assert not faults, f"{len(faults)} of {len(chosen)}:\n" + "\n".join(faults[:40])
    return counts
