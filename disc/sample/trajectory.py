"""The one sampler: tiles from noise, along the time steps of a solver, under any plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_CHANNELS
from disc.sample.network import Network
from disc.sample.plans import Phase, Plan
from disc.sample.regions import Regions, Rows, find_regions, pick_pixels
from disc.seeds import torch_generator
from disc.settings.sampling import Sample, Solver

GROUP = 8
"""Batches' worth of tiles that go through the steps together, so that most batches are full."""
Change = Callable[[torch.Tensor], torch.Tensor]
Impose = Callable[[torch.Tensor, int | None], torch.Tensor]
OnStep = Callable[[int, int], None]
"""Told after every step how many are done and how many there are; what it raises ends the way."""


@dataclass(frozen=True)
class Order:
    """Tiles to be made.

    Attributes:
        noise: z_T, float [N, 3, h, w].
        masks: uint8 [N, 4h, 4w], labels or 255.
        slides: labels of the slides, uint8 [N, 4]; None: the labels of the masks.
        seeds: one a tile, for the noise that is added on the way; None where none is.
    """

    noise: torch.Tensor
    masks: torch.Tensor
    slides: torch.Tensor | None = None
    seeds: Sequence[int] | None = None

    def part(self, start: int, num: int) -> Order:
        """The tiles from `start` on, at most `num`."""
        chosen = slice(start, start + num)
        return Order(
            self.noise[chosen],
            self.masks[chosen],
            None if self.slides is None else self.slides[chosen],
            None if self.seeds is None else self.seeds[chosen],
        )


@torch.inference_mode()
def follow_plan(
    denoiser: Denoiser, order: Order, plan: Plan, sample: Sample, on_step: OnStep | None = None
) -> torch.Tensor:
    """z_0 of every tile, [N, 3, h, w] on the CPU.

    Args:
        denoiser: the network, on any device.
        order: the tiles.
        plan: how labels become one tile.
        sample: solver, and how the network is run.
        on_step: told after every step.

    Raises:
        ValueError: if noise is added on the way and the order names no seeds.

    Paper: Sec. 2.2; Eq. (2), Sec. 2.3 (SD-SC: the plan `end`).
    """
    if order.seeds is None and (sample.solver.eta > 0 or plan.name == "heal"):
        raise ValueError("solver.eta and the plan heal add noise, which is drawn from seeds")
    size = GROUP * sample.batch
    parts = [order.part(start, size) for start in range(0, len(order.noise), size)]
    steps = denoiser.schedule.time_steps(sample.solver)
    count = _Count(len(steps) + len(plan.healing_steps(steps)), len(parts), on_step)
    return torch.cat([_follow(denoiser, part, plan, sample, count) for part in parts])


