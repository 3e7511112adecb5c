"""Settings of sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from disc.settings.checks import require


@dataclass(frozen=True, kw_only=True)
class Solver:
    """The solver that denoises noise to a latent."""

    name: Literal["ddim", "dpmpp-2m", "unipc"] = "dpmpp-2m"
    """`ddim` (paper), `dpmpp-2m`: DPM-Solver++ of order 2, `unipc`: UniPC of order 2."""
    steps: int = 10
    """Time steps visited, an evaluation each, and one more where guidance acts; 1 to 999."""
    spacing: Literal["leading", "trailing", "linspace", "logsnr"] = "logsnr"
    """Which of the 1000 time steps are visited: from 1 up in even strides (`leading`, latent
    diffusion's; 10 steps or more), from the last down (`trailing`), from the last to 1 in even
    strides of time (`linspace`) or of the log signal-to-noise ratio (`logsnr`)."""
    eta: float = 0.0
    """Fraction of DDPM's noise that `ddim` adds at every step, 0 to 1; 0 (paper): none."""
    guidance: float = 1.0
    """Scale of classifier-free guidance, 0 or more; 1: none. Needs `denoiser.condition_dropout`."""
    guidance_interval: tuple[int, int] = (0, 999)
    """First and last time step with guidance; outside it costs nothing."""

    def __post_init__(self) -> None:
        require(1 <= self.steps <= 999, "solver.steps must be in 1..999")
        start = 1 + (self.steps - 1) * (1000 // self.steps)
        require(
            self.spacing != "leading" or self.steps >= 10,
            f"solver.spacing leading starts at t = {start} with "
            f"solver.steps {self.steps}, where latents are not yet noise; choose logsnr, trailing "
            "or linspace, or 10 steps or more",
        )
        require(0 <= self.eta <= 1, "solver.eta must be in [0, 1]")
        require(
            self.eta == 0 or self.name == "ddim",
            f"solver.eta: {self.name} adds no noise; choose solver.name ddim, or solver.eta 0",
        )
        require(0 <= self.guidance < math.inf, "solver.guidance must be >= 0; 1 is none")
        first, last = self.guidance_interval
        require(0 <= first <= last <= 999, "solver.guidance_interval must rise within 0..999")

    @property
    def evaluations(self) -> int:
        """Of the network for a latent; guidance within an interval is counted at every step."""
        return self.steps * (1 if self.guidance == 1 else 2)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Sampling of tiles, the same for every variant."""

    solver: Solver = Solver()
    """Solver of the plain and of the separated trajectories, and of the bank."""
    plan: str = "end"
    """How `sd-sc` joins a tile's labels: end (paper), switch@s, step, step-null, guide@w, late@s
    or heal@t; `disc.sample.plans` says what they are."""
    batch: int = 64
    """Evaluations of the network taken together; changes speed and memory only."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: products of the networks are taken in it (autocast); solver and quantiser stay
    in float32."""
    channels_last: bool = False
    """Lay images out with channels last: pays on a GPU, in bfloat16."""
    compile: bool = False
    """torch.compile of the U-Net for one shape of batch, on a GPU; a CPU ignores it."""

    def __post_init__(self) -> None:
        require(self.batch >= 1, "sample.batch must be >= 1")
