"""What `disc study` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from disc.files import BadInput, require
from disc.settings.grading import GIVEN, EncoderName, SlideGrader

Control = Literal["real-again", "real-balanced", "real-remixed", "shuffled"]
"""What is added in place of synthetic bags: all real bags once more; copies of real bags that
balance the primary grades; new bags of real tiles by the recipes of the synthetic ones; the first
variant's bags with the labels of each other."""
CONTROLS: tuple[Control, ...] = get_args(Control)
AGAIN, BALANCED, REMIXED, SHUFFLED = CONTROLS
REAL_CONTROLS = (AGAIN, BALANCED, REMIXED)
TAKEN = ("real", "in", "shifted", "out-of-fold")
"""Names of a study's own sets."""
GROUPED = ("lapc",)
"""Test sets that are low against high grade, where there are such."""


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
    encoders: tuple[EncoderName, ...] = ("carcino",)
    """Of slide graders' features: the embedded one, trained on the first run's masks for each
    fold, public ones by name, and `files` of another program."""
    encoder_weights: Path = Path("encoders")
    """Folder of the weight files of public encoders, named after them: lunit-dino.torch."""
    feature_files: Path | None = None
    """Folder of features for the encoder `files`: `<slide>.h5` of CLAM or TRIDENT in subfolders
    `real`, one for each further test set, and one for each synthetic set, called as the study calls
    it: `Val1 sd g0` is `sd` of fold Val1 and generator seed 0."""
    graders: tuple[SlideGrader, ...] = ("transmil",)
    """Of slides, each on the features of every encoder."""
    balance_weights: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Of the slide grader (lambda of Eq. 4), in (0, 1]; 0, real only, is always run; 1: synthetic
    only."""
    pixel_weights: tuple[float, ...] = (0.3,)
    """Of the pixel grader, in (0, 1]."""
    grader_seeds: int = 3
    """Seeds of the slide grader; 0: none is trained; with 1 nothing is called help or harm."""
    pixel_seeds: int = 3
    """Seeds of the pixel grader; 0: none is trained; with 1 nothing is called help or harm."""
    pixel_steps: int | None = None
    """At most, of the pixel grader; None: as the first run is configured."""
    match_sizes: bool = False
    """Cut synthetic bags to sizes of real ones, so that no size tells them apart."""
    external: Mapping[str, Path] = field(default_factory=dict)
    """Names and folders of further test sets of tiles: panda PATH lapc PATH."""
    external_um_per_px: Mapping[str, float] = field(default_factory=dict)
    """Names and widths of a pixel in µm of those of another scale (LAPC, folders)."""
    grouped: tuple[str, ...] = GROUPED
    """Test sets in whose pixel counts GG5 counts as GG4 (low grade against high grade)."""
    processes: int = 1
    """How many train cells, and encode slides, side by side."""
    pixel_processes: int = 0
    """So many of them train pixel graders, on the GPU where there is one, while the others train
    slide graders on the CPU; 0: all train both, where the first of them would."""
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
        is_split = self.pixel_processes == 0 or 2 <= self.pixel_processes <= self.processes - 2
        require(is_split, "--pixel-processes: 0, or 2 or more with 2 of --processes left")
        require(self.draws >= 2, "--draws must be 2 or more")
        is_long = self.pixel_steps is None or self.pixel_steps >= 1
        require(is_long, f"--pixel-steps {self.pixel_steps}: must be 1 or more")
        reads_files = GIVEN in self.encoders
        has_files = self.feature_files is not None
        require(reads_files == has_files, "--encoders files and --feature-files need each other")
        cuts = "--graders mixed-supervision cuts superpixels from pixels: not with --encoders files"
        require(not (reads_files and "mixed-supervision" in self.graders), cuts)
        require(bool(self.encoders) and bool(self.graders), "--encoders, --graders: name one")
        for name in ("encoders", "graders", "controls", "balance_weights", "pixel_weights"):
            # a cell is called by six digits of its weight
            chosen = [
                part if isinstance(part, str) else f"{part:g}" for part in getattr(self, name)
            ]
            is_set = len(set(chosen)) == len(chosen)
            require(is_set, f"--{name.replace('_', '-')} {' '.join(chosen)}: name none twice")
        for name in self.external:
            own = f"{', '.join(TAKEN)} are a study's own sets"
            require(name not in TAKEN, f"--external {name}: taken ({own}); choose another name")
            is_name = re.fullmatch(r"\w[\w.-]*", name) is not None
            said = "expected letters, digits, '-', '_' and '.', since a folder is called so"
            require(is_name, f"--external {name}: no name; {said}")
        self._check_names()

    def _check_names(self) -> None:
        """Refuse what is said of a test set that is not there."""
        sets = f"; the external sets are {', '.join(self.external) or 'none'}"
        for name, width in self.external_um_per_px.items():
            option = f"--external-um-per-px {name} {width:g}"
            require(name in self.external, f"{option}: no such set{sets}")
            require(0 < width < math.inf, f"{option}: must be > 0, and finite")
        for name in set(self.grouped) - {*self.external, "in", "shifted", *GROUPED}:
            raise BadInput(f"--grouped {name}: no such set{sets}")
