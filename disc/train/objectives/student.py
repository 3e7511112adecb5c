"""The student: taught on the noise that bundles were denoised from, so that one step is enough.

A bundle's latents are a function of its noise z_T, and so is what is fused of them under a mask. A
network that sees both learns that function, where one that sees latents with fresh noise can learn
their mean alone. Only a bank of separated conditions gives such pairs for any mask.

Differs from paper: it has no such student.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from disc.masks.recipes import draw_tile
from disc.masks.shapes import count_regions, label_shape
from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_CHANNELS
from disc.model.schedule import NUM_STEPS
from disc.model.tokens import CLASSES, label_planes
from disc.sample.bank import Bank
from disc.sample.separated import fuse
from disc.seeds import derive, numpy_generator
from disc.settings.distillation import Student
from disc.settings.training import Optim
from disc.train.checkpoint import State
from disc.train.diagnose import Batch, NamedBatches, Step
from disc.train.draws import NUM_DIHEDRAL
from disc.train.hooks import Hook, Hooks
from disc.train.latents.latent_set import unknown_slides
from disc.train.loop import train
from disc.train.objectives.discriminator import Discriminator, contest_loss
from disc.train.objectives.distil import deal_bundles, even_weights, name_bundles
from disc.train.tensorboard import Measurements

Shapes = Sequence[npt.NDArray[np.uint8]]
CHANNELS = 32
"""Of the discriminator's first layer."""


def student_batches(
    bank: Bank,
    shapes: Shapes,
    *,
    batch: int,
    seed: int,
    purpose: str,
    is_paired: bool = True,
) -> NamedBatches:
    """Bundles fused under masks of several labels, with the noise that they came from.

    Masks are drawn fresh at every step, their labels all equally likely. Noise, latents and mask
    are flipped and rotated together.

    Args:
        bank: bundles and their seeds.
        shapes: shape maps; those of one region are left out where there are others.
        batch: samples a step.
        seed: of bundles, masks and symmetries.
        purpose: of the same.
        is_paired: whether batches hold the `noise`; the step draws fresh noise for those without.
    """
    regions = [count_regions(shape) for shape in shapes]
    several = [i for i, count in enumerate(regions) if 1 < count <= len(bank.labels)]
    kept = several or list(range(len(shapes)))
    room = [regions[i] for i in kept]
    weights = even_weights(bank)
    bundles_at = deal_bundles(bank, batch=batch, seed=seed, purpose=purpose)

    def part_at(step: int, rows: range) -> Batch:
        own = slice(rows.start, rows.stop)
        rng, bundles = numpy_generator(seed, purpose, "masks", step), bundles_at(step)[own]
        drawn = [draw_tile(room, weights, rng) for _ in range(batch)][own]
        versions = rng.integers(NUM_DIHEDRAL, size=batch).tolist()[own]
        masks = [label_shape(shapes[kept[tile.shape]], tile.labels) for tile in drawn]
        targets = torch.from_numpy(np.stack(masks))
        fused = fuse(bank.take(bundles), targets)
        found = {"latents": turn_each(fused, versions), "masks": turn_each(targets, versions)}
        if is_paired:
            found["noise"] = turn_each(bank.draw_noise(bundles.tolist()), versions)
        return {**found, "slides": unknown_slides(len(rows))}

    return NamedBatches.by_rows(part_at, batch, lambda step: name_bundles(bundles_at(step)))


class Contest(nn.Module):
    """A student and its discriminator as one module, trained by one loss with one backward pass.

    One evaluation regresses on latents that it cannot foresee in full, so it blurs them. The
    discriminator sees latents beside their masks and pulls what the student makes of them back
    towards those that were denoised.
    """

    def __init__(self, denoiser: Denoiser, settings: Student) -> None:
        """Take a denoiser to teach; the discriminator starts from random weights."""
        super().__init__()
        self.denoiser = denoiser
        self.weight, inputs = settings.discriminator_weight, LATENT_CHANNELS + CLASSES
        self.discriminator = None
        if self.weight > 0:
            self.discriminator = Discriminator(inputs, CHANNELS, strides=(1, 2, 1, 1))

    def forward(
        self,
        z_0: torch.Tensor,
        eps: torch.Tensor,
        t: torch.Tensor,
        known: tuple[torch.Tensor, torch.Tensor | None],
        is_opposed: bool,
    ) -> dict[str, torch.Tensor]:
        """The loss and its parts.

        Args:
            z_0: latents [B, 3, h, w].
            eps: noise, of the same shape.
            t: time steps int64 [B].
            known: masks uint8 [B, 4h, 4w], and labels of the slides uint8 [B, 4].
            is_opposed: whether the discriminator counts.
        """
        schedule = self.denoiser.schedule
        level = schedule.level_at(t, z_0)
        # z_t = sqrt(alpha_bar_t) z_0^mixed + sqrt(1 - alpha_bar_t) eps, [B, 3, h, w]
        z_t = schedule.add_noise(z_0, eps, t)
        z_theta = self.denoiser.predict_latents(z_t, t, self.denoiser.encode(*known))

        def error_of(made: torch.Tensor) -> torch.Tensor:
            # || v - v_theta ||^2 = || z_0 - z_theta ||^2 / (1 - alpha_bar_t)
            return ((made - z_0).square() / (1 - level)).mean()

        if self.discriminator is None:
            return {"loss": error_of(z_theta)}
        discriminator, planes = self.discriminator, label_planes(known[0])

        def discriminate(latents: torch.Tensor) -> list[torch.Tensor]:
            features = discriminator(torch.cat([latents, planes], dim=1))
            return [one.float() for one in features]  # losses are no matter for autocast

        weight = self.weight if is_opposed else 0.0
        loss, error, own = contest_loss(z_theta, z_0, error_of, discriminate, (weight, weight))
        return {"loss": loss, "v": error, "discriminator": own}


