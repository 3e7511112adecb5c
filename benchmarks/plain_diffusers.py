"""Separated conditions as a user of diffusers would write them, without any sampler of ours.

diffusers' U-Net, VQModel and schedulers, and the condition encoder of a run; the baselines of
`benchmarks/sampling.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.vq_model import VQModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from disc.files import read_json
from disc.labels import NUM_LABELS
from disc.model.condition import ConditionEncoder
from disc.model.denoiser import Denoiser
from disc.pipeline.context import Context
from disc.processes import own_device

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
}
PREDICTS = {"v": "v_prediction", "eps": "epsilon"}


@dataclass(frozen=True)
class Plain:
    """What a user of diffusers loads, and how they sample with it.

    Attributes:
        unet: of a variant.
        vq: the run's autoencoder.
        encode: turns masks uint8 [B, H, W] into tokens and planes.
        scheduler: of diffusers.
        steps: of the scheduler.
        shares_batch: whether the labels of a tile go through the network together.
    """

    unet: Any
    vq: Any
    encode: ConditionEncoder
    scheduler: Any
    steps: int
    shares_batch: bool = False

    @torch.inference_mode()
    def denoise(self, noise: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """One latent a mask uint8 [B, H, W], from noise [B, 3, h, w]."""
        device = self.unet.device
        condition = self.encode(masks.to(device))
        self.scheduler.set_timesteps(self.steps)
        z = noise.to(device)
        for t in self.scheduler.timesteps:
            inputs = z if condition.planes is None else torch.cat([z, condition.planes], dim=1)
            predicted = self.unet(inputs, t, encoder_hidden_states=condition.tokens).sample
            z = self.scheduler.step(predicted, t, z).prev_sample
        return z

    @torch.inference_mode()
    def fuse_labels(self, noise: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Every label from the same noise, all four of them, fused by masks uint8 [B, H, W]."""
        labels = [torch.full_like(masks, label) for label in range(NUM_LABELS)]
        if self.shares_batch:
            together = self.denoise(noise.repeat(NUM_LABELS, 1, 1, 1), torch.cat(labels))
            parts = torch.stack(together.chunk(NUM_LABELS))
        else:
            parts = torch.stack([self.denoise(noise, label) for label in labels])
        side, asked = noise.shape[-1], masks[:, None].to(parts.device)
        small = torch.nn.functional.interpolate(asked.float(), side, mode="nearest-exact")
        return torch.stack([small == label for label in range(NUM_LABELS)]).mul(parts).sum(0)

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Tiles uint8 [B, H, W, 3]."""
        images = self.vq.decode(latents / self.vq.config.scaling_factor).sample
        pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return pixels.movedim(1, -1).cpu().numpy()


def load_plain(context: Context, variant: str, solver: str, *, shares_batch: bool = False) -> Plain:
    """The networks of a run, by diffusers, with a scheduler: "ddim 200" or "dpmpp-2m 20".

    DDIM as latent-diffusion sets it; DPM-Solver++ 2M with diffusers' own defaults, its spacing
    included.
    """
    folder, device = context.folder / "denoiser" / variant, own_device()
    predicts = read_json(folder / "denoiser.json")["predicts"]
    schedule = {**SCHEDULE, "prediction_type": PREDICTS[predicts]}
    name, steps = solver.split()
    if name == "ddim":
        more = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
        scheduler = DDIMScheduler(**schedule, **more)
    else:
        scheduler = DPMSolverMultistepScheduler(**schedule)
    return Plain(
        unet=UNet2DConditionModel.from_pretrained(folder / "unet").eval().to(device),
        vq=VQModel.from_pretrained(context.folder / "latents" / "autoencoder").eval().to(device),
        encode=Denoiser.load(folder, context.run.denoiser).to(device).encode,
        scheduler=scheduler,
        steps=int(steps),
        shares_batch=shares_batch,
    )
