"""The denoiser: a diffusers U-Net and the encoder of its condition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from disc.files import BadInput, write_json
from disc.model.condition import Condition, ConditionEncoder
from disc.model.latent_shape import LATENT_CHANNELS
from disc.model.schedule import Schedule
from disc.model.store import DIFFUSERS_WEIGHTS, REMEDY, load_weights, save_folder, save_weights
from disc.records.typed import read_record
from disc.settings.denoiser import Denoiser as DenoiserSettings


class Denoiser(nn.Module):
    """eps_theta(z_t, t, tau_theta(m)): the noise in a latent, given the tile's mask.

    Paper: Eq. (1), Sec. 2.1.
    Differs from paper: by default the U-Net predicts the velocity v = sqrt(alpha_bar) eps -
    sqrt(1 - alpha_bar) z_0, from which the noise follows. At high noise a small error of eps is a
    large one of z_0: short trainings to predict eps gave washed-out tiles from latents of too large
    a standard deviation.
    """

    def __init__(self, settings: DenoiserSettings) -> None:
        """Build with random weights."""
        super().__init__()
        self.predicts = settings.predicts
        self.condition: str = settings.condition
        self.schedule = Schedule(settings.zero_terminal_snr)
        self.min_snr_gamma = settings.min_snr_gamma
        self.encode = ConditionEncoder(settings)
        attends = settings.attention
        self.unet = UNet2DConditionModel(
            in_channels=LATENT_CHANNELS + self.encode.num_planes,
            out_channels=LATENT_CHANNELS,
            down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple(
                "CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)
            ),
            block_out_channels=settings.channels,
            layers_per_block=settings.layers,
            cross_attention_dim=settings.context,
            # diffusers takes this as the number of heads
            attention_head_dim=tuple(
                max(1, c // settings.head_channels) for c in settings.channels
            ),
            norm_num_groups=16,
        )

    def forward(
        self,
        z_t: torch.Tensor,
        t: torch.Tensor,
        masks: torch.Tensor,
        slides: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict the noise, or the velocity if `gives_velocity`.

        Args:
            z_t: noisy latents [B, 3, h, w].
            t: time steps [B] int64.
            masks: uint8 [B, 4h, 4w], class indices.
            slides: labels of the tiles' slides, uint8 [B, 4]; see `ConditionEncoder`.

        Returns:
            eps or v [B, 3, h, w].
        """
        return self.predict(z_t, t, self.encode(masks, slides))

    def predict(self, z_t: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        """The same for masks that are already encoded, once for a whole trajectory."""
        output = self._run(z_t, t, condition)
        if self.predicts == "eps" or self.gives_velocity:
            return output
        return self.schedule.noise(z_t, output, t)

    def predict_latents(
        self, z_t: torch.Tensor, t: torch.Tensor, condition: Condition
    ) -> torch.Tensor:
        """The latents z_0 [B, 3, h, w] that the predicted velocity means; needs `predicts` v."""
        assert self.predicts == "v"
        return self.schedule.latents(z_t, self._run(z_t, t, condition), t)

    def _run(self, z_t: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
        """What the U-Net predicts, eps or v [B, 3, h, w]."""
        inputs = z_t if condition.planes is None else torch.cat([z_t, condition.planes], dim=1)
        output: torch.Tensor = self.unet(inputs, t, condition.tokens, return_dict=False)[0]
        return output

    def predict_noise(
        self, z_t: torch.Tensor, t: torch.Tensor, masks: torch.Tensor, slides: torch.Tensor
    ) -> torch.Tensor:
        """The noise [B, 3, h, w], whatever `forward` predicts."""
        output: torch.Tensor = self(z_t, t, masks, slides)
        return self.schedule.noise(z_t, output, t) if self.gives_velocity else output

    @property
    def gives_velocity(self) -> bool:
        """Whether `forward` predicts v: with a zero terminal SNR, eps does not determine z_0."""
        return self.schedule.has_zero_terminal

    def target(self, z_0: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Target of `forward` for latents z_0 and noise eps [B, 3, h, w] at time steps t [B]."""
        return self.schedule.velocity(z_0, eps, t) if self.gives_velocity else eps

    def weigh_losses(self, t: torch.Tensor) -> torch.Tensor:
        """Weights [B, 1, 1, 1] of the squared errors of `forward` at time steps t [B].

        They turn errors of eps into the loss of what the U-Net predicts: ||v - v_theta||^2 is
        ||eps - eps_theta||^2 / alpha_bar. Min-SNR (Hang et al. 2023) multiplies the loss of eps by
        min(SNR, gamma) / SNR and that of v by min(SNR, gamma) / (SNR + 1).

        >>> settings = DenoiserSettings(channels=(16,), attention=(False,), predicts="eps")
        >>> Denoiser(settings).weigh_losses(torch.tensor([0, 999])).flatten()
        tensor([1., 1.])
        """
        # SNR_t = alpha_bar_t / (1 - alpha_bar_t); all [B, 1, 1, 1]
        level = self.schedule.level_at(t, torch.zeros((), device=t.device))
        plain = self.predicts == "eps" or self.gives_velocity
        weights = torch.ones_like(level) if plain else 1 / level
        if not self.min_snr_gamma:
            return weights
        # min(SNR, gamma) / (SNR + 1) for v; over alpha_bar_t, min(SNR, gamma) / SNR for eps
        kept = (level / (1 - level)).clamp(max=self.min_snr_gamma) * (1 - level)
        return weights * (kept / level if self.predicts == "eps" else kept)

    def save(self, folder: Path) -> None:
        """Write `unet/` (a diffusers folder), `condition.safetensors` and `denoiser.json`."""
        facts = {
            "predicts": self.predicts,
            "condition": self.condition,
            "zero_terminal_snr": self.schedule.has_zero_terminal,
        }
        write_json(folder / "denoiser.json", facts)
        save_folder(folder / "unet", self.unet)
        save_weights(folder / "condition.safetensors", self.encode)

    @classmethod
    def load(cls, folder: Path, settings: DenoiserSettings) -> Denoiser:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if a file is missing.
            BadInput: if the weights are of another architecture, or were trained with another
                target (eps or v), condition or schedule.
        """
        found = read_record(folder / "denoiser.json", dict[str, Any], REMEDY)
        for name in ("predicts", "condition", "zero_terminal_snr"):
            expected = getattr(settings, name)
            if found.get(name) != expected:
                raise BadInput(f"{folder}: {name} is {found.get(name)}; expected {expected}")
        denoiser = cls(settings)
        load_weights(folder / "unet" / DIFFUSERS_WEIGHTS, denoiser.unet)
        load_weights(folder / "condition.safetensors", denoiser.encode)
        return denoiser.eval()