def teach(
    denoiser: Denoiser,
    batch_at: Callable[[int], Batch],
    optim: Optim,
    folder: Path,
    seed: int,
    *,
    settings: Student,
    hooks: Hooks | None = None,
) -> Denoiser:
    """Train a denoiser as a student; arguments as of `train_denoiser`, and the student's settings.

    Hooks measure the denoiser; its discriminator is let go at the end.
    """
    torch.manual_seed(derive(seed, "discriminator"))
    hooks = hooks or Hooks()
    measures = [partial(_measure_denoiser, hook) for hook in hooks.hooks]
    train(
        model=Contest(denoiser, settings),
        step=student_step(replace(settings, optim=optim)),
        batch_at=batch_at,
        optim=optim,
        folder=folder,
        seed=seed,
        hooks=replace(hooks, hooks=measures),
    )
    return denoiser


def _measure_denoiser(hook: Hook, contest: nn.Module, step: int) -> Measurements:
    assert isinstance(contest, Contest)
    return hook(contest.denoiser, step)


def student_step(settings: Student) -> Step:
    """The loss of a student, || v - v_theta(z_t, t, tau(m)) ||^2, and of its discriminator.

    Its batches hold `latents` z_0^mixed [B, 3, h, w], `masks` uint8 [B, H, W] and, if they are
    paired, the `noise` z_T [B, 3, h, w] that the latents were denoised from. Its network is a
    `Contest`.

    Args:
        settings: which time steps are drawn how often, and from when on the discriminator counts.
    """
    start = int(settings.discriminator_start * settings.optim.steps)

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        network, share = state.network, state.share
        assert isinstance(network, Contest)
        z_0 = batch["latents"].float()
        whole = len(z_0) * share.count
        t = share.take(draw_time_steps(whole, settings, generator)).to(z_0.device)
        if "noise" in batch:
            # Sampling starts at z_T itself: eps is what it holds besides the schedule's
            # sqrt(alpha_bar_{T-1}) z_0, and one eps serves the whole way
            last = torch.full_like(t, NUM_STEPS - 1)
            eps = network.denoiser.schedule.noise_in(batch["noise"], z_0, last)
        else:
            fresh = torch.randn((whole, *z_0.shape[1:]), generator=generator)
            eps = share.take(fresh).to(z_0.device)
        known = (batch["masks"], batch.get("slides"))
        found: Mapping[str, torch.Tensor] = state.model(z_0, eps, t, known, state.step >= start)
        return found

    return step


def draw_time_steps(num: int, settings: Student, generator: torch.Generator) -> torch.Tensor:
    """Time steps int64 [num]: any, or one of those that sampling in few steps visits."""
    weights = torch.tensor(settings.visited_weights)
    places = torch.multinomial(weights, num, replacement=True, generator=generator)
    any_step = torch.randint(NUM_STEPS, (num,), generator=generator)
    is_visited = torch.rand(num, generator=generator) < settings.visited_fraction
    return torch.where(is_visited, torch.tensor(settings.visited)[places], any_step)


def turn_each(squares: torch.Tensor, versions: Sequence[int]) -> torch.Tensor:
    """Each of [B, ..., H, H] in its flip or rotation (0..7), as `disc.train.draws.transform`."""
    transformed = [
        torch.rot90(square, version % 4, (-2, -1))
        for square, version in zip(squares, versions, strict=True)
    ]
    flipped = [s if v < 4 else s.flip(-1) for s, v in zip(transformed, versions, strict=True)]
    return torch.stack(flipped)
