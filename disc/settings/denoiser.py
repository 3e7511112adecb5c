"""Settings of the denoiser and its condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from disc.settings.checks import require, require_finite, require_least
from disc.settings.training import Optim

Condition = Literal["hybrid", "crossattn", "concat", "layout", "tile-label", "tile+slide-label"]


CONDITIONS: tuple[Condition, ...] = get_args(Condition)


LatentsDtype = Literal["float32", "float16"]


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """The denoiser: a U-Net and the encoder of its condition."""

    condition: Condition = "hybrid"
    """How the mask conditions the U-Net: by cross-attention (`crossattn`, paper), as input channels
    (`concat`), by both (`hybrid`), or reduced to its bounding boxes (`layout`), its most frequent
    grade (`tile-label`), or that and the labels of the slide (`tile+slide-label`)."""
    condition_dropout: float = 0.0
    """Fraction of training tiles, in [0, 1), with the null condition (a mask unlabelled
    everywhere); classifier-free guidance needs it, 0.1 is usual. 0 (paper): none."""
    predicts: Literal["eps", "v"] = "v"
    """What the U-Net predicts, and the loss is of: noise (`eps`, paper) or velocity (`v`)."""
    zero_terminal_snr: bool = False
    """Let the last time step be pure noise, as at the start of sampling (Lin et al. 2023); needs
    `predicts v` and `sample.solver.spacing trailing`."""
    min_snr_gamma: float = 0.0
    """Gamma of the min-SNR weights of the loss (Hang et al. 2023), 5 is usual; 0: none. With
    `zero_terminal_snr` the last time steps get almost no weight."""
    channels: tuple[int, ...] = (48, 96, 128)
    """Channels, finest level first; multiples of 16."""
    attention: tuple[bool, ...] = (False, True, True)
    """Which resolutions have cross-attention; as many values as `channels`."""
    layers: int = 1
    """Residual blocks per resolution; 1 or more."""
    head_channels: int = 32
    """Channels per attention head."""
    context: int = 64
    """Channels of a condition token; a multiple of 4."""
    token_stride: int = 16
    """Pixels of the mask per condition token, along each side: 4, 8, 16 or 32."""
    dihedral: int = 4
    """Dihedral augmentation: in how many of the 8 flips and rotations every training tile is
    encoded; 1 to 8, 1: as it is."""
    latents_dtype: LatentsDtype = "float32"
    """Type of the latents on disk; `float16` takes half the space, with a relative error of at most
    1/2048."""
    uniform_fraction: float = 0.25
    """Fraction of a batch, in [0, 1], to the nearest tile, that is drawn from tiles with a uniform
    mask, balanced over the labels; separated conditions use uniform masks. The rest, and with 0
    (paper) all, come as they are."""
    protocol: Literal["one-fold", "paper"] = "one-fold"
    """`one-fold`: train on the training tiles of `data.fold`. `paper`: train on those of Val1 and
    of Val2, then the one of lower validation loss on all; needs `data.fold All`."""
    final_epochs: int = 50
    """With protocol `paper`: epochs on all training tiles, after `optim.steps` on each fold."""
    optim: Optim = field(default_factory=lambda: Optim(steps=1500, lr=5e-4, ema=0.995))
    """Training of the denoiser (Eq. 1)."""

    def __post_init__(self) -> None:
        require(self.final_epochs >= 0, "denoiser.final_epochs must be >= 0")
        counts = {"layers": self.layers, "head_channels": self.head_channels}
        require_least("denoiser", 1, channels=self.channels, **counts)
        require(
            len(self.channels) == len(self.attention),
            "denoiser.attention: as many values as denoiser.channels",
        )
        in_groups = all(width > 0 and width % 16 == 0 for width in self.channels)
        require(in_groups, "denoiser.channels must be multiples of 16")
        require(self.context > 0 and self.context % 4 == 0, "denoiser.context: a multiple of 4")
        require(self.token_stride in (4, 8, 16, 32), "denoiser.token_stride: 4, 8, 16 or 32")
        require_finite("denoiser", min_snr_gamma=self.min_snr_gamma)
        require(
            self.predicts == "v" or not self.zero_terminal_snr,
            "denoiser.zero_terminal_snr needs denoiser.predicts v: where there is no signal, the "
            "noise does not determine the latent",
        )
        require(0 <= self.uniform_fraction <= 1, "denoiser.uniform_fraction must be in [0, 1]")
        require(1 <= self.dihedral <= 8, "denoiser.dihedral must be in 1..8")
        require(0 <= self.condition_dropout < 1, "denoiser.condition_dropout must be in [0, 1)")
