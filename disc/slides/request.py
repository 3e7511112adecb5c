"""What `disc grade` and `disc export-wsinfer` are asked to do; light, for the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from disc.files import require
from disc.settings.grading import EncoderName

PASSES: Literal[10] = 10
"""Usual passes of windows over a slide."""
_WEIGHTS = ("config.json", "disc.json")
"""What tells the folder of a run, or of exported weights, from a folder of slides."""


@dataclass(frozen=True, kw_only=True)
class GradeRequest:
    """Slides, and the weights whose graders read them."""

    paths: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN] SLIDE...")
    ] = ()
    """First the folder of a run with graders, or of exported weights; without one, the weights
    that disc ships read, which know simulated tissue only. Then slides, or folders of slides:
    whole-slide formats, TIFF, PNG, JPEG."""
    out: Path = Path("grade")
    """Folder of the results, a folder a slide in it."""
    features: tuple[Path, ...] = ()
    """Instead of slides: HDF5 files of features of an encoder that the run has slide graders on, as
    CLAM and TRIDENT write them."""
    encoder: EncoderName | None = None
    """Of --features: the encoder that made them, where the run has slide graders on several."""
    mpp: float | None = None
    """Micrometres per pixel of the slides at full resolution, where their files do not say."""
    grader: str = "real"
    """Which of the run's graders: the name of a folder in graders/pixels, such as `sd-disc 0.3`."""
    passes: Literal[1, 5, 10, 17] = PASSES
    """How often windows half a window apart cover the slide, each time moved: with more, the map
    depends less on where windows lie, and takes longer by as much."""

    @property
    def run(self) -> Path | None:
        """Folder of the run or the exported weights; None: those that disc ships."""
        first = self.paths[0] if self.paths else None
        if first is None or self.features:
            return first
        return first if any((first / name).is_file() for name in _WEIGHTS) else None

    @property
    def slides(self) -> tuple[Path, ...]:
        """Slides, or folders of slides."""
        return self.paths if self.run is None else self.paths[1:]

    def __post_init__(self) -> None:
        """Check the numbers, and that what stands first is there.

        Raises:
            BadInput: if one is out of range, there is nothing or too much to grade, or what
                stands before others is missing: were it a run, other weights would grade them.
        """
        require(
            bool(self.slides) != bool(self.features),
            "give the slides to grade, or --features with files of features, and not both",
        )
        require(
            self.encoder is None or bool(self.features),
            "--encoder says whose features --features are; give both, or slides without it",
        )
        require(
            self.mpp is None or 0 < self.mpp < math.inf,
            f"--mpp is {self.mpp}; expected micrometres, more than 0",
        )
        first = next(iter(self.paths), Path())
        require(
            first.exists() or not any(path.exists() for path in self.paths[1:]),
            f"{first}: not found, so neither a run nor a slide; correct its path, or leave it out: "
            "without a run, the weights that disc ships read slides",
        )


@dataclass(frozen=True, kw_only=True)
class WsinferRequest:
    """A run's pixel grader, to be written as a tile classifier for QuPath's WSInfer extension."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a run with graders, or of exported weights."""
    out: Annotated[Path, tyro.conf.Positional]
    """New folder, to be put into QuPath's folder of models under `local`."""
    grader: str = "real"
    """Which of the run's graders: the name of a folder in graders/pixels."""
