"""What `disc run` and `disc doctor` have to do; light, for the command line to show at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from disc.settings.run import Run


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A run, and what is to be done with it."""

    run: Annotated[Run, tyro.conf.arg(name="")]
    """Its settings."""
    config: Path | None = None
    """In place of a preset: `config.json` of a run to repeat; other options change it."""
    dry_run: bool = False
    """Do nothing; measure a few steps, and print what the run will take on this machine."""


@dataclass(frozen=True, kw_only=True)
class DoctorRequest:
    """A run, or a study, whose files are compared with what was noted when they were written."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of a run, or of a study."""
    all: bool = False
    """List every file, also where there are many of a kind."""
