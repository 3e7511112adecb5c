"""Does a tile that a generator was trained on 1, 10 or 100 times come out of it?

Canaries are tiles of several labels of test slides, whose patients are in no training tile. A
network is trained as the run's `sd`, with its seed, on the training tiles and them; then both are
asked for the canaries' own masks, the worst that can be asked for. The thresholds of the audit,
calibrated on the training tiles, say what is a copy of a canary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from audit_ways import Sizes, hold_some, title
from side_by_side import open_run, own_folder

from disc.audit.copies.detector import Detector, calibrate
from disc.audit.copies.pictures import Pictures, take_pictures
from disc.audit.copies.search import find_matches
from disc.data.pixels.images import encode_png
from disc.data.tiles.records import Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, write_bytes, write_parquet
from disc.labels import NUM_LABELS
from disc.model.denoiser import Denoiser
from disc.pipeline.context import Context
from disc.pipeline.stages.denoiser import train_and_save
from disc.processes import own_device, spread
from disc.progress import print_line
from disc.sample.sampler import Sampler
from disc.seeds import derive, numpy_generator
from disc.settings.synthesis import Variant
from disc.train.draws import transform
from disc.train.latents.latent_set import LatentSet, draw_batches, label_slides

WAYS: tuple[tuple[Variant, str], ...] = (
    *(("sd", ""), ("sd-sc", "end"), ("sd-sc", "step"), ("sd-sc", "switch@0.75")),
)
TIMES = (1, 10, 100)
"""How often a canary is repeated among the training tiles."""
_LEAST = 0.15
"""Of the tile, that two labels of a canary each cover."""
_SHOWN = 6


@dataclass(frozen=True)
class Canaries:
    """Tiles of patients whom no training tile shows, and how often each is trained on."""

    tiles: TileSet
    chosen: list[int]
    times: list[int]

    @classmethod
    def choose(cls, context: Context, num: int) -> Canaries:
        """Some tiles for each number of repetitions, of as many patients as can be.

        Raises:
            BadInput: if the test slides have too few tiles of several labels.
        """
        tiles, wanted = context.split.test, num * len(TIMES)
        order = numpy_generator(context.run.seed, "canaries").permutation(len(tiles))
        several = [int(i) for i in order if _has_several(tiles.mask(int(i)))]
        seen: dict[str, int] = {}
        ranks = []
        for index in several:
            patient = tiles.slides[tiles.tiles[index].slide_id].patient_id
            seen[patient] = ranks_of = seen.get(patient, -1) + 1
            ranks.append(ranks_of)
        if len(several) < wanted:
            raise BadInput(f"{len(several)} test tiles of several labels; expected {wanted}")
        chosen = [several[i] for i in np.argsort(ranks, kind="stable")[:wanted]]
        return cls(tiles, chosen, [time for time in TIMES for _ in range(num)])

    def add_to(self, latents: LatentSet, context: Context) -> LatentSet:
        """The training latents with those of every canary, as often as it is repeated."""
        num, versions = latents.latents.shape[:2]
        at = torch.arange(num).repeat_interleave(versions), torch.arange(versions).repeat(num)
        stored, masks = latents.latents[at], latents.masks[at]
        more, more_masks = [], []
        for index in self.chosen:
            image, mask = self.tiles.image(index), self.tiles.mask(index)
            turned = np.stack([transform(image, v) for v in range(versions)])
            more.append(_encode(context, turned).to("cpu", stored.dtype))
            more_masks.append(
                torch.from_numpy(np.stack([transform(mask, v) for v in range(versions)]))
            )
        times = torch.tensor(self.times)
        tiles: list[Tile] = [self.tiles.tiles[i] for i in self.chosen]
        slides = label_slides(replace(self.tiles, tiles=tuple(tiles)))
        return LatentSet(
            latents=torch.cat(
                [
                    stored.view(num, versions, *stored.shape[1:]),
                    torch.stack(more).repeat_interleave(times, dim=0),
                ]
            ),
            masks=torch.cat(
                [
                    masks.view(num, versions, *masks.shape[1:]),
                    torch.stack(more_masks).repeat_interleave(times, dim=0),
                ]
            ),
            labels=np.concatenate([latents.labels, np.full(int(times.sum()), -1)]),
            slides=torch.cat([latents.slides, slides.repeat_interleave(times, dim=0)]),
        )


def _encode(context: Context, images: np.ndarray) -> torch.Tensor:
    return context.autoencoder.encode(torch.from_numpy(images).to(own_device()))


def _has_several(mask: np.ndarray) -> bool:
    shares = np.bincount(mask.ravel(), minlength=256) / mask.size
    return bool((shares[:NUM_LABELS] >= _LEAST).sum() > 1)


@dataclass(frozen=True)
class CanaryJob:
    """One training with canaries, and what comes out."""

    run: Path
    folder: Path
    num: int
    tiles: int
    steps: int
    sizes: Sizes

    @property
    def path(self) -> Path:
        """Of the table."""
        facts = f"{self.num} {self.tiles} {self.steps} {self.sizes.real}"
        return self.folder / f"canaries {facts}.parquet"

    def do(self) -> None:
        """Train, ask for the canaries, and write the table."""
        if self.path.exists():
            return
        torch.set_num_threads(1)
        context = open_run(self.run, ("sd",))
        canaries = Canaries.choose(context, self.num)
        with_them = self._train(context, canaries)
        nets = {"with": with_them, "without": context.denoiser("sd")}
        training = hold_some("training slides", context.split.train, self.sizes)
        detector: Detector | None = None
        rows, strips = [], []
        for number, (index, times) in enumerate(zip(canaries.chosen, canaries.times, strict=True)):
            image, mask = canaries.tiles.image(index), canaries.tiles.mask(index)
            strips.append(image)
            again = context.autoencoder.decode(_encode(context, image[None]))
            for way, (name, net) in product(WAYS, nets.items()):
                images = self._sample(context, net, way, mask, number)
                detector = detector or calibrate(
                    training.images, list(training.patients), images, seed=0
                )
                found = _look_for(image, images, detector)
                facts = {"canary": number, "times": times, "way": title(way), "model": name}
                rows.append(pd.DataFrame(found).assign(**facts))
                if name == "with":
                    strips += _nearest(images, found["whole"])
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
        folder = self.folder / f"denoiser {self.num} {self.steps}"
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
        mask: np.ndarray,
        number: int,
    ) -> np.ndarray:
        """Tiles of a canary's mask from the same noise in both networks."""
        variant, plan = way
        sample = replace(context.run.sample, plan=plan or context.run.sample.plan)
        sampler = Sampler(context.autoencoder, {"sd": net}, sample)
        seeds = [derive(0, "canary", number, i) for i in range(self.tiles)]
        return sampler.generate(variant, np.stack([mask] * self.tiles), seeds)


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
    runs: Sequence[Context], out: Path, sizes: Sizes, *, num: int, tiles: int, share: float
) -> pd.DataFrame:
    """A row a tile of every canary, way and network; trainings of several runs side by side.

    Args:
        runs: whose `sd` are trained again, with canaries.
        out: folder of trainings and tables.
        sizes: how many training tiles calibrate.
        num: canaries for each number of repetitions, of each run.
        tiles: that are asked for of each canary, way and network.
        share: of the run's steps of training.
    """
    jobs = []
    for context in runs:
        steps = round(share * context.run.denoiser.optim.steps)
        folder = own_folder(out, context)
        jobs.append(CanaryJob(context.folder, folder, num, tiles, steps, sizes))
    missing = [job for job in jobs if not job.path.exists()]
    with spread(len(missing)) as apply:
        list(apply(CanaryJob.do, missing))
    parts = [pd.read_parquet(job.path).assign(run=job.folder.name) for job in jobs]
    return pd.concat(parts, ignore_index=True)
