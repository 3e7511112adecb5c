"""Whole configurations, as functions: smoke, demo, laptop, phantom, gpu, paper, fold-safe."""

from __future__ import annotations

from dataclasses import replace

from disc.gpu_presets import fold_safe, gpu, paper
from disc.settings.autoencoder import Autoencoder, DecoderTuning
from disc.settings.data import Data
from disc.settings.denoiser import Denoiser
from disc.settings.distillation import Distil, Student
from disc.settings.evaluation import Evaluate
from disc.settings.grading import CarcinoNet, Grade, TransMIL
from disc.settings.phantom import Phantom
from disc.settings.run import Run
from disc.settings.sampling import Sample, Solver
from disc.settings.synthesis import Synthesis
from disc.settings.training import Optim


def smoke() -> Run:
    """The whole pipeline in a minute and a half on two cores; too short for results."""
    return Run(
        name="smoke",
        data=Data(tile_px=64, um_per_px=4.0),
        phantom=Phantom(
            slides=(4, 4, 5, 2),
            test_slides=(1, 2, 2, 1),
            external_slides=(1, 2, 2, 1),
            referee_slides=(2, 2, 2, 2),
            core_um=(600.0, 1500.0),
        ),
        autoencoder=Autoencoder(
            channels=(16, 32, 32), num_codes=512, optim=Optim(steps=60, batch=16, lr=2e-3)
        ),
        denoiser=Denoiser(
            channels=(32, 48),
            attention=(False, True),
            head_channels=16,
            context=32,
            dihedral=1,
            optim=Optim(steps=60, batch=16, lr=1e-3, ema=0.9, checkpoint_every=20),
        ),
        sample=Sample(solver=Solver(steps=6, spacing="trailing")),
        distil=Distil(
            num_bundles=24,
            variants=("sd-disc", "sd-disc-cotrain", "sd-disc-fast"),
            optim=_few_steps(2e-4),
            student=Student(discriminator_weight=0.1, optim=_few_steps(4e-4)),
        ),
        synthesis=Synthesis(tiles=(4, 6)),
        grade=Grade(
            carcino=_small_carcino(8, 20, 16),
            transmil=TransMIL(width=32, heads=2, optim=Optim(steps=20, batch=8, lr=1e-3)),
            balance_weights=(0.3,),
            seeds=1,
        ),
        evaluate=_few_masks(),
    )


def _few_steps(lr: float) -> Optim:
    return Optim(steps=20, batch=16, lr=lr, ema=0.9)


def _few_masks() -> Evaluate:
    return Evaluate(
        referee=_small_carcino(8, 40, 16),
        num_uniform=8,
        num_mixed=16,
        num_synthesis=12,
        num_bootstrap=200,
    )


def demo() -> Run:
    """`make demo`: as `laptop` in a quarter of an hour, with more slides of GG5.

    With three slides of it, so short a training hardly learns GG5.

    Differs from paper: as `laptop`.
    """
    run = laptop()
    distil, student = run.distil, run.distil.student
    return replace(
        run,
        name="demo",
        phantom=replace(run.phantom, slides=(8, 9, 14, 6)),
        denoiser=replace(
            run.denoiser, uniform_fraction=0.5, optim=replace(run.denoiser.optim, steps=800)
        ),
        distil=replace(
            distil,
            num_bundles=300,
            optim=replace(distil.optim, steps=120),
            student=replace(student, optim=replace(student.optim, steps=250)),
        ),
        synthesis=Synthesis(tiles=(8, 10)),
        grade=replace(run.grade, carcino=_small_carcino(12, 500, 8, lr=3e-3)),
        evaluate=replace(
            run.evaluate,
            referee=_small_carcino(12, 800, 16),
            num_uniform=40,
            num_mixed=160,
            num_synthesis=80,
        ),
    )


def laptop() -> Run:
    """What two quiet cores do in half an hour, long enough to see the effect; slow ones in an hour.

    Differs from paper: simulated tiles of 64 px, a small U-Net, 10 steps of DPM-Solver++ instead of
    200 of DDIM, synthetic slides of 10-14 tiles instead of 20-100; a student of one evaluation
    beside the paper's variants, trained for 400 steps (two minutes of one thread) instead of 1,421.
    Its slides train no grader. The autoencoder is trained on crops without quantisation, its
    codebook put in afterwards, its decoder then tuned against a discriminator.
    """
    return Run(
        name="laptop",
        data=Data(tile_px=64, um_per_px=6.0),
        phantom=Phantom(
            slides=(10, 11, 19, 3),
            test_slides=(8, 8, 10, 6),
            external_slides=(5, 5, 5, 5),
            referee_slides=(6, 6, 6, 6),
            core_um=(900.0, 3000.0),
        ),
        autoencoder=_sharp_autoencoder(5000, 1100, weight=0.6),
        denoiser=Denoiser(
            channels=(48, 96, 128),
            attention=(False, False, True),
            dihedral=4,
            optim=Optim(steps=1400, lr=1e-3, decay="cosine", ema=0.99),
        ),
        distil=Distil(
            num_bundles=600,
            variants=("sd-disc", "sd-disc-cotrain", "sd-disc-fast"),
            optim=Optim(steps=300, lr=4e-4, warmup=25, decay="cosine", ema=0.98),
            student=_student(400),
        ),
        synthesis=Synthesis(tiles=(10, 14)),
        grade=_laptop_grade(),
        evaluate=Evaluate(
            referee=_small_carcino(16, 2500, 16),
            num_uniform=64,
            num_mixed=320,
            num_synthesis=128,
        ),
    )


