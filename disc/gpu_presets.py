"""Configurations for a GPU, as functions: gpu, paper, fold-safe; `disc.presets` lists them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from disc.settings.autoencoder import Autoencoder
from disc.settings.data import Data
from disc.settings.denoiser import Denoiser
from disc.settings.distillation import Distil
from disc.settings.evaluation import Evaluate
from disc.settings.grading import CarcinoNet, Grade, TransMIL
from disc.settings.phantom import Phantom
from disc.settings.run import Run
from disc.settings.sampling import Sample, Solver
from disc.settings.synthesis import Synthesis
from disc.settings.training import Optim, Speed, Validation


def gpu() -> Run:
    """The phantom at 256 px, 1 µm per pixel: under half an hour on one modern GPU."""
    return Run(
        name="gpu",
        data=Data(tile_px=256, um_per_px=1.0, workers=4),
        phantom=Phantom(test_slides=(6, 9, 14, 6), external_slides=(8, 8, 8, 8)),
        autoencoder=Autoencoder(
            channels=(64, 128, 128),
            layers=2,
            num_codes=8192,
            optim=Optim(steps=3000, batch=16, lr=4e-4, decay="cosine"),
        ),
        denoiser=Denoiser(
            channels=(96, 192, 288, 384),
            attention=(False, False, True, True),
            layers=2,
            context=256,
            dihedral=8,
            latents_dtype="float16",
            optim=_gpu_optim(8000, 2e-4),
        ),
        sample=Sample(solver=Solver(steps=20)),
        distil=Distil(num_bundles=1000, optim=_gpu_optim(2000, 1e-4)),
        validation=Validation(every=1000, num_rows=6, num_masks=64),
        synthesis=Synthesis(tiles=(20, 40)),
        grade=Grade(
            carcino=CarcinoNet(
                width=32, blocks=(2, 2, 2, 2), patience=5, optim=Optim(steps=3000, lr=5e-4)
            ),
            seeds=3,
        ),
        evaluate=Evaluate(
            referee=CarcinoNet(width=32, blocks=(2, 2, 2, 2), optim=Optim(steps=2000, lr=5e-4))
        ),
    )


def paper() -> Run:
    """The paper's: SICAPv2 at 512 px, vq-f4, 128-channel U-Net, DDIM 200, 276 synthetic slides.

    The denoiser is trained on Val1 and on Val2, and the better one for 50 epochs on all training
    tiles, which include the validation tiles of every fold. The paper gives days, not steps: here
    half a million steps on the two folds together.
    Needs `data.root` (SICAPv2) and `autoencoder.source` (vq-f4 as a diffusers VQModel folder).
    The paper gives no precision; bfloat16 is for speed.
    """
    return Run(
        name="paper",
        data=Data(root=Path("SICAPv2"), fold="All", tile_px=512, um_per_px=0.92, workers=8),
        autoencoder=Autoencoder(
            source=Path("vq-f4"),
            channels=(128, 256, 512),
            layers=2,
            num_codes=8192,
            optim=Optim(steps=0),
        ),
        denoiser=Denoiser(
            condition="crossattn",
            predicts="eps",
            channels=(128, 256, 384, 512),
            attention=(False, True, True, True),
            layers=2,
            context=512,
            dihedral=1,
            latents_dtype="float16",
            uniform_fraction=0.0,
            protocol="paper",
            optim=_paper_optim(250_000),
        ),
        sample=Sample(solver=Solver(name="ddim", steps=200, spacing="leading"), batch=16),
        distil=Distil(num_bundles=5000, optim=_paper_optim(60_000)),
        validation=Validation(every=10_000, num_tiles=256, num_rows=6),
        synthesis=Synthesis(slides_per_grade=100),
        grade=_paper_grade(),
        evaluate=Evaluate(referee=_paper_carcino(20_000, 2e-4)),
    )


def fold_safe() -> Run:
    """The paper's sizes; each fold has a generator not trained on its validation or test tiles.

    Differs from paper: there one generator, trained on all folds' validation tiles, serves all.
    """
    run = paper()
    return replace(
        run,
        name="fold-safe",
        folds=("Val1", "Val2", "Val3", "Val4"),
        data=replace(run.data, fold="Val1"),
        denoiser=replace(run.denoiser, protocol="one-fold"),
    )


def _paper_optim(steps: int) -> Optim:
    return on_gpu(Optim(steps=steps, batch=16, lr=2e-5, ema=0.9999, checkpoint_every=5000))


def _paper_carcino(steps: int, lr: float) -> CarcinoNet:
    """In float32, and all activations kept, 32 real and as many synthetic tiles fill no one GPU."""
    optim = Optim(
        steps=steps,
        batch=32,
        lr=lr,
        weight_decay=1e-4,
        decay="cosine",
        precision="bfloat16",
        speed=Speed(checkpoint_activations=True),
    )
    return CarcinoNet(width=64, blocks=(3, 4, 6, 3), optim=optim)


def _paper_grade() -> Grade:
    return Grade(
        # its epochs are an upper end: validation says when to stop
        carcino=replace(_paper_carcino(90_000, 5e-5), validate_every=1000, patience=10),
        transmil=TransMIL(
            width=512,
            heads=8,
            optim=Optim(steps=10_000, batch=2, lr=2e-4, weight_decay=1e-5, warmup=1),
        ),
        balance_weights=(0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        seeds=5,
    )


def on_gpu(optim: Optim) -> Optim:
    """Optimisation in bfloat16, compiled, channels last."""
    return replace(optim, precision="bfloat16", speed=Speed(compile=True, channels_last=True))


def _gpu_optim(steps: int, lr: float) -> Optim:
    return on_gpu(Optim(steps=steps, batch=32, lr=lr, ema=0.999, checkpoint_every=2000))
