"""Does a tile that a generator was trained on 1, 10 or 100 times come out of it?

Canaries are tiles of test slides, whose patients are in no training tile: of several labels, or of
one. A network is trained as the run's `sd`, with its seed, on the training tiles and them. Then it
and the run's own `sd` are asked for canaries of several labels by these' own masks, the worst that
can be asked for. Of one label, all ways are one for that mask, so that they are asked for it once,
and then for masks of other test tiles, which hold the canary's label beside others: separated
conditions denoise that label alone. The thresholds of the audit, calibrated on the training tiles,
say what is a copy of a canary, or of a window of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from audit_ways import Sizes, hold_some, title
from canary_tiles import Canaries, Labels, encode
from side_by_side import open_run, own_folder

from disc.audit.copies.detector import Detector, calibrate
from disc.audit.copies.pictures import Pictures, take_pictures
from disc.audit.copies.search import find_matches
from disc.data.pixels.images import encode_png
from disc.evaluate.agreement import label_fractions
from disc.files import write_bytes, write_parquet
from disc.model.denoiser import Denoiser
from disc.pipeline.context import Context
from disc.pipeline.stages.denoiser import train_and_save
from disc.processes import own_device, spread
from disc.progress import print_line
from disc.sample.sampler import Sampler
from disc.seeds import derive
from disc.settings.synthesis import Variant
from disc.train.latents.latent_set import draw_batches

WAYS: tuple[tuple[Variant, str], ...] = (
    *(("sd", ""), ("sd-sc", "end"), ("sd-sc", "step"), ("sd-sc", "switch@0.75")),
)
OWN: tuple[Variant, str] = ("sd", "own mask")
"""A canary of one label, by its mask."""
_SHOWN = 6


@dataclass(frozen=True)
class CanaryJob:
    """One training with canaries, and what comes out."""

    run: Path
    folder: Path
    num: int
    tiles: int
    steps: int
    sizes: Sizes
    labels: Labels

    @property
    def path(self) -> Path:
        """Of the table."""
        facts = f"{self.num} {self.tiles} {self.steps} {self.sizes.real}"
        return self.folder / f"canaries {facts}{self.suffix}.parquet"

    @property
    def nearest(self) -> str:
        """The likeness by which tiles are chosen to be shown."""
        return "whole" if self.labels == "several" else "window"

    @property
    def suffix(self) -> str:
        """Of names of what is of canaries of one label."""
        return "" if self.labels == "several" else " one label"

    def list_ways(
        self, canaries: Canaries, number: int
    ) -> Iterator[tuple[tuple[Variant, str], np.ndarray]]:
        """Ways, each with the masks [N, H, W] that it is asked for."""
        own = canaries.tiles.mask(canaries.chosen[number])
        stack = np.stack([own] * self.tiles)
        if self.labels == "one":
            yield OWN, stack
            stack = canaries.find_masks(
                int(label_fractions(own[None]).argmax()), self.tiles, number
            )
        for way in WAYS:
            yield way, stack

    def do(self) -> None:
        """Train, ask for the canaries, and write the table."""
        if self.path.exists():
            return
        torch.set_num_threads(1)
        context = open_run(self.run, ("sd",))
        canaries = Canaries.choose(context, self.num, self.labels)
        with_them = self._train(context, canaries)
        nets = {"with": with_them, "without": context.denoiser("sd")}
        training = hold_some("training slides", context.split.train, self.sizes)
        detector: Detector | None = None
        rows, strips = [], []
        for number, (index, times) in enumerate(zip(canaries.chosen, canaries.times, strict=True)):
            image = canaries.tiles.image(index)
            strips.append(image)
            again = context.autoencoder.decode(encode(context, image[None]))
            asked = product(self.list_ways(canaries, number), nets.items())
            for (way, masks), (name, net) in asked:
                images = self._sample(context, net, way, masks, number)
                detector = detector or calibrate(
                    training.images, list(training.patients), images, seed=0
                )
                found = _look_for(image, images, detector)
                facts = {"canary": number, "times": times, "way": title(way), "model": name}
                rows.append(pd.DataFrame(found).assign(**facts))
                if name == "with":
                    strips += _nearest(images, found[self.nearest])
            assert detector is not None
            facts = {"canary": number, "times": times, "way": "", "model": "round trip"}
            rows.append(pd.DataFrame(_look_for(image, again, detector)).assign(**facts))
            print_line(f"{self.folder.name}: canary {number + 1} of {len(canaries.chosen)}")
        assert detector is not None
        side = len(strips) // len(canaries.chosen)
        sheet = [np.concatenate(strips[i : i + side], axis=1) for i in range(0, len(strips), side)]
        write_bytes(self.path.with_suffix(".png"), encode_png(np.concatenate(sheet)))
        ends = {"threshold_whole": detector.whole, "threshold_window": detector.window}
        write_parquet(self.path, pd.concat(rows, ignore_index=True).assign(**ends))

    def _train(self, context: Context, canaries: Canaries) -> Denoiser:
        settings = context.run.denoiser
        folder = self.folder / f"denoiser {self.num} {self.steps}{self.suffix}"
        optim = replace(settings.optim, steps=self.steps)
        settings = replace(settings, optim=optim)
        if not (folder / "denoiser.json").exists():
            torch.manual_seed(derive(context.run.seed, "denoiser"))
            batch_at = draw_batches(
                canaries.add_to(context.latents, context),
                batch=optim.batch,
                uniform_fraction=settings.uniform_fraction,
                seed=context.run.seed,
                purpose="denoiser",
            )
            train_and_save(context, folder, Denoiser(settings), batch_at, optim)
        return Denoiser.load(folder, settings).to(own_device())

    def _sample(
        self,
        context: Context,
        net: Denoiser,
        way: tuple[Variant, str],
        masks: np.ndarray,
        number: int,
    ) -> np.ndarray:
        """Tiles of masks from the same noise in both networks."""
        variant, plan = way[0], "" if way == OWN else way[1]
        sample = replace(context.run.sample, plan=plan or context.run.sample.plan)
        sampler = Sampler(context.autoencoder, {"sd": net}, sample)
        seeds = [derive(0, "canary", number, i) for i in range(self.tiles)]
        return sampler.generate(variant, masks, seeds)


def _look_for(image: np.ndarray, images: np.ndarray, detector: Detector) -> dict[str, np.ndarray]:
    """Which tiles are copies of one, and how like it they are at most, whole and by windows."""
    book: Pictures = take_pictures(image[None])
    matches = find_matches(take_pictures(images), book)
    return {
        "copy": detector.flag(matches),
        "whole": matches.whole,
        "window": matches.window,
        "tile": np.arange(len(images)),
    }


def _nearest(images: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    return [images[i] for i in np.argsort(-scores)[:_SHOWN]]


def find_canaries(
    runs: Sequence[Context],
    out: Path,
    sizes: Sizes,
    *,
    num: int,
    tiles: int,
    share: float,
    labels: Labels,
) -> pd.DataFrame:
    """A row a tile of every canary, way and network; trainings of several runs side by side.

    Args:
        runs: whose `sd` are trained again, with canaries.
        out: folder of trainings and tables.
        sizes: how many training tiles calibrate.
        num: canaries for each number of repetitions, of each run.
        tiles: that are asked for of each canary, way and network.
        share: of the run's steps of training.
        labels: how many labels a canary has.
    """
    jobs = []
    for context in runs:
        steps = round(share * context.run.denoiser.optim.steps)
        folder = own_folder(out, context)
        jobs.append(CanaryJob(context.folder, folder, num, tiles, steps, sizes, labels))
    missing = [job for job in jobs if not job.path.exists()]
    with spread(len(missing)) as apply:
        list(apply(CanaryJob.do, missing))
    parts = [pd.read_parquet(job.path).assign(run=job.folder.name) for job in jobs]
    return pd.concat(parts, ignore_index=True)
