"""Referees side by side: what each has learnt to read in real tiles, by how it was trained.

A referee that does not know a label says nothing of tiles that show it. Takes a finished run for
its tiles and its autoencoder, and trains referees in several ways, three of each. They read test
tiles with exact masks, as they are and through the autoencoder. Prints pixel recall by label and
mean recall (the primary measure), mean, lowest and highest of the trainings; then one JSON line.
One or two minutes a training of the demo's size on one quiet thread; stopped, the same command goes
on.

    python benchmarks/referees.py runs/demo --ways 16x300x32 12x800x16 12x800x16@0.003
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import tyro
from autoencoder import choose_tiles, recall_by_label, tell
from side_by_side import open_run, own_folder

from disc.cli import prepare_process
from disc.evaluate.agreement import primary_measure
from disc.evaluate.referee import read_tiles
from disc.files import BadInput, read_json, write_json
from disc.grade.carcino import CarcinoNet
from disc.model.store import load_weights
from disc.pipeline.context import Context
from disc.pipeline.stages.referee import REFEREE, make_referee
from disc.sample.sampler import rebuild
from disc.settings.evaluation import Evaluate

_WAY = re.compile(r"(\d+)x(\d+)x(\d+)(?:@(\d*\.?\d+(?:e-?\d+)?))?")


@dataclass(frozen=True)
class Options:
    """What to run."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run."""
    out: Path = Path("runs/referees")
    """Folder of trained referees."""
    ways: tuple[str, ...] = ("16x300x32", "12x800x16")
    """Width, steps and tiles a step of each, and after an @ its learning rate; by default the
    run's."""
    seeds: int = 3
    """Trainings of each way."""
    tiles: int = 400
    """Test tiles that each reads."""


def parse(way: str, plain: Evaluate) -> Evaluate:
    """Settings with a referee trained in a way.

    Raises:
        BadInput: if the text says none.
    """
    found = _WAY.fullmatch(way)
    if not found:
        raise BadInput(
            f"--ways {way}: expected width x steps x tiles, as 12x800x16 or 12x800x16@0.003"
        )
    width, steps, batch = (int(part) for part in found.groups()[:3])
    optim = replace(plain.referee.optim, steps=steps, batch=batch)
    if found[4]:
        optim = replace(optim, lr=float(found[4]))
    return replace(plain, referee=replace(plain.referee, width=width, optim=optim))


def train_all(context: Context, options: Options) -> Iterator[dict[str, object]]:
    """Train and measure referees of every way; a row a training."""
    images, masks = choose_tiles(context.judged, options.tiles)
    views = {"real": images, "through": rebuild(context.autoencoder, images)}
    settings = {way: parse(way, context.run.evaluate) for way in options.ways}
    out = own_folder(options.out, context)
    for way, evaluate in settings.items():
        for seed in range(options.seeds):
            folder = out / f"{way} seed {seed}"
            path = folder / f"measured on {options.tiles}.json"
            if not path.exists():
                run, start = replace(context.run, evaluate=evaluate, seed=seed), time.process_time()
                make_referee(Context(run, context.folder), folder)
                seconds = time.process_time() - start
                referee = CarcinoNet(evaluate.referee)
                load_weights(folder / REFEREE, referee)
                found = measure(referee.eval(), views, masks)
                write_json(path, {"way": way, "seed": seed, "seconds": seconds, **found})
            yield read_json(path)


def measure(
    referee: CarcinoNet, views: dict[str, np.ndarray], masks: np.ndarray
) -> dict[str, float]:
    """What a referee recalls of each label and of the masks' labels, in each view of the tiles."""
    found = {}
    for name, images in views.items():
        read = read_tiles(referee, images)
        recalls = recall_by_label(masks, read)
        recalls["primary"] = float(np.nanmean(primary_measure(masks, read)))
        found |= {f"{key}, {name}": value for key, value in recalls.items()}
    return found


def main() -> None:
    """Train, measure, print a table for people, and one JSON line with every number."""
    prepare_process()
    options = tyro.cli(Options)
    rows = pd.DataFrame(train_all(open_run(options.run, ("sd",)), options))
    print(tell(rows).to_string())
    print(json.dumps({"referees": rows.to_dict("records")}))


if __name__ == "__main__":
    main()
