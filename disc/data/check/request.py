"""What `disc check` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Which data sets to check, and where what is found goes."""

    roots: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of data sets; several are checked against each other as well."""
    kind: Literal["auto", "sicapv2", "panda", "lapc", "folder"] = "auto"
    """How they are laid out; `auto`: recognised by their files (not `lapc`, not `folder`)."""
    images: str = ""
    """lapc, folder: folder of the images."""
    masks: tuple[str, ...] = ()
    """lapc, folder: folder(s) of the masks, or paths with {name}; several raters, several."""
    values: Mapping[int, int] = field(default_factory=dict)
    """lapc, folder: mask value to grade 0 (Non-Cancer), 3, 4, 5, or 255 (unknown)."""
    slides: Path | None = None
    """lapc, folder: CSV of slides, with scores and patients."""
    json: Path | None = None
    """File for everything that was found, for programs; `-`: standard output."""
    page: Path | None = Path("check.html")
    """The page with example tiles of each finding; None: no page."""
    processes: int = 0
    """Processes that decode tiles; 0: as many as there are cores. Changes speed only."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if no folder is given, one is given twice, or processes are negative.
        """
        if not self.roots:
            raise BadInput("no data set to check; give one folder or several")
        resolved = [root.resolve() for root in self.roots]
        if len(set(resolved)) < len(resolved):
            raise BadInput("a folder is given twice; give each data set once")
        if self.processes < 0:
            raise BadInput(f"--processes is {self.processes}; expected 0 (all cores) or more")
        is_told = bool(self.images or self.masks or self.values or self.slides)
        if is_told and self.kind not in ("lapc", "folder"):
            raise BadInput(
                "--images, --masks, --values and --slides describe sets of --kind lapc and folder"
            )
