"""Smaller decoders, and one without a codebook: how fast they are, and what is still read in tiles.

Takes finished runs, one a training of everything. On each run's own frozen encoder and codebook,
decoders of its width and of fractions of it are trained anew alike: on the texture loss alone, then
against the discriminator of patches, as the run's was. `--no-codebook` trains one more of the run's
width, on latents that are not quantised, as the codebook was put in after the encoder: what it
costs is the difference to the decoder of that width on codes. Latents of `sd-sc` and of the
student, and those of real tiles, go through each. Prints the primary measure and kernel distance
with the difference to the run's own decoder (95 % over slides; of several runs: and trainings),
what the autoencoder keeps of real tiles, and the ratio of decoding times in interleaved rounds;
then one JSON line. About five minutes a decoder on one quiet thread; stopped, the same command goes
on.

    python benchmarks/decoder.py runs/laptop [--widths 1 0.75 0.5]
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
import tyro
from autoencoder import measure as measure_kept
from side_by_side import (
    Asked,
    draw_masks,
    is_trained,
    measure,
    open_runs,
    own_folder,
    read_real,
    summarise,
)
from side_by_side import tell as tell_reading
from timing import ratio
from torch import nn

from disc.cli import prepare_process
from disc.files import read_json, write_json, write_parquet
from disc.model.autoencoder import Autoencoder, build_vq
from disc.model.latent_shape import LATENT_FACTOR
from disc.model.store import load_weights, save_weights
from disc.pipeline.context import Context
from disc.sample.sampler import Sampler
from disc.sample.solver import draw_noise
from disc.seeds import derive
from disc.settings.autoencoder import Autoencoder as Settings
from disc.settings.autoencoder import DecoderTuning
from disc.settings.synthesis import STUDENT, Variant
from disc.train.latents.latent_set import draw_tiles
from disc.train.objectives.decoder import tune_decoder

OWN = "the run's"
WEIGHTS = "autoencoder.safetensors"
TIMED = 256
"""Latents that are decoded in a round."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/decoders")
    """Folder of decoders and readings."""
    widths: tuple[float, ...] = (1.0, 0.75, 0.5)
    """Channels over those of the run's decoder."""
    no_codebook: bool = False
    """Also one of the run's width on latents as they are, not quantised; set beside width 1."""
    steps: int = 2000
    """Of training each on the texture loss; after them, those of the run's last stage."""
    masks: int = 160
    """Masks of each set of several labels, and a quarter as many of one."""
    tiles: int = 400
    """Test tiles that go through each."""
    rounds: int = 8
    """Of timing."""


@dataclass(frozen=True)
class Way:
    """A decoder to train.

    Attributes:
        width: channels over those of the run's.
        has_codebook: whether latents are quantised before it.
    """

    width: float
    has_codebook: bool = True


class NoCodebook(nn.Module):
    """Gives latents as they are; the codes stay in the file, for those who count their use."""

    def __init__(self, quantise: Any) -> None:
        """In place of a VQModel's quantiser."""
        super().__init__()
        self.embedding, self.nearest = quantise.embedding, quantise.nearest

    def forward(self, latents: torch.Tensor) -> tuple[torch.Tensor, None, tuple[None, None, None]]:
        """As a quantiser answers: vectors, loss, and what it counted."""
        return latents, None, (None, None, None)


def with_decoder(autoencoder: Autoencoder, settings: Settings, way: Way) -> Autoencoder:
    """The same encoder and codebook with an untrained decoder of a fraction of the width."""
    other = copy.deepcopy(autoencoder)
    channels = tuple(round(way.width * one) for one in settings.channels)
    other.vq.decoder = build_vq(replace(settings, source=None, channels=channels)).decoder
    if not way.has_codebook:
        other.vq.quantize = NoCodebook(other.vq.quantize)
    return other


def train_decoder(context: Context, folder: Path, way: Way, options: Options) -> Autoencoder:
    """The run's autoencoder with another decoder, trained anew; one that is there."""
    settings, seed = context.run.autoencoder, context.run.seed
    torch.manual_seed(derive(seed, "smaller decoder"))
    trained, weights = with_decoder(context.autoencoder, settings, way), folder / WEIGHTS
    if weights.exists():
        load_weights(weights, trained.vq)
        return trained.eval()
    alone = DecoderTuning(
        adversarial_weight=0.0, optim=replace(settings.decoder.optim, steps=options.steps, lr=3e-3)
    )
    for name, tuning in (("alone", alone), ("against", settings.decoder)):
        tiles = draw_tiles(context.split.train, batch=tuning.optim.batch, seed=seed, workers=0)
        tune_decoder(trained.vq, tuning, tiles, folder / name, seed)
    save_weights(weights, trained.vq)
    return trained.eval()


def open_decoders(context: Context, out: Path, options: Options) -> dict[str, Autoencoder]:
    """The run's own, and all others, by name."""
    ways = {f"width {width:g}": Way(width) for width in options.widths}
    if options.no_codebook:
        ways["no codebook"] = Way(1.0, has_codebook=False)
    found = {OWN: context.autoencoder}
    for title, way in ways.items():
        name = f"{title}, {options.steps} steps"
        found[name] = train_decoder(context, out / name, way, options)
    return found


