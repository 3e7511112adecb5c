"""Settings of the denoiser and of its condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from disc.settings.checks import require
from disc.settings.training import Optim

Condition = Literal["hybrid", "crossattn", "concat", "layout", "tile-label", "tile+slide-label"]


CONDITIONS: tuple[Condition, ...] = get_args(Condition)


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
    head_channels: int = 32
    """Channels of an attention head."""
    context: int = 64
    """Channels of a condition token."""
    token_stride: int = 16
    """Pixels of the mask a condition token covers."""
    dihedral: int = 4
    """Symmetries of the square (1 to 8) in which every training tile is encoded."""
    latents_dtype: LatentsDtype = "float32"
    """How latents are kept on disk; float16 halves them and rounds by 1 part in 2048 at most."""
    uniform_fraction: float = 0.25
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
        require(0 <= self.uniform_fraction <= 1, "denoiser.uniform_fraction must be in [0, 1]")
        require(1 <= self.dihedral <= 8, "denoiser.dihedral must be in 1..8")
        require(0 <= self.condition_dropout < 1, "denoiser.condition_dropout must be in [0, 1)")
