"""Audits of a run's variants and plans, each a job of its own that any process can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from side_by_side import Asked, open_run, own_folder

import disc
from disc.audit.asked.segmenter import WIDTH, Segmenters, train_segmenters
from disc.audit.audit import Questions, audit
from disc.audit.copies.new import measure_copies
from disc.audit.figures import to_table
from disc.audit.sets import AuditSet, hold, hold_arrays
from disc.data.pixels.images import encode_png
from disc.data.pixels.mask_colours import colour_mask
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, write_bytes, write_parquet
from disc.grade.carcino import CarcinoNet
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import draw_targets
from disc.processes import own_device, spread
from disc.progress import print_line
from disc.seeds import derive, numpy_generator
from disc.settings.grading import CarcinoNet as Settings
from disc.settings.synthesis import STUDENT

WAYS = (
    *(("sd", ""), ("sd-sc", "end"), ("sd-sc", "step"), ("sd-sc", "switch@0.75")),
    *(("sd-disc", ""), ("sd-disc-cotrain", ""), (STUDENT, "")),
)
"""Variants and, of separated conditions, plans."""
SHOWN = 8
"""Tiles of a picture."""


def title(way: tuple[str, str]) -> str:
    """What tables call a way."""
    return " ".join(filter(None, way))


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    masks: int = 256
    """That each way is asked for: a quarter of one label, the others of several."""
    real: int = 0
    """Test tiles, and training tiles, that they are held beside; 0: all."""
    segmenter_steps: int = 200
    """Training steps of each of the segmenters of the audits."""
    seeds: int = 1
    """Of the noise."""
    ways: tuple[str, ...] = tuple(title(way) for way in WAYS)
    """Variants, with their plans, that are audited; `sd`, which errors compare with, is one."""

    def __post_init__(self) -> None:
        names = [title(way) for way in WAYS]
        if "sd" not in self.ways or set(self.ways) - set(names):
            found = " ".join(self.ways)
            raise BadInput(f"ways: {found}; expected sd, and any of {', '.join(names[1:])}")

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """The ways, as variants and plans."""
        return [way for way in WAYS if title(way) in self.ways]

    @property
    def needs(self) -> list[str]:
        """Variants whose networks are asked."""
        return list(dict.fromkeys("sd" if name == "sd-sc" else name for name, _ in self.chosen))


@dataclass(frozen=True, eq=False)
class Bench:
    """What all audits on the same data share."""

    real: AuditSet
    training: AuditSet
    weights: tuple[dict[str, np.ndarray], ...]
    """Of the segmenters; arrays, since every tensor that is handed to a process opens a file."""
    halves: np.ndarray

    @classmethod
    def prepare(cls, run: Path, sizes: Sizes) -> Bench:
        """A run's test and training tiles, and segmenters of the test slides."""
        context = open_run(run, ())
        real = hold_some("test slides", context.split.test, sizes)
        training = hold_some("training slides", context.split.train, sizes)
        found = train_segmenters(real, steps=sizes.segmenter_steps, seed=0)
        weights = [
            {name: value.cpu().numpy() for name, value in net.state_dict().items()}
            for net in found.nets
        ]
        return cls(real, training, tuple(weights), found.halves)

    def open_segmenters(self) -> Segmenters:
        """The segmenters, on the device of this process."""
        nets = [CarcinoNet(Settings(width=WIDTH)) for _ in self.weights]
        for net, weights in zip(nets, self.weights, strict=True):
            net.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
        one, other = (net.to(own_device()).eval() for net in nets)
        return Segmenters((one, other), self.halves)


