"""An untrained denoiser for masks of 32 px, as small as sampling can be tested on."""

import torch

from disc.model.denoiser import Denoiser
from disc.settings.denoiser import Denoiser as DenoiserSettings

SMALL = DenoiserSettings(
    channels=(16,), attention=(True,), head_channels=16, context=16, token_stride=8
)


def build_small_denoiser() -> Denoiser:
    """The same random weights at every call."""
    torch.manual_seed(0)
    return Denoiser(SMALL).eval()
