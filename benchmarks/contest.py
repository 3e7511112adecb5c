"""The decoder of the shipped weights tuned further: how long, how hard a contest, on which tiles.

Draws the simulated tiles that the shipped weights were trained on, and tunes their decoder on the
frozen encoder as `--ways` say: steps, tiles a step, the weights of the discriminator's loss and of
its features, and whether tiles come `even`ly by label or `as` they are. Test tiles go through each:
PSNR, gradient energy over that of the tiles by label, what the shipped referee reads. Prints a
table, then one JSON line. Four minutes for 900 steps of 4 on one quiet thread.

    python benchmarks/contest.py [--ways "900 4 1 1 as" "900 4 1 1 even"] [--out runs/contest]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import autoencoder as kept
import pandas as pd
import tyro

import disc
from disc import presets
from disc.api import SHIPPED
from disc.cli import prepare_process
from disc.evaluate.referee import read_tiles
from disc.files import BadInput, read_json, write_json
from disc.grade.carcino import CarcinoNet
from disc.model.autoencoder import Autoencoder
from disc.pipeline.context import Context
from disc.pipeline.run import execute
from disc.train.latents.latent_set import draw_tiles
from disc.train.objectives.decoder import tune_decoder


@dataclass(frozen=True)
class Options:
    """What to run."""

    ways: tuple[str, ...] = ("900 4 0.5 0.5 as", "900 4 1 1 as", "900 4 1 1 even")
    """Steps, tiles a step, weight of the discriminator's loss and of its features, which tiles."""
    out: Path = Path("runs/contest")
    """Folder of the tiles and of what was measured."""
    tiles: int = 400
    """Test tiles that go through each."""


def load_shipped() -> Autoencoder:
    """The shipped autoencoder, read anew: tuning changes a decoder in place."""
    return Autoencoder.load(SHIPPED / "vqvae").eval()


def tune_all(
    context: Context, referee: CarcinoNet, options: Options
) -> Iterator[dict[str, object]]:
    """Tune and measure every way; a row each."""
    yield {"way": "shipped", **kept.measure(context, load_shipped(), options.tiles, referee)}
    for way in options.ways:
        folder = options.out / way
        path = folder / "measured.json"
        if not path.exists():
            if way.split()[4:] not in (["as"], ["even"]):
                raise BadInput(f"{way!r}: expected steps, tiles, two weights, and as or even")
            steps, batch, adversarial, feature, which = way.split()
            settings = context.run.autoencoder.decoder
            tuning = replace(
                settings,
                adversarial_weight=float(adversarial),
                feature_weight=float(feature),
                even_labels=which == "even",
                optim=replace(settings.optim, steps=int(steps), batch=int(batch)),
            )
            autoencoder = load_shipped()
            batches = draw_tiles(
                context.split.train, batch=int(batch), seed=0, is_even=tuning.even_labels
            )
            tune_decoder(autoencoder.vq, tuning, batches, folder, 0)
            write_json(path, kept.measure(context, autoencoder.eval(), options.tiles, referee))
        yield {"way": way, **read_json(path)}


def main() -> None:
    """Draw, tune, measure; print a table for people, and one JSON line."""
    prepare_process()
    options = tyro.cli(Options)
    run = replace(presets.phantom(), out=options.out, name="data", until="data")
    execute(run)
    context, referee = Context(run, options.out / "data"), disc.load().weights.referee()
    images, masks = kept.choose_tiles(context.judged, options.tiles)
    real = kept.recall_by_label(masks, read_tiles(referee, images))
    rows = [{"way": "real tiles", **real}, *tune_all(context, referee, options)]
    print(pd.DataFrame(rows).set_index("way").T.round(3).to_string())
    print(json.dumps({"contest": rows}))


if __name__ == "__main__":
    main()
