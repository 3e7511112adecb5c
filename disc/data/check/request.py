"""What `disc check` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from disc.data.readers.source import KindOrAuto
from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Which data sets to check, and where what is found goes."""

    roots: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of data sets; several are checked against each other as well."""
    kinds: Annotated[tuple[KindOrAuto, ...], tyro.conf.arg(name="kind")] = ("auto",)
    """How they are laid out: one word for all, or one for each in their order; `auto`: recognised
    by their files (never `folder`)."""
    images: str = ""
    """folder, or else lapc: folder of the images."""
    masks: tuple[str, ...] = ()
    """folder, or else lapc: folder(s) of the masks, or paths with {name}; several raters, several.
    """
    values: Mapping[int, int] = field(default_factory=dict)
    """folder, or else lapc: mask value to grade 0 (Non-Cancer), 3, 4, 5, or 255 (unknown)."""
    slides: Path | None = None
    """folder, or else lapc: CSV of slides, with scores and patients."""
    generators: Annotated[tuple[Path, ...], tyro.conf.arg(name="generator")] = ()
    """Folders of trained denoisers (RUN/denoiser/sd): which slides that validate or test they saw.
    """
    json: Path | None = None
    """File for everything that was found, for programs; `-`: standard output."""
    page: Path | None = Path("check.html")
    """The page with example tiles of each finding; None: no page."""
    processes: int = 0
    """Processes that decode tiles; 0: as many as there are cores. Changes speed only."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if no folder is given, one is given twice, kinds are neither one nor one for
                each folder, processes are negative, or a file to write is a folder.
        """
        if not self.roots:
            raise BadInput("no data set to check; give one folder or several")
        resolved = [root.resolve() for root in self.roots]
        if len(set(resolved)) < len(resolved):
            raise BadInput("a folder is given twice; give each data set once")
        if self.processes < 0:
            raise BadInput(f"--processes is {self.processes}; expected 0 (all cores) or more")
        # Better said now than when everything has been looked at.
        for path in (self.json, self.page):
            if path is not None and path.is_dir():
                raise BadInput(f"{path}: is a folder; name the file to write")
        if len(self.kinds) not in {1, len(self.roots)}:
            raise BadInput(
                f"--kind has {len(self.kinds)} words for {len(self.roots)} folders; give one for "
                "all, or one for each"
            )
