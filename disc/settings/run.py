"""Settings of a whole run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from disc.settings.autoencoder import Autoencoder
from disc.settings.checks import require, require_distinct
from disc.settings.data import Data, Fold
from disc.settings.denoiser import Denoiser
from disc.settings.distillation import Distil, own_solvers
from disc.settings.evaluation import Evaluate
from disc.settings.grading import Grade
from disc.settings.phantom import Phantom
from disc.settings.report import Report
from disc.settings.sampling import Sample, Solver
from disc.settings.synthesis import STUDENT, Synthesis, Variant
from disc.settings.training import Validation


@dataclass(frozen=True, kw_only=True)
class Run:
    """A whole run: data, generator, synthetic slides, graders, report."""

    name: str
    """Name of the run; its folder is `out`/`name`."""
    out: Path = Path("runs")
    """Folder that holds runs."""
    seed: int = 0
    """Seed of everything but the phantom and synthetic slides."""
    data: Data = field(default_factory=Data)
    """Tiles to train and evaluate on."""
    phantom: Phantom = field(default_factory=Phantom)
    """The simulated data set, used where `data.root` is None."""
    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    """The autoencoder between tiles and latents."""
    denoiser: Denoiser = field(default_factory=Denoiser)
    """The denoiser, which generates latents from noise and a mask."""
    sample: Sample = field(default_factory=Sample)
    """Sampling of latents and tiles."""
    distil: Distil = field(default_factory=Distil)
    """Self-distillation: DISC and DISC-CoTrain."""
    validation: Validation = field(default_factory=Validation)
    """Validation during the training of denoisers."""
    synthesis: Synthesis = field(default_factory=Synthesis)
    """Synthetic slides."""
    grade: Grade = field(default_factory=Grade)
    """Graders."""
    evaluate: Evaluate = field(default_factory=Evaluate)
    """Evaluation."""
    report: Report = field(default_factory=Report)
    """The page."""
    folds: tuple[Fold, ...] = ()
    """Cross-validation folds to run one after the other, each in the folder `out`/`name`/fold;
    empty: only `data.fold`."""
    until: str = "report"
    """Last stage to run, such as `latents`, `denoiser/sd`."""
    redo: bool = False
    """Train again what a run of another configuration left in this folder; otherwise such a folder
    is refused."""

    def __post_init__(self) -> None:
        is_guided = self.sample.solver.guidance != 1
        require(
            not is_guided or self.denoiser.condition_dropout > 0,
            "sample.solver.guidance needs a denoiser trained with the null condition too; "
            "set denoiser.condition_dropout, 0.1 for example",
        )
        starts_at_noise = self.sample.solver.spacing != "leading"
        require(
            starts_at_noise or not self.denoiser.zero_terminal_snr,
            "denoiser.zero_terminal_snr needs sample.solver.spacing trailing, linspace or logsnr: "
            "leading leaves out the last time step",
        )
        require_distinct("folds", self.folds)
        is_default = self.data.fold == Data.fold
        require(is_default or not self.folds, "folds and data.fold: give one of them")
        is_paper, is_all = self.denoiser.protocol == "paper", self.data.fold == "All"
        require(
            is_all or not is_paper,
            "denoiser.protocol paper ends on all training tiles: it needs data.fold All",
        )
        require(
            self.validation.num_tiles > 0 or not is_paper,
            "denoiser.protocol paper compares validation losses: it needs validation.num_tiles > 0",
        )
        absent = [name for name in self.synthesis.variants if name not in self.variants]
        require(not absent, f"synthesis.variants {' '.join(absent)}: not in distil.variants")
        missing = [name for name in self.pixel_variants if name not in self.synthesis.variants]
        said = f"grade.pixel_variants {' '.join(missing)}: not in synthesis.variants"
        require(not missing, f"{said}; name some of these, or none")
        require(
            STUDENT not in self.variants or self.denoiser.predicts == "v",
            f"distil.variants {STUDENT} needs denoiser.predicts v: from pure noise, its first "
            "step, noise tells nothing of a latent",
        )

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants of this run, in the order of tables."""
        return ("sd", "sd-sc", *self.distil.variants)

    @property
    def pixel_variants(self) -> tuple[Variant, ...]:
        """The variants that pixel-level graders are trained with."""
        chosen = self.grade.pixel_variants
        return self.synthesis.variants if chosen is None else chosen

    def solver_of(self, variant: str) -> Solver:
        """How tiles of a variant are drawn."""
        return self.solvers.get(variant, self.sample.solver)

    @property
    def solvers(self) -> dict[str, Solver]:
        """Of variants that are not drawn by the sampling's."""
        return own_solvers(self.sample.solver, self.distil.student)