def read_decoders(
    context: Context, asked: Asked, out: Path, decoders: Mapping[str, Autoencoder]
) -> dict[str, pd.DataFrame]:
    """What the referee reads of the same latents, by variant and decoder; a row a mask."""
    tables, variants = {}, list[Variant](["sd-sc"])
    if is_trained(context.folder, STUDENT):
        variants.append(STUDENT)
    for variant in variants:
        folder = out / f"masks {len(asked.masks)}"
        paths = {name: folder / f"{variant}, {name}.parquet" for name in decoders}
        missing = [name for name, path in paths.items() if not path.exists()]
        if missing:
            drawn = context.sampler(variant).draw_latents(variant, asked.masks, asked.seeds)
            latents = drawn.cpu()
        for name in missing:
            images = Sampler(decoders[name], {}, context.run.sample).decode(latents)
            columns = measure(context, latents, images, asked)
            facts = {"evaluations": 0.0, "seconds": 0.0, "steps": 0}
            write_parquet(paths[name], pd.DataFrame(columns).assign(**facts))
            print(f"{paths[name]}", flush=True)
        tables |= {f"{variant}, {name}": pd.read_parquet(path) for name, path in paths.items()}
    return tables


def measure_all(
    context: Context, out: Path, decoders: Mapping[str, Autoencoder], num: int
) -> list[dict[str, object]]:
    """What each keeps of real test tiles."""
    rows: list[dict[str, object]] = []
    for name, autoencoder in decoders.items():
        path = out / f"kept {num}" / f"{name}.json"
        if not path.exists():
            write_json(path, measure_kept(context, autoencoder, num))
        rows.append({"run": context.folder.name, "decoder": name, **read_json(path)})
    return rows


def time_decoders(
    context: Context, decoders: Mapping[str, Autoencoder], rounds: int
) -> dict[str, dict[str, float]]:
    """How many times as fast as the run's own each decodes, in interleaved rounds."""
    latents = draw_noise(list(range(TIMED)), context.run.data.tile_px // LATENT_FACTOR)
    seconds: dict[str, list[float]] = {name: [] for name in decoders}
    for number in range(rounds + 1):
        for name, autoencoder in decoders.items():
            start = time.process_time()
            Sampler(autoencoder, {}, context.run.sample).decode(latents)
            if number:  # the first warms up
                seconds[name].append(time.process_time() - start)
    return {name: ratio(seconds[OWN], found) for name, found in seconds.items()}


def list_bases(variant: str, options: Options) -> dict[str, str]:
    """Titles of what decoders are set beside, by what columns call them."""
    bases = {"own": f"{variant}, {OWN}"}
    if options.no_codebook and 1.0 in options.widths:
        bases["width 1"] = f"{variant}, width 1, {options.steps} steps"
    return bases


def compare(options: Options) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, float]]]:
    """Readings of every variant and decoder, what is kept of real tiles, and ratios of time."""
    readings, real, kept, times = dict[str, list[pd.DataFrame]](), [], [], {}
    needs, draw = ("sd",), partial(draw_masks, num=options.masks)
    for context, asked in open_runs(options.runs, draw, needs):
        out = own_folder(options.out, context)
        decoders = open_decoders(context, out, options)
        for title, table in read_decoders(context, asked, out, decoders).items():
            readings.setdefault(title, []).append(table)
        real.append(read_real(context, asked, out / f"masks {len(asked.masks)}"))
        kept += measure_all(context, out, decoders, options.tiles)
        times = times or time_decoders(context, decoders, options.rounds)
    parts = []
    for variant in ("sd-sc", STUDENT):
        own = {title: one for title, one in readings.items() if title.startswith(f"{variant}, ")}
        if len(own) > 1 and len(next(iter(own.values()))) == len(real):
            parts.append(summarise(own, real, asked, list_bases(variant, options)))
    return pd.concat(parts, ignore_index=True), pd.DataFrame(kept), times


def main() -> None:
    """Train, read, print tables for people, and one JSON line with every number."""
    prepare_process()
    options = tyro.cli(Options)
    table, kept, times = compare(options)
    for name, part in table.groupby("masks", sort=False):
        print(f"\n{name}")
        shown = pd.DataFrame(
            [tell_reading(row, tuple(list_bases("", options))) for _, row in part.iterrows()]
        )
        print(shown.drop(columns=["evaluations", "ms"]).to_string(index=False))
    means = kept.drop(columns="run").groupby("decoder", sort=False).mean()
    print(f"\n{means.round(3).T.to_string()}\n")
    for name, found in times.items():
        print(
            f"{name}: {found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}] times as fast"
        )
    rows = {"readings": table.astype(object).where(table.notna(), None), "kept": kept}
    found = {name: part.to_dict("records") for name, part in rows.items()}
    print(json.dumps({"decoder": found, "times": times}))


if __name__ == "__main__":
    main()