def _laptop_grade() -> Grade:
    """300 steps do not learn GG3; one variant, trained, tells more than four that are not."""
    return Grade(
        carcino=_small_carcino(12, 900, 8, lr=3e-3),
        balance_weights=(0.1, 0.3),
        pixel_variants=("sd-disc-cotrain",),
    )


def phantom() -> Run:
    """The model that the package ships: simulated tiles of 128 px, 3 µm; three hours of a core.

    A U-Net of (32, 64, 80, 80) channels, whose attention is at 4 x 4 pixels and not at 8 x 8, drew
    stroma without fibres that run one way.

    Differs from paper: as `laptop`, and classifier-free guidance.
    """
    return Run(
        name="phantom",
        data=Data(tile_px=128, um_per_px=3.0),
        phantom=Phantom(
            slides=(16, 16, 22, 10),
            test_slides=(8, 8, 10, 6),
            external_slides=(5, 5, 5, 5),
            referee_slides=(6, 6, 6, 6),
            core_um=(900.0, 3000.0),
        ),
        autoencoder=_sharp_autoencoder(10000, 2700, weight=1.0, even_labels=True),
        denoiser=Denoiser(
            channels=(64, 64, 96),
            condition_dropout=0.1,
            attention=(False, False, True),
            dihedral=2,
            optim=_phantom_optim(4800),
        ),
        sample=Sample(solver=Solver(guidance=1.5)),
        distil=Distil(
            num_bundles=1600,
            variants=("sd-disc-fast",),
            student=_student(3000, discriminator_weight=0.0),
        ),
        synthesis=Synthesis(tiles=(10, 14), variants=("sd-sc",)),
        grade=Grade(carcino=_small_carcino(12, 4000, 8, 3e-3, patience=8), balance_weights=(0.3,)),
        evaluate=Evaluate(
            referee=_small_carcino(12, 3000, 16),
            num_uniform=64,
            num_mixed=192,
            num_synthesis=96,
        ),
    )


def _phantom_optim(steps: int) -> Optim:
    optim = Optim(steps=steps, batch=16, lr=7e-4, warmup=50, decay="cosine", ema=0.998)
    return replace(optim, checkpoint_every=300)


def _sharp_autoencoder(
    steps: int, decoder_steps: int, *, weight: float, even_labels: bool = False
) -> Autoencoder:
    """Trained on crops, then its decoder alone against a discriminator of a weight.

    More steps or weight bring texture; weight costs PSNR, and tiles of every label alike take
    thousands of steps to tell.
    """
    tuning = DecoderTuning(
        adversarial_weight=weight, feature_weight=weight, even_labels=even_labels
    )
    optim = replace(tuning.optim, steps=decoder_steps)
    return Autoencoder(
        channels=(8, 16, 32),
        groups=4,
        mid_attention=False,
        num_codes=1024,
        quantise_from=1.0,
        crop_px=32,
        loss="texture",
        latent_noise=0.1,
        latent_penalty=1e-4,
        optim=Optim(steps=steps, batch=8, lr=3e-3, decay="cosine", ema=0.995),
        decoder=replace(tuning, optim=optim),
    )


def _student(steps: int, discriminator_weight: float = 0.1) -> Student:
    optim = Optim(steps=steps, batch=16, lr=2e-3, warmup=15, decay="cosine", ema=0.97)
    return Student(discriminator_weight=discriminator_weight, optim=optim)


def _small_carcino(
    width: int, steps: int, batch: int, lr: float = 2e-3, *, patience: int = 0
) -> CarcinoNet:
    optim = Optim(steps=steps, batch=batch, lr=lr, warmup=20, decay="cosine")
    return CarcinoNet(width=width, optim=optim, patience=patience)


PRESETS = {
    "smoke": smoke,
    "demo": demo,
    "laptop": laptop,
    "phantom": phantom,
    "gpu": gpu,
    "paper": paper,
    "fold-safe": fold_safe,
}
