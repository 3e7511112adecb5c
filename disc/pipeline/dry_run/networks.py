"""What a dry run measures: each network of a run, at one unit of its work, on random data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, sqrt

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from disc.grade.carcino import build_carcino
from disc.grade.features import describe_posteriors
from disc.grade.focal import pixel_loss
from disc.grade.transmil import TransMIL
from disc.labels import NUM_LABELS
from disc.model.autoencoder import PIXELS, Autoencoder, build_vq, to_unit
from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_CHANNELS, LATENT_FACTOR
from disc.sample.sampler import decode_chunk
from disc.sample.solver import denoise
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.settings.grading import CarcinoNet as CarcinoNetSettings
from disc.settings.run import Run
from disc.settings.sampling import Sample
from disc.settings.training import Optim
from disc.train.checkpoint import State
from disc.train.latents.latent_set import unknown_slides
from disc.train.loop import Batch, Step
from disc.train.objectives.autoencoder import LOSSES
from disc.train.objectives.decoder import Contest
from disc.train.objectives.diffusion import eps_step
from disc.train.objectives.texture import texture_loss

SOLVED = 2
"""Solver steps that are timed together."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A network whose training step is measured."""

    build: Callable[[], nn.Module]
    step: Step
    draw: Callable[[int], Batch]
    """A batch of so many samples."""
    optim: Optim


@dataclass(frozen=True, kw_only=True)
class Passing:
    """A network whose forward pass is measured."""

    build: Callable[[], nn.Module]
    call: Callable[[nn.Module, int, torch.device], object]
    """Does the work on so many samples."""
    batch: int
    repeats: int = 1
    """How often the network is evaluated in a call."""


def list_probes(run: Run) -> dict[str, Training | Passing]:
    """What is measured, by the name of its unit."""
    px, grade, denoiser = run.data.tile_px, run.grade, partial(Denoiser, run.denoiser)
    # so few steps are refused in other spacings; the work of an evaluation is the same
    few = replace(run.sample.solver, steps=SOLVED, spacing="trailing", guidance=1.0)
    solver = replace(run.sample, solver=few)
    carcino, referee = grade.carcino, run.evaluate.referee
    bags = partial(_bags, ceil(sqrt(run.synthesis.tiles[1])) ** 2)
    width = bags(1)["features"].shape[-1]
    return {
        **_autoencoder_probes(run.autoencoder, px),
        "denoiser, a step": Training(
            build=denoiser, step=eps_step, draw=partial(_latents, px), optim=run.denoiser.optim
        ),
        "denoiser, an evaluation": Passing(
            build=denoiser, call=partial(_solve, px, solver), batch=solver.batch, repeats=SOLVED
        ),
        "referee, a step": _segmenter(referee, px),
        "pixel grader, a step": _segmenter(carcino, px),
        "pixel grader, mixed": _segmenter(carcino, px, num_sets=2),
        "slide grader, a step": Training(
            build=partial(TransMIL, grade.transmil, width),
            step=_grade_bags,
            draw=bags,
            optim=grade.transmil.optim,
        ),
    }


