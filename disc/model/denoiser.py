"""The denoiser: a diffusers U-Net and the encoder of its condition."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from disc import settings
from disc.files import BadInput, read_json, write_json
from disc.model.condition import Condition, ConditionEncoder
from disc.model.schedule import level_at
from disc.model.store import DIFFUSERS_WEIGHTS, load_weights, save_folder, save_weights

LATENT_CHANNELS = 3


class Denoiser(nn.Module):
    """eps_theta(z_t, t, tau_theta(m)): the noise in a latent, given the tile's mask.

    Paper: Eq. (1), Sec. 2.1.
    Differs from paper: by default the U-Net gives the velocity v = sqrt(alpha_bar) eps -
    sqrt(1 - alpha_bar) z_0, from which the noise follows. Read at high noise, a small error of eps
    becomes a large one of z_0, and short trainings sampled washed-out, inflated latents.
    """

    def __init__(self, knobs: settings.Denoiser) -> None:
        """Build with random weights."""
        super().__init__()
        self.predicts = knobs.predicts
        self.condition: str = knobs.condition
        self.encode = ConditionEncoder(knobs)
        attends = knobs.attention
        self.unet = UNet2DConditionModel(
            in_channels=LATENT_CHANNELS + self.encode.num_planes,
            out_channels=LATENT_CHANNELS,
            down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple(
                "CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)
            ),
            block_out_channels=knobs.channels,
            layers_per_block=knobs.layers,
            cross_attention_dim=knobs.context,
            # diffusers reads this as the number of heads
            attention_head_dim=tuple(max(1, c // knobs.head_px) for c in knobs.channels),
            norm_num_groups=16,
        )

    def forward(
        self,
        z_t: torch.Tensor,
        t: torch.Tensor,
        masks: torch.Tensor,
        slides: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict the noise.

        Args:
            z_t: noisy latents [B, 3, h, w].
            t: time steps [B] int64.
            masks: uint8 [B, 4h, 4w], class indices.
            slides: labels of the tiles' slides, uint8 [B, 4]; see `ConditionEncoder`.
        """
        return self.predict(z_t, t, self.encode(masks, slides))

    def predict(self, z_t: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Predict the noise for masks that are encoded already, once for a whole trajectory."""
        inputs = z_t if condition.planes is None else torch.cat([z_t, condition.planes], dim=1)
        output: torch.Tensor = self.unet(inputs, t, condition.tokens, return_dict=False)[0]
        if self.predicts == "eps":
            return output
        level = level_at(t, z_t)
        return (1 - level).sqrt() * z_t + level.sqrt() * output

    def weigh_losses(self, t: torch.Tensor) -> torch.Tensor:
        """What to multiply squared errors of eps by, [B, 1, 1, 1]: those of v are 1/alpha_bar."""
        level = level_at(t, torch.zeros((), device=t.device))
        return torch.ones_like(level) if self.predicts == "eps" else 1 / level

    def save(self, folder: Path) -> None:
        """Write `unet/` (a diffusers folder), `condition.safetensors` and `denoiser.json`."""
        write_json(
            folder / "denoiser.json", {"predicts": self.predicts, "condition": self.condition}
        )
        save_folder(folder / "unet", self.unet)
        save_weights(folder / "condition.safetensors", self.encode)

    @classmethod
    def load(cls, folder: Path, knobs: settings.Denoiser) -> Denoiser:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if a file is missing.
            BadInput: if the weights are another network's, give eps where v is expected, or were
                trained for another condition.
        """
        found = read_json(folder / "denoiser.json")
        for name in ("predicts", "condition"):
            expected = getattr(knobs, name)
            if found[name] != expected:
                raise BadInput(f"{folder}: {name} is {found[name]}; expected {expected}")
        denoiser = cls(knobs)
        load_weights(folder / "unet" / DIFFUSERS_WEIGHTS, denoiser.unet)
        load_weights(folder / "condition.safetensors", denoiser.encode)
        return denoiser.eval()
