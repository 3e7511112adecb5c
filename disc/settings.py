"""Every knob of the program: frozen, keyword-only, checked on construction, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Variant = Literal["sd", "sd-sc", "sd-disc", "sd-disc-cotrain"]
VARIANTS: tuple[Variant, ...] = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain")
Fold = Literal["Val1", "Val2", "Val3", "Val4", "All"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


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
        _require(self.annotation_noise >= 0, "phantom.annotation_noise must be >= 0")


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
        _require(fits, f"data: {self.tile_px} px of {self.um_per_px} um; give a multiple of 32 px")


@dataclass(frozen=True, kw_only=True)
class Optim:
    """How one network is trained."""

    steps: int
    """Optimisation steps."""
    batch: int = 32
    """Samples a step, over all processes."""
    lr: float = 1e-4
    """Learning rate of AdamW after warm-up."""
    warmup: int = 100
    """Steps of linear warm-up."""
    decay: Literal["constant", "cosine"] = "constant"
    """What the rate does after warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.0
    """Decay of the moving average of the weights; 0: none."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        _require(self.steps >= 0, "optim.steps must be >= 0")
        _require(self.batch >= 1, "optim.batch must be >= 1")
        _require(0 <= self.ema < 1, "optim.ema must be in [0, 1)")
        _require(self.checkpoint_every >= 1, "optim.checkpoint_every must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """The VQ autoencoder between tiles and latents (f = 4, 3 channels)."""

    source: Path | None = None
    """A diffusers VQModel folder to use as it is (disc import makes one); None trains one."""
    finetune: bool = False
    """Train the source's weights further, from its own codebook on, for `optim.steps`."""
    channels: tuple[int, int, int] = (16, 32, 64)
    """Width at full, half and quarter resolution."""
    layers: int = 1
    """Residual blocks a resolution."""
    num_codes: int = 2048
    """Size of the codebook."""
    quantise_from: float = 0.5
    """Share of the training after which the codebook, drawn from latents, comes in."""
    optim: Optim = Optim(steps=450, batch=16, lr=2e-3, decay="cosine")
    """Its training."""


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """The U-Net and the encoder of its condition."""

    condition: Literal["hybrid", "crossattn"] = "hybrid"
    """`crossattn`: tokens of the mask (paper); `hybrid`: tokens and the one-hot mask as input."""
    predicts: Literal["eps", "v"] = "v"
    """What the U-Net gives, and the loss is of: noise (paper) or velocity."""
    channels: tuple[int, ...] = (48, 96, 128)
    """Width by resolution, finest first."""
    attention: tuple[bool, ...] = (False, True, True)
    """Which resolutions attend to the condition."""
    layers: int = 1
    """Residual blocks a resolution."""
    head_px: int = 32
    """Channels of an attention head."""
    context: int = 64
    """Channels of a condition token."""
    token_stride: int = 16
    """Pixels of the mask a condition token covers."""
    turns: int = 4
    """Symmetries of the square (1 to 8) in which every training tile is encoded."""
    uniform_share: float = 0.25
    """Least share of one-label tiles in a batch: separated conditions ask for uniform masks."""
    optim: Optim = field(default_factory=lambda: Optim(steps=1500, lr=5e-4, ema=0.995))
    """Its training (Eq. 1)."""

    def __post_init__(self) -> None:
        _require(len(self.channels) == len(self.attention), "denoiser: not one attention a width")
        _require(self.token_stride in (4, 8, 16, 32), "denoiser.token_stride: 4, 8, 16 or 32")
        _require(0 <= self.uniform_share <= 1, "denoiser.uniform_share must be in [0, 1]")
        _require(1 <= self.turns <= 8, "denoiser.turns must be in 1..8")


@dataclass(frozen=True, kw_only=True)
class Solver:
    """How a latent is drawn from noise."""

    name: Literal["ddim", "dpmpp-2m"] = "dpmpp-2m"
    """`ddim` (eta 0) is the paper's; `dpmpp-2m` is DPM-Solver++ of order 2."""
    steps: int = 15
    """Evaluations of the network."""
    spacing: Literal["leading", "trailing", "linspace"] = "leading"
    """Which of the T time steps are visited."""

    def __post_init__(self) -> None:
        _require(1 <= self.steps <= 999, "solver.steps must be in 1..999")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Drawing of tiles, the same for every variant."""

    solver: Solver = Solver()
    """Solver of the plain and of the separated trajectories, and of the bank."""
    batch: int = 64
    """Trajectories denoised together; changes speed only."""


@dataclass(frozen=True, kw_only=True)
class Distil:
    """Self-distillation from separated conditions (Eq. 3)."""

    num_bundles: int = 600
    """Bundles of the bank, each of one latent a label (the paper's 20,000 latents: 5,000)."""
    optim: Optim = field(default_factory=lambda: Optim(steps=500, lr=2e-4, ema=0.99))
    """Training of each of sd-disc and sd-disc-cotrain, from the weights of sd."""


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
        _require(1 <= self.tiles[0] <= self.tiles[1], "synthesis.tiles must be (least, most)")
        total = sum(self.weights)
        _require(abs(total - 1) < 0.015, f"synthesis.weights add up to {total:.3f}, not to 1")


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
    optim: Optim = Optim(steps=120, batch=8, lr=5e-4, weight_decay=1e-4, decay="cosine", warmup=10)
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
        _require(all(0 < w < 1 for w in weights), "grade: balance weights must lie in (0, 1)")


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
    autoencoder: Autoencoder = Autoencoder()
    """Tiles <-> latents."""
    denoiser: Denoiser = Denoiser()
    """Latents from noise and a mask."""
    sample: Sample = Sample()
    """Drawing."""
    distil: Distil = Distil()
    """DISC and DISC-CoTrain."""
    synthesis: Synthesis = Synthesis()
    """Synthetic slides."""
    grade: Grade = Grade()
    """Graders."""
    evaluate: Evaluate = Evaluate()
    """Measurements."""
    until: str = "report"
    """Last stage to run."""