def _autoencoder_probes(settings: AutoencoderSettings, px: int) -> dict[str, Training | Passing]:
    """Its training on crops or whole tiles, that of its decoder alone, and its use."""
    build = partial(_build_autoencoder, settings)
    return {
        "autoencoder, a step": Training(
            build=lambda: build().vq,
            step=partial(_reconstruct, LOSSES[settings.loss]),
            draw=lambda num: {"tiles": _tiles(num, settings.crop_px or px)},
            optim=settings.optim,
        ),
        "decoder, a step": Training(
            build=lambda: Contest(build().vq, settings.decoder),
            step=_tune,
            draw=lambda num: {"tiles": _tiles(num, px)},
            optim=settings.decoder.optim,
        ),
        "autoencoder, to latents": Passing(
            build=build, call=partial(_encode, px), batch=max(1, PIXELS // px**2)
        ),
        "autoencoder, to tiles": Passing(
            build=build, call=partial(_decode, px), batch=decode_chunk(px)
        ),
    }


def _segmenter(settings: CarcinoNetSettings, px: int, num_sets: int = 1) -> Training:
    """A Carcino-Net on real tiles, or (2) on real and, in the same step, as many synthetic ones."""

    def draw(num: int) -> Batch:
        images = torch.stack([_tiles(num, px).movedim(-1, 1) for _ in range(num_sets)], 1)
        masks = torch.stack([_masks(num, px) for _ in range(num_sets)], 1)
        return {"images": images, "masks": masks}

    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        logits = state.model(batch["images"].flatten(0, 1) / 255)
        return {"loss": pixel_loss(logits, batch["masks"].flatten(0, 1))}

    return Training(
        build=partial(build_carcino, settings), step=step, draw=draw, optim=settings.optim
    )


def _reconstruct(
    error_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    state: State,
    batch: Batch,
    generator: torch.Generator,
) -> Mapping[str, torch.Tensor]:
    images = to_unit(batch["tiles"])
    output = state.model(images)
    return {"loss": error_of(output.sample, images) + output.commit_loss.mean()}


def _tune(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
    """As `contest_loss`, without its gradients within, of which no operations can be counted."""
    contest, images = state.network, to_unit(batch["tiles"])
    assert isinstance(contest, Contest)
    output = contest.reconstruct(images)
    loss = texture_loss(output, images)
    if contest.discriminator is not None:
        for seen in (images, output):
            loss = loss + contest.discriminator(seen)[-1].mean()
    return {"loss": loss}


def _grade_bags(
    state: State, batch: Batch, generator: torch.Generator
) -> Mapping[str, torch.Tensor]:
    logits = state.model(batch["features"], batch["is_tile"])
    return {"loss": functional.binary_cross_entropy_with_logits(logits, batch["truth"])}


def _solve(px: int, settings: Sample, net: nn.Module, num: int, device: torch.device) -> None:
    noise, masks = _noise(num, px), _masks(num, px)
    if device.type != "meta":
        denoise(net, noise, masks, replace(settings, batch=num))  # type: ignore[arg-type]
        return
    t = torch.zeros(num, dtype=torch.int64, device=device)
    with torch.no_grad():
        for _ in range(SOLVED):
            net(noise.to(device), t, masks.to(device))


@torch.no_grad()
def _decode(px: int, net: nn.Module, num: int, device: torch.device) -> None:
    net.vq.decode(_noise(num, px).to(device))  # type: ignore[operator,union-attr]


def _encode(px: int, net: nn.Module, num: int, device: torch.device) -> None:
    net.encode(_tiles(num, px).to(device))  # type: ignore[operator]


def _build_autoencoder(settings: AutoencoderSettings) -> Autoencoder:
    """The given autoencoder, or one of the sizes that the settings say."""
    if settings.source is not None and settings.source.exists():
        return Autoencoder.load(settings.source)
    return Autoencoder(build_vq(settings))


def _tiles(num: int, px: int) -> torch.Tensor:
    return torch.randint(256, (num, px, px, 3), dtype=torch.uint8)


def _masks(num: int, px: int) -> torch.Tensor:
    return torch.randint(NUM_LABELS, (num, px, px), dtype=torch.uint8)


def _noise(num: int, px: int) -> torch.Tensor:
    return torch.randn(num, LATENT_CHANNELS, px // LATENT_FACTOR, px // LATENT_FACTOR)


def _latents(px: int, num: int) -> Batch:
    return {"latents": _noise(num, px), "masks": _masks(num, px), "slides": unknown_slides(num)}


def _bags(places: int, num: int) -> Batch:
    posteriors = np.full((1, NUM_LABELS, 16, 16), 1 / NUM_LABELS, np.float32)
    width = describe_posteriors(posteriors).shape[1]
    return {
        "features": torch.randn(num, places, width),
        "is_tile": torch.ones(num, places, dtype=torch.bool),
        "truth": torch.randint(2, (num, NUM_LABELS)).float(),
    }
