"""Loss of the denoiser: on real latents (Eq. 1), on fused bundles (Eq. 3), or on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from disc.model.denoiser import Denoiser
from disc.model.schedule import NUM_STEPS
from disc.settings.training import Optim
from disc.train.checkpoint import State
from disc.train.hooks import Hooks
from disc.train.loop import Batch, Step, train


def eps_step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
    """E || eps - eps_theta(z_t, t, tau(m)) ||^2, weighted by time step; of v if that is predicted.

    Args:
        state: its model is a Denoiser.
        batch: `latents` z_0 [B, 3, h, w], `masks` m uint8 [B, H, W] and, if the condition uses
            them, the labels of their `slides` uint8 [B, 4] (255: unlabelled): this process's part.
        generator: noise and time steps are sampled for the whole batch, then split.

    Returns:
        Scalars: the weighted `loss`, and the unweighted mean squared error `eps` or `v`.

    Paper: Eq. (1), Sec. 2.1.
    """
    network = state.network
    assert isinstance(network, Denoiser)
    z_0 = batch["latents"].float()
    whole = len(z_0) * state.share.count
    t = torch.randint(NUM_STEPS, (whole,), generator=generator)
    eps = torch.randn((whole, *z_0.shape[1:]), generator=generator)
    t, eps = state.share.take(t).to(z_0.device), state.share.take(eps).to(z_0.device)
    # z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps; t [B]; eps, z_0, z_t [B, 3, h, w]
    noisy = network.schedule.add_noise(z_0, eps, t)
    predicted = state.model(noisy, t, batch["masks"], batch.get("slides"))
    # Eq. (1): mean over [B, 3, h, w] of w_t (target - prediction)^2; w_t [B, 1, 1, 1]
    errors = (predicted - network.target(z_0, eps, t)).square()
    weighted = errors * network.weigh_losses(t)
    return {"loss": weighted.mean(), "v" if network.gives_velocity else "eps": errors.mean()}


def train_denoiser(
    denoiser: Denoiser,
    batch_at: Callable[[int], Batch],
    optim: Optim,
    folder: Path,
    seed: int,
    *,
    hooks: Hooks | None = None,
    step: Step = eps_step,
) -> Denoiser:
    """Train on the latents and masks of the batches; they and the step decide the variant.

    Paper: Eq. (1), Sec. 2.1; Eq. (3), Sec. 2.3.
    """
    train(
        model=denoiser,
        step=step,
        batch_at=batch_at,
        optim=optim,
        folder=folder,
        seed=seed,
        hooks=hooks,
    )
    return denoiser