@dataclass(frozen=True, eq=False)
class Job:
    """An audit of a run's tiles of one way under one seed."""

    bench: Path
    """Run whose tiles they are held beside."""
    run: Path
    asked: Asked
    way: tuple[str, str]
    seed: int
    path: Path

    def do(self, bench: Bench) -> None:
        """Generate, audit and write the table and a picture of the first tiles."""
        torch.set_num_threads(1)
        variant, plan = self.way
        seeds = [derive(self.seed, "audit study", i) for i in range(len(self.asked.masks))]
        model = disc.load(self.run)
        images = model.sample(self.asked.masks, variant=variant, plan=plan or None, seed=seeds)
        made = hold_arrays(variant, images, self.asked.masks, self.asked.slides, model.um_per_px)
        questions = Questions(parts=("asked", "look", "seams"), transfer=False)
        found = audit(bench.real, made, questions, segmenters=bench.open_segmenters())
        copies = measure_copies(bench.training, made, seed=0)
        strip = np.concatenate(list(images[-SHOWN:]), axis=1)
        write_bytes(self.path.with_suffix(".png"), encode_png(strip))
        write_parquet(self.path, to_table([*found.figures, *copies.figures]))
        print_line(f"{self.path.parent.name}: {self.path.stem}: {copies.verdict}")


def hold_some(name: str, tiles: TileSet, sizes: Sizes) -> AuditSet:
    """As many tiles of a set as the sizes say, drawn at random."""
    num = min(sizes.real or len(tiles), len(tiles))
    order = numpy_generator(0, "audit study").permutation(len(tiles))[:num]
    return hold(name, replace(tiles, tiles=tuple(tiles.tiles[i] for i in sorted(order))))


def draw_asked(context: Context, sizes: Sizes) -> Asked:
    """Masks of the training tiles' shapes: a quarter of one label, labels in equal parts."""
    num = sizes.masks // 4
    settings = replace(context.run.evaluate, num_uniform=num, num_mixed=sizes.masks - num)
    px, seed = context.run.data.tile_px, 0
    masks, slides = draw_targets(context.book, context.latents.known(), settings, seed, px)
    return Asked(masks, slides, np.array(["training shapes"] * len(masks)))


def audit_runs(
    runs: Sequence[tuple[Path, Asked]], out: Path, sizes: Sizes, workers: int, *, apart: bool
) -> pd.DataFrame:
    """Figures of every way and seed of runs; those that stand are read.

    Args:
        runs: folders, with the masks that they are asked for.
        out: folder of figures.
        sizes: how much of everything.
        workers: processes that share the audits.
        apart: whether every run has data of its own; else they are the same.
    """
    jobs, first = [], dict[Path, Path]()
    for run, asked in runs:
        # runs that share slides share segmenters
        bench = first.setdefault((run / "data").resolve(), run) if apart else runs[0][0]
        folder = own_folder(out, open_run(run, sizes.needs))
        for way, seed in product(sizes.chosen, range(sizes.seeds)):
            path = folder / f"{_name(way, sizes, seed)}.parquet"
            jobs.append(Job(bench, run, asked, way, seed, path))
    missing = [job for job in jobs if not job.path.exists()]
    needed = list(dict.fromkeys(job.bench for job in missing))
    with spread(min(workers, len(needed))) as apply:
        found = list(apply(partial(Bench.prepare, sizes=sizes), needed))
    benches = dict(zip(needed, found, strict=True))
    with spread(min(workers, len(missing))) as apply:
        list(apply(Job.do, missing, [benches[job.bench] for job in missing]))
    parts = []
    for job in jobs:
        facts = {"way": title(job.way), "seed": job.seed, "run": str(job.run)}
        parts.append(pd.read_parquet(job.path).assign(**facts))
    return pd.concat(parts, ignore_index=True)


def join_pictures(context: Context, out: Path, sizes: Sizes, name: str) -> None:
    """One picture of a run's last masks, and of the tiles of each way in a row of its own."""
    folder = own_folder(out, context)
    masks = draw_asked(context, sizes).masks[-SHOWN:]
    rows = [np.concatenate([colour_mask(mask) for mask in masks], axis=1)]
    rows += [np.asarray(Image.open(folder / f"{_name(way, sizes, 0)}.png")) for way in sizes.chosen]
    write_bytes(out / f"{name}.png", encode_png(np.concatenate(rows)))


def _name(way: tuple[str, str], sizes: Sizes, seed: int) -> str:
    return f"{title(way)} {sizes.masks} {sizes.real} {sizes.segmenter_steps} {seed}"
