"""Every knob of the program: frozen, keyword-only, checked on construction, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.generator_settings import (
    CONDITIONS,
    Autoencoder,
    Condition,
    Denoiser,
    Distil,
    Optim,
    Sample,
    Solver,
    Speed,
    Watch,
    require,
)
from disc.labels import Palette

__all__ = [
    "CONDITIONS",
    "Autoencoder",
    "CarcinoNet",
    "Condition",
    "Data",
    "Denoiser",
    "Distil",
    "Evaluate",
    "Fold",
    "Grade",
    "Optim",
    "Phantom",
    "Report",
    "Run",
    "Sample",
    "Solver",
    "Speed",
    "Synthesis",
    "TransMIL",
    "VARIANTS",
    "Variant",
    "Watch",
]

Variant = Literal["sd", "sd-sc", "sd-disc", "sd-disc-cotrain"]
VARIANTS: tuple[Variant, ...] = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain")
Fold = Literal["Val1", "Val2", "Val3", "Val4", "All"]


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """The simulated data set that stands in where no real one is given."""

    slides: tuple[int, int, int, int] = (30, 31, 54, 9)
    """Training-partition slides by primary grade: NC, GG3, GG4, GG5 (SICAPv2's by default)."""
    test_slides: tuple[int, int, int, int] = (6, 9, 14, 2)
    """Slides of the held-out test partition, by primary grade."""
    shifted_slides: tuple[int, int, int, int] = (6, 6, 6, 6)
    """Slides of the out-of-distribution test set (another scanner and stain)."""
    referee_slides: tuple[int, int, int, int] = (8, 8, 8, 8)
    """Slides of the separate draw on whose exact masks the referee is trained."""
    core_um: tuple[float, float] = (650.0, 3000.0)
    """Mean width and length of a needle core, in micrometres."""
    annotation_noise: float = 1.0
    """How inexact and incomplete the annotator is: 0 gives exact masks, 1 the committed noise."""
    seed: int = 2404
    """Seed of the whole draw."""

    def __post_init__(self) -> None:
        require(self.annotation_noise >= 0, "phantom.annotation_noise must be >= 0")


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which tiles are read."""

    root: Path | None = None
    """Folder of a data set in the SICAPv2 layout; None draws the phantom."""
    shifted_root: Path | None = None
    """A second set, for out-of-distribution evaluation; None: the phantom's, or none."""
    shifted_kind: Literal["auto", "sicapv2", "lapc", "folder"] = "auto"
    """How the second set is laid out; auto: recognised by its files."""
    shifted_values: Mapping[int, int] = field(default_factory=dict)
    """Its mask values and their grades 0, 3, 4, 5, or 255; none: as its kind has them."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """Images of another size: refused; squares resized to `tile_px`; central squares resized."""
    fold: Fold = "Val1"
    """Its Train trains, its Test chooses, Test/Test is reported on; `All` (paper) trains on all."""
    tile_px: int = 64
    """Side of a tile in pixels; a multiple of 32."""
    workers: int = 0
    """Processes that decode tiles ahead of a training; changes speed only."""
    um_per_px: float = 4.0
    """Width of a pixel in micrometres (the phantom is drawn at it)."""

    def __post_init__(self) -> None:
        fits = self.tile_px > 0 and self.tile_px % 32 == 0 and self.um_per_px > 0
        require(fits, f"data: {self.tile_px} px of {self.um_per_px} um; give a multiple of 32 px")


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Synthetic slides that balance the training slides."""

    slides_per_grade: int | None = None
    """Real + synthetic slides of each primary grade (paper: 100); None: as many as the most."""
    tiles: tuple[int, int] = (20, 100)
    """Least and most tiles of a synthetic slide."""
    weights: tuple[float, float, float, float] = (0.40, 0.25, 0.05, 0.30)
    """Weights of primary, secondary, tertiary and Non-Cancer labels."""
    variants: tuple[Variant, ...] = VARIANTS
    """Which variants paint the slides."""
    seed: int = 0
    """Seed of recipes and noise, shared by all variants."""

    def __post_init__(self) -> None:
        require(1 <= self.tiles[0] <= self.tiles[1], "synthesis.tiles must be (least, most)")
        total = sum(self.weights)
        require(abs(total - 1) < 0.015, f"synthesis.weights add up to {total:.3f}, not to 1")


@dataclass(frozen=True, kw_only=True)
class CarcinoNet:
    """The pixel-level grader; also the referee's and the embedded encoder's architecture."""

    width: int = 16
    """Channels at full resolution."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks of the encoder by resolution."""
    optim: Optim = field(default_factory=lambda: Optim(steps=200, lr=1e-3, decay="cosine"))
    """Its training."""


@dataclass(frozen=True, kw_only=True)
class TransMIL:
    """The slide-level grader."""

    width: int = 64
    """Channels of a token."""
    heads: int = 4
    """Attention heads."""
    dropout: float = 0.1
    """Dropout after attention."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            steps=120, batch=8, lr=5e-4, weight_decay=1e-4, decay="cosine", warmup=10
        )
    )
    """Its training; a batch is of bags."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Graders on real and on real + synthetic data."""

    carcino: CarcinoNet = CarcinoNet()
    """Pixel grader and embedded encoder."""
    transmil: TransMIL = TransMIL()
    """Slide grader."""
    balance_weights: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Values of lambda in Eq. 4; 0 (real only) is always run."""
    pixel_balance_weight: float = 0.3
    """Lambda of the pixel grader."""
    seeds: int = 2
    """Grader seeds."""

    def __post_init__(self) -> None:
        weights = (*self.balance_weights, self.pixel_balance_weight)
        require(all(0 < w < 1 for w in weights), "grade: balance weights must lie in (0, 1)")


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """What is measured."""

    referee: CarcinoNet = CarcinoNet(width=24, optim=Optim(steps=500, lr=1e-3, decay="cosine"))
    """The network that re-reads generated tiles."""
    num_uniform: int = 96
    """One-label masks in the agreement set."""
    num_mixed: int = 256
    """Several-label masks in the agreement set."""
    num_bootstrap: int = 2000
    """Bootstrap draws of every interval."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """How results are shown; changes no number."""

    palette: Palette = "safe"
    """Colours of masks: safe for colour-blind readers, or the paper's."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A whole run: data, generator, synthetic slides, graders, report."""

    name: str
    """Name of the run; its folder is `out`/`name`."""
    out: Path = Path("runs")
    """Folder of runs."""
    seed: int = 0
    """Seed of everything but the phantom and the recipes."""
    data: Data = Data()
    """Tiles."""
    phantom: Phantom = Phantom()
    """The embedded data set."""
    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    """Tiles <-> latents."""
    denoiser: Denoiser = field(default_factory=Denoiser)
    """Latents from noise and a mask."""
    sample: Sample = field(default_factory=Sample)
    """Drawing."""
    distil: Distil = field(default_factory=Distil)
    """DISC and DISC-CoTrain."""
    watch: Watch = field(default_factory=Watch)
    """What is looked at while the denoisers are trained."""
    synthesis: Synthesis = Synthesis()
    """Synthetic slides."""
    grade: Grade = Grade()
    """Graders."""
    evaluate: Evaluate = Evaluate()
    """Measurements."""
    report: Report = Report()
    """The page."""
    folds: tuple[Fold, ...] = ()
    """Folds to run one after the other, each in `out`/`name`/fold; none: only `data.fold`."""
    until: str = "report"
    """Last stage to run."""
    redo: bool = False
    """Train anew what another configuration trained in this folder; else that is refused."""

    def __post_init__(self) -> None:
        is_guided = self.sample.solver.guidance != 1
        require(
            not is_guided or self.denoiser.condition_dropout > 0,
            "sample.solver.guidance needs a denoiser that was trained without masks too; "
            "set denoiser.condition_dropout, 0.1 for example",
        )
        starts_at_noise = self.sample.solver.spacing == "trailing"
        require(
            starts_at_noise or not self.denoiser.zero_terminal_snr,
            "denoiser.zero_terminal_snr needs sample.solver.spacing trailing, which alone visits "
            "the last time step",
        )
        is_default = self.data.fold == Data.fold
        require(is_default or not self.folds, "folds and data.fold: give one of them")
        is_paper, is_all = self.denoiser.protocol == "paper", self.data.fold == "All"
        require(
            is_all or not is_paper,
            "denoiser.protocol paper ends on all training tiles: it needs data.fold All",
        )
        require(
            self.watch.num_tiles > 0 or not is_paper,
            "denoiser.protocol paper compares validation losses: it needs watch.num_tiles > 0",
        )
