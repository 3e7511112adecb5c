"""Trainings at several levels of annotators' errors, for the audit study.

The phantom's slides are drawn again with each level's errors, and everything is trained on the
first run's autoencoder with a share of the steps. Trainings of a level share slides and
autoencoder.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pandas as pd
from side_by_side import open_run

from disc.pipeline.run import execute
from disc.processes import spread
from disc.settings.run import Run
from disc.settings.training import Optim


@dataclass(frozen=True)
class ErrorJob:
    """One training at a level of annotators' errors."""

    base: Path
    out: Path
    share: float
    """Of the steps of the base's trainings."""
    last: str
    """Variant that is trained last."""
    noise: float = 1.0
    """Of the annotators, as a multiple of the standard level."""
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its run."""
        apart = f" seed {self.seed}" if self.seed else ""
        return f"noise-{self.noise:g} {self.share:g}{apart}"

    def train(self) -> Path:
        """Train what is missing; the folder. Its referee is hardly trained."""
        base, first = open_run(self.base, ()).run, replace(self, seed=0)
        autoencoder = replace(base.autoencoder, source=self.base.resolve() / "autoencoder")
        if self.seed:
            share_data(self.out.resolve() / first.name, self.out / self.name)
            source = self.out.resolve() / first.name / "autoencoder"
            tuning = replace(autoencoder.decoder, optim=replace(autoencoder.decoder.optim, steps=0))
            autoencoder = replace(autoencoder, source=source, decoder=tuning)
        run = replace(
            shorten_run(base, self.share),
            name=self.name,
            out=self.out,
            seed=base.seed + self.seed,
            phantom=replace(
                base.phantom,
                annotation_noise=self.noise,
                external_slides=(1, 1, 1, 1),
                referee_slides=(1, 1, 1, 1),
            ),
            autoencoder=autoencoder,
            until=f"denoiser/{self.last}",
            redo=False,
        )
        execute(run)
        return run.out / run.name


def train_levels(
    job: ErrorJob, noises: Sequence[float], num_seeds: int, processes: int
) -> dict[Path, float]:
    """Folders of several trainings at each level, and their levels; `job` says the rest."""
    jobs = [
        replace(job, noise=noise, seed=seed) for noise, seed in product(noises, range(num_seeds))
    ]
    found = dict[ErrorJob, Path]()
    for is_first in (True, False):
        part = [one for one in jobs if (one.seed == 0) == is_first]
        with spread(min(processes, len(part))) as apply:
            found |= dict(zip(part, apply(ErrorJob.train, part), strict=True))
    return {found[one]: one.noise for one in jobs}


def share_data(first: Path, folder: Path) -> None:
    """Let a run that is new use the slides of another, which are equal but for the draw."""
    place = folder / "data"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(first / "config.json", folder / "config.json")
        place.symlink_to(first / "data", target_is_directory=True)


def shorten_run(run: Run, share: float) -> Run:
    """The same with a share of every training's steps; 20 of the referee, whom no audit asks."""

    def part(optim: Optim) -> Optim:
        return replace(optim, steps=max(4, round(share * optim.steps)), warmup=1)

    student = replace(run.distil.student, optim=part(run.distil.student.optim))
    referee = replace(
        run.evaluate.referee, optim=replace(run.evaluate.referee.optim, steps=20, warmup=1)
    )
    return replace(
        run,
        denoiser=replace(run.denoiser, optim=part(run.denoiser.optim)),
        distil=replace(run.distil, optim=part(run.distil.optim), student=student),
        evaluate=replace(run.evaluate, referee=referee),
    )


def tell_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Every figure of a training's other ways less that of its `sd`, as rows of their own."""
    keys = ["run", "seed", "name"]
    plain = table[table["way"] == "sd"].set_index(keys)["value"].rename("plain")
    others = table[table["way"] != "sd"].join(plain, on=keys)
    gains = {"value": others["value"] - others["plain"], "name": others["name"] + " beyond sd"}
    ends = dict.fromkeys(("low", "high", "floor", "ceiling", "chance"), float("nan"))
    return others.drop(columns="plain").assign(**gains, **ends)
