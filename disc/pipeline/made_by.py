"""By what a report was made: version, commit, command, date."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import disc
from disc.records.markers import read_done

_PACKAGE = "disc-gleason"
_SECONDS = 10


def describe_making(folder: Path, stages: Sequence[str]) -> dict[str, str]:
    """Facts about a run's making, by name; what cannot be known is left out.

    Args:
        folder: of the run.
        stages: that are done.
    """
    facts = {
        "Program": f"disc {find_version()}",
        "Commit": find_commit(),
        "Command": find_command(sys.argv),
        "Finished": _find_end(folder, stages),
    }
    return {name: fact for name, fact in facts.items() if fact}


def find_version() -> str:
    """The installed version of the package."""
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return "of no installed version"


def find_commit() -> str:
    """The commit of the program's own checkout, "" where it is not in one.

    A package that was installed into some other repository's folder is not part of that
    repository, so git must know this very file.
    """
    source = Path(disc.__file__).resolve()
    if not _ask_git(source.parent, "ls-files", "--error-unmatch", source.name):
        return ""
    commit = _ask_git(source.parent, "rev-parse", "--short=10", "HEAD")
    changed = _ask_git(source.parent, "status", "--porcelain", "--untracked-files=no", ".")
    return f"{commit}, with changes that are not committed" if commit and changed else commit


def find_command(words: Sequence[str]) -> str:
    """The command as it was given, "" where another program called this one.

    Args:
        words: of the process, its program first.
    """
    program = Path(words[0]) if words else Path()
    is_ours = program.name == "disc" or program.parts[-2:] == ("disc", "__main__.py")
    return shlex.join(["disc", *words[1:]]) if is_ours else ""


def _find_end(folder: Path, stages: Sequence[str]) -> str:
    """When the last stage before the report was done, in universal time."""
    found = [read_done(folder / name).finished for name in stages]
    ends = [end for end in found if end is not None]
    return f"{datetime.fromtimestamp(max(ends) / 1e9, UTC):%Y-%m-%d %H:%M} UTC" if ends else ""


def _ask_git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
