"""What `disc sample`, `synthesize` and `bank` are asked to do; light: the command line shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disc.files import BadInput, require
from disc.labels import GRADES, Label


@dataclass(frozen=True, kw_only=True)
class SampleRequest:
    """Tiles to be generated from masks, or from a recipe for a Gleason score."""

    run: Path | None = None
    """Folder of a trained run, or of exported weights, which may stand first, without --run; None:
    the weights that disc ships, which know simulated tissue only."""
    out: Path
    """New folder for tiles, masks and a contact sheet, or one that the same command began."""
    mask: Path | None = None
    """A PNG mask, or a folder of them, of the side of the run's tiles."""
    values: Literal["sicapv2", "classes"] | None = None
    """With --mask, always given: 0, 3, 4, 5 (`sicapv2`) or 0, 1, 2, 3 (`classes`); 255: unknown."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """What is done with larger masks: they are refused, made as small as the run's tiles (`resize`;
    the shapes in them too), or their central square is taken."""
    recipe: str = ""
    """In place of --mask: a Gleason score, 4+5 or 4+5=9; masks are drawn from the run's training
    shapes."""
    tiles: int | None = None
    """With --recipe: how many; None: 12."""
    variant: str = "sd-sc"
    """sd, sd-sc, sd-disc, sd-disc-cotrain or sd-disc-fast, whichever the run has."""
    plan: str = ""
    """How sd-sc fuses labels: end, step, step-null, switch@0.75, late@0.5, guide@1.5 or heal@250;
    none: as the run is configured."""
    steps: int | None = None
    """Steps of the solver; None: as the run's configuration says."""
    seed: int = 0
    """Seed of the tiles, and of the recipe."""

    def __post_init__(self) -> None:
        """Check what goes together.

        Raises:
            BadInput: if there is neither a mask nor a recipe, or both, or values are not explained.
        """
        both = (self.mask is None) == (not self.recipe)
        require(not both, "give --mask or --recipe, one of them")
        require(
            self.mask is None or self.values is not None,
            "--mask needs --values: sicapv2 for 0, 3, 4, 5 or classes for 0, 1, 2, 3",
        )
        require(
            self.mask is not None or self.fit == "exact",
            "--fit is for masks of --mask; those of a recipe fit",
        )
        if self.mask is not None:
            require(self.tiles is None, "--tiles is for --recipe; of --mask all are generated")
        else:
            require(self.values is None, "--values is for --mask; those of a recipe are known")
        least = self.tiles
        require(least is None or least >= 1, f"--tiles is {least}; expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class BankRequest:
    """A bank of separated conditions: latents of every label from one noise, without a mask."""

    run: Path | None = None
    """Folder of a trained run, or of exported weights, whose sd fills the bank; it may stand first,
    without --run. None: the weights that disc ships."""
    out: Path
    """Folder of the bank; one that was begun by the same options is continued, or made larger."""
    bundles: int
    """How many: each holds one latent per label of the training tiles."""
    steps: int | None = None
    """Steps of the solver; None: as the run's configuration says."""
    seed: int = 0
    """Seed of the noise; every bundle has a stream of its own."""

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            BadInput: if there is nothing to do.
        """
        require(self.bundles >= 1, f"--bundles is {self.bundles}; expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """Synthetic slides that balance the primary grades, as a data set in the layout of SICAPv2."""

    run: Path | None = None
    """Folder of a trained run, or of weights exported with shapes; it may stand first, without
    --run. None: the weights that disc ships."""
    out: Path
    """Folder of the set; one that was begun by the same options is continued."""
    variant: str = "sd-sc"
    """sd, sd-sc, sd-disc, sd-disc-cotrain or sd-disc-fast, whichever the run has."""
    plan: str = ""
    """How sd-sc fuses labels: end, step, step-null, switch@0.75, late@0.5, guide@1.5 or heal@250;
    none: as the run is configured."""
    steps: int | None = None
    """Steps of the solver; None: as the run's configuration says."""
    slides_per_grade: int | None = None
    """Training + synthetic slides of every primary grade (paper: 100); None: as the run is
    configured."""
    counts: str = ""
    """In its place, synthetic slides by primary grade: NC=70,GG3=69,GG4=46,GG5=91; none of those
    left out."""
    tiles: tuple[int, int] | None = None
    """Minimum and maximum number of tiles of a slide (paper: 20 100); None: as the run is
    configured."""
    seed: int = 0
    """Seed of slides, masks and noise."""
    from_bank: Path | None = None
    """A bank that disc bank made of the same run: its bundles are fused, and nothing denoised."""
    reuse: int = 1
    """With --from-bank: how many tiles a bundle may be used for."""
    drop_copies: bool = False
    """Take out tiles that copy a training tile, whole or in part, by disc audit's thresholds."""

    def __post_init__(self) -> None:
        """Check what goes together.

        Raises:
            BadInput: if numbers are out of range, or options contradict each other.
        """
        both = self.slides_per_grade is not None and bool(self.counts)
        require(not both, "give --slides-per-grade or --counts, not both")
        grade = self.slides_per_grade
        require(grade is None or grade >= 1, f"--slides-per-grade is {grade}; expected 1 or more")
        require(not self.counts or sum(self.by_grade.values()) > 0, "--counts asks for no slide")
        least, most = self.tiles or (1, 1)
        require(1 <= least <= most, f"--tiles is {least} {most}; expected minimum and maximum")
        require(self.reuse >= 1, f"--reuse is {self.reuse}; expected 1 or more")
        if self.from_bank is None:
            require(self.reuse == 1, "--reuse is of a bank's bundles; give --from-bank too")
            return
        require(
            self.variant == "sd-sc" and self.plan in ("", "end") and self.steps is None,
            "--from-bank is sd-sc under the plan end, in the steps that the bank was made with; "
            "leave out --variant, --plan and --steps",
        )

    @property
    def by_grade(self) -> dict[int, int]:
        """Synthetic slides by primary grade, where `counts` says them.

        Raises:
            BadInput: if it cannot be understood.
        """
        found: dict[int, int] = {}
        for part in self.counts.replace(" ", "").split(",") if self.counts else []:
            name, _, number = part.partition("=")
            grade = GRADES[Label[name]] if name in Label.__members__ else -1
            if grade < 0 or grade in found or not number.isdecimal():
                raise BadInput(
                    f"--counts has '{part}'; expected numbers of slides as in NC=70,GG3=69, each "
                    f"of {', '.join(Label.__members__)} at most once"
                )
            found[grade] = int(number)
        return found