class _Count:
    """How many steps of several groups of tiles are done."""

    def __init__(self, steps: int, groups: int, on_step: OnStep | None) -> None:
        self.steps, self.total, self.done = steps, steps * groups, 0
        self.on_step = on_step

    def add(self) -> None:
        self.done += 1
        if self.on_step is not None:
            self.on_step(self.done, self.total)

    def end_group(self) -> None:
        """Count steps that a group had no need of (`heal`, where no tile has two labels)."""
        self.done = -(-self.done // self.steps) * self.steps


def _follow(
    denoiser: Denoiser, order: Order, plan: Plan, sample: Sample, count: _Count
) -> torch.Tensor:
    latent_px, device = order.noise.shape[-1], next(denoiser.parameters()).device
    regions, wanted = find_regions(
        order.masks,
        order.slides,
        latent_px,
        separates=plan.name != "plain",
        hides_rest=plan.name == "step-null",
        band=plan.band,
    )
    network = Network(denoiser, sample, wanted)
    walk = Walk(
        network, regions.to(device), sample.solver, order.seeds, weight=plan.value, after=count.add
    )
    steps = denoiser.schedule.time_steps(sample.solver)
    z = walk.go(order.noise.to(device), steps, plan.phases(steps))
    healing = plan.healing_steps(steps)
    several = torch.nonzero(regions.has_several).flatten().tolist()
    z = walk.heal(z, healing, several) if healing and several else z
    count.end_group()
    return z.cpu()


class Walk:
    """A group of tiles on its way, as one latent a tile or as one a label of each tile."""

    def __init__(
        self,
        network: Network,
        regions: Regions,
        solver: Solver,
        seeds: Sequence[int] | None,
        *,
        weight: float = 0.0,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """Start; `weight` is that of a guided phase, `after` is called after every step."""
        self.network = network
        self.regions = regions
        self.solver = solver
        self.seeds = seeds
        self.weight = weight
        self.after = after
        self.schedule = network.denoiser.schedule

    def go(
        self,
        z: torch.Tensor,
        steps: Sequence[int],
        phases: Sequence[Phase],
        purpose: str = "step",
        impose: Impose | None = None,
    ) -> torch.Tensor:
        """From latents of tiles at the first of some time steps to finished ones, [N, 3, h, w].

        Args:
            z: where to start, [N, 3, h, w].
            steps: falling time steps.
            phases: what to do at each.
            purpose: what noise that is added is drawn for.
            impose: changes latents that are now at a time step (None: finished).
        """
        scheduler = self.schedule.make_scheduler(self.solver, list(steps))
        # copied before the first step, so that none waits for the device
        times = torch.tensor(steps, device=z.device)
        is_separate = False
        for i, (t, phase) in enumerate(zip(steps, phases, strict=True)):
            if is_separate != (phase == "separate"):
                z = _hand_over(z, scheduler, self._fuse if is_separate else self._separate)
                is_separate = not is_separate
            predicted = self._predict(z, t, times[i], phase)
            added = self._added(z, f"{purpose} {t}", is_separate)
            z = scheduler.step(predicted, t, z, return_dict=False, **added)[0]
            if impose is not None:
                z = impose(z, steps[i + 1] if i + 1 < len(steps) else None)
            self.after()
        return self._fuse(z) if is_separate else z

    def heal(self, z: torch.Tensor, steps: Sequence[int], several: list[int]) -> torch.Tensor:
        """Put noise as of a time step on finished tiles and denoise them under their whole masks.

        Pixels that are not near a border, where a band is asked for, stay as they are: at every
        step they take up the noise that the start had.

        Args:
            z: finished latents of all tiles, [N, 3, h, w].
            steps: falling time steps, from that one on.
            several: the tiles of several labels; others stay as they are.
        """
        chosen = torch.tensor(several, device=z.device)
        regions = self.regions.part(chosen)
        part = Walk(self.network, regions, self.solver, self._seeds(several), after=self.after)
        clean, eps = z[chosen], part.draw("heal").to(z)

        def keep(now: torch.Tensor, t: int | None) -> torch.Tensor:
            return torch.where(part.regions.near[:, None], now, part.renoise(clean, eps, t))

        start = part.renoise(clean, eps, steps[0])
        healed = part.go(start, steps, ["joint"] * len(steps), "heal step", keep)
        return z.index_copy(0, chosen, healed)

    def renoise(self, clean: torch.Tensor, eps: torch.Tensor, t: int | None) -> torch.Tensor:
        """Finished latents with noise as of a time step; None: as they are."""
        if t is None:
            return clean
        return self.schedule.add_noise(clean, eps, torch.full((len(clean),), t, device=eps.device))

    def draw(self, purpose: str) -> torch.Tensor:
        """Noise [N, 3, h, w] of every tile's own stream."""
        side = self.regions.chosen.shape[-1]
        return draw_each(self.seeds or (), purpose, side)

    def _seeds(self, tiles: list[int]) -> list[int] | None:
        return None if self.seeds is None else [self.seeds[tile] for tile in tiles]

    def _added(self, z: torch.Tensor, purpose: str, is_separate: bool) -> dict[str, Any]:
        """What DDIM adds at a step: the same to all labels of a tile."""
        if self.solver.eta == 0:
            return {}
        noise = self.draw(purpose).to(z, non_blocking=True)
        noise = self._separate(noise) if is_separate else noise
        return {"eta": self.solver.eta, "variance_noise": noise}

    def _predict(self, z: torch.Tensor, t: int, time: torch.Tensor, phase: Phase) -> torch.Tensor:
        regions = self.regions
        if phase == "joint":
            return self._ask(z, t, time, regions.joint)
        if phase == "separate":
            every = torch.arange(len(z), device=z.device)
            return self._ask(z, t, time, Rows(every, regions.separate.conditions))
        if phase == "fused":
            return self._fuse(self._ask(z, t, time, regions.separate))
        rows = self._ask(z, t, time, regions.rows)
        return torch.lerp(rows[: len(z)], pick_pixels(rows, regions.chosen), self.weight)

    def _ask(self, z: torch.Tensor, t: int, time: torch.Tensor, rows: Rows) -> torch.Tensor:
        """What the network predicts, guided away from what it predicts without a mask."""
        predicted = self.network.predict(z, time, rows)
        first, last = self.solver.guidance_interval
        if self.solver.guidance == 1 or not first <= t <= last:
            return predicted
        # classifier-free guidance: eps_free + w (eps_m - eps_free), [R, 3, h, w]
        free = self.network.predict(z, time, self.network.null_condition(len(z)))
        return torch.lerp(free[rows.sources], predicted, self.solver.guidance)

    def _separate(self, tiles: torch.Tensor) -> torch.Tensor:
        return tiles[self.regions.separate.sources]

    def _fuse(self, rows: torch.Tensor) -> torch.Tensor:
        return pick_pixels(rows, self.regions.chosen_separate)


def _hand_over(z: torch.Tensor, scheduler: Any, change: Change) -> torch.Tensor:
    """Go from latents of tiles to those of labels, or back, with what a solver remembers of them.

    Solvers treat each pixel alone, so a fused trajectory goes on as if it always had been one.
    """
    kept = getattr(scheduler, "model_outputs", [])
    for i, output in enumerate(kept):
        kept[i] = None if output is None else change(output)
    if getattr(scheduler, "last_sample", None) is not None:
        scheduler.last_sample = change(scheduler.last_sample)
    return change(z)


def draw_each(seeds: Sequence[int], purpose: str, latent_px: int) -> torch.Tensor:
    """Noise [B, 3, h, w]: one tile, one generator, so that a tile's noise is its seed's alone."""
    shape = (LATENT_CHANNELS, latent_px, latent_px)
    return torch.stack(
        [torch.randn(shape, generator=torch_generator(seed, purpose)) for seed in seeds]
    )
