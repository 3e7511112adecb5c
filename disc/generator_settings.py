"""Every knob of the generator and of training: autoencoder, denoiser, drawing, distillation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args


def require(condition: bool, message: str) -> None:
    """Refuse a setting that cannot be."""
    if not condition:
        raise ValueError(message)


Condition = Literal["hybrid", "crossattn", "concat", "layout", "tile-label", "tile+slide-label"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a network is trained and how much memory that takes; never what it learns.

    Beyond floating point, that is; another choice leaves finished stages done.
    """

    accumulate: int = 1
    """Pieces of a batch that follow each other, for less memory; the batch stays `optim.batch`."""
    compile: bool = False
    """torch.compile for one shape of batch, on a GPU; a CPU, where it gains nothing, ignores it."""
    channels_last: bool = False
    """Lay images out with channels last: pays on a GPU, in bfloat16."""
    checkpoint_activations: bool = False
    """Compute the U-Net's activations again for the gradient instead of keeping them."""

    def __post_init__(self) -> None:
        require(self.accumulate >= 1, "speed.accumulate must be >= 1")


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
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: the network's products are taken in it (autocast); weights stay in float32."""
    speed: Speed = Speed()
    """What changes speed and memory only."""

    def __post_init__(self) -> None:
        require(self.steps >= 0, "optim.steps must be >= 0")
        require(self.batch >= 1, "optim.batch must be >= 1")
        require(0 <= self.ema < 1, "optim.ema must be in [0, 1)")
        require(self.lr >= 0, "optim.lr must be >= 0")
        require(self.clip > 0, "optim.clip must be > 0")
        require(self.checkpoint_every >= 1, "optim.checkpoint_every must be >= 1")
        pieces = self.speed.accumulate
        require(self.batch % pieces == 0, f"optim.batch {self.batch}: not {pieces} equal pieces")


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


LatentsDtype = Literal["float32", "float16"]


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """The U-Net and the encoder of its condition."""

    condition: Condition = "hybrid"
    """How the mask enters: as tokens (`crossattn`, paper), as input channels (`concat`), as both
    (`hybrid`), or what is left of it: boxes (`layout`), `tile-label`, `tile+slide-label`."""
    condition_dropout: float = 0.0
    """Share of training tiles whose mask is hidden (unknown everywhere), for guidance."""
    predicts: Literal["eps", "v"] = "v"
    """What the U-Net gives, and the loss is of: noise (paper) or velocity."""
    zero_terminal_snr: bool = False
    """Let the last time step hold no signal, as sampling starts; needs `v` and trailing spacing."""
    min_snr_gamma: float = 0.0
    """Gamma of min-SNR weights of the loss (5 is usual); 0: none. They all but leave out the last
    time steps of `zero_terminal_snr`."""
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
    latents_dtype: LatentsDtype = "float32"
    """How latents are kept on disk; float16 halves them and rounds by 1 part in 2048 at most."""
    uniform_share: float = 0.25
    """Least share of one-label tiles in a batch: separated conditions ask for uniform masks."""
    protocol: Literal["one-fold", "paper"] = "one-fold"
    """`one-fold`: trained on the tiles that `data.fold` trains on; `paper`: on those of Val1 and of
    Val2, then the one with the lower validation loss on all (`data.fold All`)."""
    final_epochs: int = 50
    """protocol `paper`: passes over all training tiles, after `optim.steps` on each fold."""
    optim: Optim = field(default_factory=lambda: Optim(steps=1500, lr=5e-4, ema=0.995))
    """Its training (Eq. 1)."""

    def __post_init__(self) -> None:
        require(self.final_epochs >= 0, "denoiser.final_epochs must be >= 0")
        require(len(self.channels) == len(self.attention), "denoiser: not one attention a width")
        in_groups = all(width > 0 and width % 16 == 0 for width in self.channels)
        require(in_groups, "denoiser.channels must be multiples of 16")
        require(self.context > 0 and self.context % 4 == 0, "denoiser.context: a multiple of 4")
        require(self.token_stride in (4, 8, 16, 32), "denoiser.token_stride: 4, 8, 16 or 32")
        require(self.min_snr_gamma >= 0, "denoiser.min_snr_gamma must be >= 0")
        require(
            self.predicts == "v" or not self.zero_terminal_snr,
            "denoiser.zero_terminal_snr needs denoiser.predicts v: where there is no signal, the "
            "noise tells nothing of a latent",
        )
        require(0 <= self.uniform_share <= 1, "denoiser.uniform_share must be in [0, 1]")
        require(1 <= self.turns <= 8, "denoiser.turns must be in 1..8")
        require(0 <= self.condition_dropout < 1, "denoiser.condition_dropout must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class Solver:
    """How a latent is drawn from noise."""

    name: Literal["ddim", "dpmpp-2m"] = "dpmpp-2m"
    """`ddim` (eta 0) is the paper's; `dpmpp-2m` is DPM-Solver++ of order 2."""
    steps: int = 15
    """Evaluations of the network."""
    spacing: Literal["leading", "trailing", "linspace"] = "leading"
    """Which of the T time steps are visited."""
    guidance: float = 1.0
    """1: none; more: away from what is painted without a mask (needs condition_dropout)."""

    def __post_init__(self) -> None:
        require(1 <= self.steps <= 999, "solver.steps must be in 1..999")
        require(self.guidance >= 0, "solver.guidance must be >= 0; 1 is none")


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
class Watch:
    """What is looked at while denoisers are trained; all of it sees the averaged weights."""

    every: int = 0
    """Steps between looks; there is one at the end in any case. 0: only that one."""
    num_tiles: int = 64
    """Validation tiles whose loss is measured; 0: none."""
    num_bands: int = 5
    """Equal bands of time steps by which the validation loss is split."""
    num_rows: int = 0
    """Rows of the preview sheet; 0: no sheet."""
    num_masks: int = 0
    """Masks whose tiles the referee re-reads, half of them with one label; 0: none."""
    keep: Literal["last", "best"] = "last"
    """Which weights a training ends with: its last, or those of the lowest validation loss."""
    tensorboard: bool = False
    """Write the logs as TensorBoard events too (needs the package `tensorboard`)."""

    def __post_init__(self) -> None:
        counts = (self.every, self.num_tiles, self.num_rows, self.num_masks)
        require(min(counts) >= 0, "watch: counts must be >= 0")
        require(1 <= self.num_bands <= 1000, "watch.num_bands must be in 1..1000")
        can_choose = self.every > 0 and self.num_tiles > 0
        require(
            self.keep == "last" or can_choose,
            "watch.keep best needs watch.every > 0 and watch.num_tiles > 0",
        )
