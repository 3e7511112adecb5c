"""Settings of every training: optimisation, speed, validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from disc.settings.checks import require, require_finite


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speed and memory of training; what is learned stays the same up to rounding.

    Finished stages stay done when these change.
    """

    accumulate: int = 1
    """Gradient accumulation: pieces that a batch is split into, to save memory; divides `batch`.
    The gradient is still that of the whole batch; Carcino-Nets, whose loss is no mean over tiles,
    compute each piece once more for it, without gradients (batch normalisation, of
    `carcino.architecture public`, is of a piece, and a discriminator is normalised once a
    piece)."""
    compile: bool = False
    """Compile the network with torch.compile; ignored on a CPU, where it gains nothing."""
    channels_last: bool = False
    """Channels-last memory format; faster on a GPU in bfloat16."""
    checkpoint_activations: bool = False
    """Gradient checkpointing: recompute activations in the backward pass, to save memory; denoisers
    and Carcino-Nets."""

    def __post_init__(self) -> None:
        require(self.accumulate >= 1, "speed.accumulate must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Optimisation of one network."""

    steps: int
    """Optimisation steps; 0 or more."""
    batch: int = 32
    """Batch size over all processes; 1 or more."""
    lr: float = 1e-4
    """Learning rate of AdamW after warm-up; 0 or more."""
    warmup: int = 100
    """Steps of linear warm-up of the learning rate; 0 or more."""
    decay: Literal["constant", "cosine"] = "constant"
    """Learning rate after warm-up: `constant`, or `cosine` decay to 0 at the last step."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of AdamW's averages of the gradient and of its square, each in [0, 1)."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW; 0 or more."""
    clip: float = 1.0
    """Maximum norm of the gradient, above 0; larger gradients are scaled down to it."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, in [0, 1); 0: no average."""
    checkpoint_every: int = 500
    """Steps between checkpoints; 1 or more."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: matrix products and convolutions are computed in it (autocast); weights stay in
    float32."""
    speed: Speed = Speed()
    """Speed and memory; what is learned stays the same up to rounding."""

    def __post_init__(self) -> None:
        require(self.steps >= 0, "optim.steps must be >= 0")
        require(self.batch >= 1, "optim.batch must be >= 1")
        require(0 <= self.ema < 1, "optim.ema must be in [0, 1)")
        require(all(0 <= beta < 1 for beta in self.betas), "optim.betas must be in [0, 1)")
        require_finite("optim", lr=self.lr, weight_decay=self.weight_decay)
        require(self.warmup >= 0, "optim.warmup must be >= 0")
        require(self.clip > 0, "optim.clip must be > 0")
        require(self.checkpoint_every >= 1, "optim.checkpoint_every must be >= 1")
        pieces = self.speed.accumulate
        require(
            self.batch % pieces == 0,
            f"optim.batch {self.batch} does not split into {pieces} equal pieces",
        )


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Validation during the training of denoisers, with the averaged weights (EMA)."""

    every: int = 0
    """Steps between validations; there is always one at the end. 0: only that one."""
    num_tiles: int = 64
    """Number of validation tiles whose loss is measured; 0: none."""
    num_bands: int = 5
    """Number of equal bands of time steps for which the validation loss is reported; 1 to 1000."""
    num_rows: int = 0
    """Rows of the preview image of generated tiles; 0: no preview."""
    num_masks: int = 0
    """Number of masks on which the referee measures agreement, half of them uniform; 0: none."""
    keep: Literal["last", "best"] = "last"
    """Final weights: those of the `last` step, or the `best`, of the lowest validation loss."""
    tensorboard: bool = False
    """Also write logs as TensorBoard events; needs the package `tensorboard`."""

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
