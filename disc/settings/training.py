"""Settings of every training: optimisation, speed, validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from disc.settings.checks import require


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
class Validation:
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
        require(
            min(counts) >= 0, "validation: every, num_tiles, num_rows and num_masks must be >= 0"
        )
        require(1 <= self.num_bands <= 1000, "validation.num_bands must be in 1..1000")
        can_choose = self.every > 0 and self.num_tiles > 0
        require(
            self.keep == "last" or can_choose,
            "validation.keep best needs validation.every > 0 and validation.num_tiles > 0",
        )
