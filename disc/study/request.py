"""What `disc study` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from disc.files import require

Control = Literal["real-again", "real-balanced", "real-remixed", "shuffled"]
"""What is added in place of synthetic bags: all real bags once more; copies of real bags that
balance the primary grades; new bags of real tiles by the recipes of the synthetic ones; the first
variant's bags with the labels of each other."""
CONTROLS: tuple[Control, ...] = get_args(Control)
AGAIN, BALANCED, REMIXED, SHUFFLED = CONTROLS
REAL_CONTROLS = (AGAIN, BALANCED, REMIXED)


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """Graders of several runs, over a grid of variants, balance weights and seeds."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of runs with trained denoisers on the same data: one for each generator seed and
    fold; one whose denoiser is conditioned otherwise than the first's is a condition of its own."""
    out: Path
    """Folder of the study; the same command resumes it."""
    variants: tuple[str, ...] = ()
    """Variants of the generator; none: those that every run generates for its own graders."""
    controls: tuple[Control, ...] = CONTROLS
    """In place of synthetic bags: the real ones again, copies that balance the primary grades, new
    bags of real tiles by the synthetic recipes, the first variant's with each other's labels."""
    balance_weights: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Of the slide grader (lambda of Eq. 4), in (0, 1]; 0, real only, is always run; 1: synthetic
    only."""
    pixel_weights: tuple[float, ...] = (0.3,)
    """Of the pixel grader, in (0, 1]."""
    grader_seeds: int = 3
    """Seeds of the slide grader; 0: none is trained."""
    pixel_seeds: int = 1
    """Seeds of the pixel grader; 0: none is trained."""
    pixel_steps: int | None = None
    """At most, of the pixel grader; None: as the first run is configured."""
    match_sizes: bool = False
    """Cut synthetic bags to sizes of real ones, so that no size tells them apart."""
    external: Mapping[str, Path] = field(default_factory=dict)
    """Names and folders of further test sets of tiles: panda PATH lapc PATH."""
    external_um_per_px: Mapping[str, float] = field(default_factory=dict)
    """Names and widths of a pixel in µm of those of another scale (LAPC, folders)."""
    grouped: tuple[str, ...] = ("lapc",)
    """Test sets in whose pixel counts GG5 counts as GG4 (low grade against high grade)."""
    processes: int = 1
    """How many train cells side by side."""
    draws: int = 20_000
    """Of the bootstrap."""
    seed: int = 0
    """Of graders, controls and bootstrap."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if one is out of range.
        """
        weights = (*self.balance_weights, *self.pixel_weights)
        require(all(0 < weight <= 1 for weight in weights), "weights must be in (0, 1]")
        require(min(self.grader_seeds, self.pixel_seeds) >= 0, "numbers of seeds must be >= 0")
        require(self.grader_seeds + self.pixel_seeds > 0, "--grader-seeds or --pixel-seeds: one")
        require(self.processes >= 1, "--processes must be 1 or more")
        require(self.draws >= 2, "--draws must be 2 or more")
        require(not {"in", "shifted"} & {*self.external}, "--external: 'in', 'shifted' are taken")
