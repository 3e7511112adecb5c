"""Settings of self-distillation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from disc.settings.checks import require, require_distinct, require_finite, require_least
from disc.settings.sampling import Solver
from disc.settings.synthesis import STUDENT
from disc.settings.training import Optim

Distilled = Literal["sd-disc", "sd-disc-cotrain", "sd-disc-fast"]


@dataclass(frozen=True, kw_only=True)
class Student:
    """`sd-disc-fast`: taught on the noise that the bank's bundles were denoised from.

    Differs from paper: it has no such student.
    """

    evaluations: int = 1
    """Of the network, a tile (`solver`); a divisor of 1000."""
    paired_noise: bool = True
    """Noise bundles with their own noise, which determines them; else with fresh noise (a
    control)."""
    visited: tuple[int, ...] = (999, 749, 499, 249)
    """Time steps that sampling in 1, 2 or 4 evaluations visits."""
    visited_weights: tuple[float, ...] = (0.4, 0.2, 0.2, 0.2)
    """How often each of them is drawn, in relation to the others."""
    visited_fraction: float = 0.5
    """Fraction of the samples whose time step is one of them; the others' is any."""
    discriminator_weight: float = 0.0
    """Sizes of the adversarial and of the feature-matching gradient of a discriminator of latents,
    over that of the regression, against the blur of a single evaluation; 0: no discriminator."""
    discriminator_start: float = 0.1
    """Fraction of the steps after which the discriminator counts; until then it learns (and is
    scaled down with the student where the gradient of both together passes `optim.clip`)."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            steps=1421, batch=16, lr=4e-4, warmup=15, decay="cosine", ema=0.97
        )
    )
    """Its training, from the weights of sd."""

    def __post_init__(self) -> None:
        divides = self.evaluations >= 1 and 1000 % self.evaluations == 0
        require(divides, f"student.evaluations {self.evaluations}: not a divisor of 1000")
        are_steps = bool(self.visited) and all(0 <= t < 1000 for t in self.visited)
        require(are_steps, "student.visited: time steps in 0..999, at least one")
        are_weights = len(self.visited_weights) == len(self.visited)
        are_weights = are_weights and min(self.visited_weights) >= 0 < sum(self.visited_weights)
        require(are_weights, "student.visited_weights: one a step of student.visited, >= 0")
        require(0 <= self.visited_fraction <= 1, "student.visited_fraction must be in [0, 1]")
        require_finite("student", discriminator_weight=self.discriminator_weight)
        require(0 <= self.discriminator_start <= 1, "student.discriminator_start must be in [0, 1]")

    @property
    def solver(self) -> Solver:
        """How it is sampled: to the latents themselves, which it is taught.

        DDIM would leave in them the noise of time step 0, which a single evaluation predicts to be
        z_T itself. In one or two evaluations DPM-Solver++ is DDIM, but for this end.
        """
        return Solver(name="dpmpp-2m", steps=self.evaluations, spacing="trailing")


@dataclass(frozen=True, kw_only=True)
class Distil:
    """Self-distillation from separated conditions (Eq. 3)."""

    num_bundles: int = 600
    """Bundles in the bank; a bundle is one latent per label from the same noise (paper: 20,000
    latents, 5,000 bundles)."""
    variants: tuple[Distilled, ...] = ("sd-disc", "sd-disc-cotrain")
    """What is distilled from the bank: DISC, DISC-CoTrain, and the few-step student."""
    optim: Optim = field(default_factory=lambda: Optim(steps=500, lr=2e-4, ema=0.99))
    """Training of sd-disc and of sd-disc-cotrain, each from the weights of sd."""
    student: Student = field(default_factory=Student)
    """Training and sampling of sd-disc-fast."""

    def __post_init__(self) -> None:
        require_distinct("distil.variants", self.variants)
        if self.variants:
            require_least("distil", 1, num_bundles=self.num_bundles)
        is_halved = "sd-disc-cotrain" in self.variants
        require(
            not is_halved or self.optim.batch % 2 == 0,
            f"distil.optim.batch {self.optim.batch}: sd-disc-cotrain takes half of it from the "
            "bank and half of real tiles; give an even number",
        )


def own_solvers(solver: Solver, student: Student) -> dict[str, Solver]:
    """How tiles of distilled variants are drawn; those of others are by `solver`.

    Guidance is in the bank that they learn from, so they are not guided once more.
    """
    unguided = replace(solver, guidance=1.0)
    return {"sd-disc": unguided, "sd-disc-cotrain": unguided, STUDENT: student.solver}
