"""Autoencoders side by side: what a denoiser's latents keep of a tile, by how they were trained.

Takes a finished run for its tiles and its referee, and trains autoencoders in several ways, three
of each with other first weights, crops and codes. Test tiles go through each: PSNR and SSIM,
gradient energy over that of the tiles by label, what the referee recalls of each label and of the
masks' labels, the same with noise of .1 standard deviations on the latents, and codes in use.
Prints means with the lowest and highest of the trainings, then one JSON line. About ten minutes a
training on one quiet thread; stopped, the same command goes on.

    python benchmarks/autoencoder.py runs/demo [--out runs/autoencoders] [--seeds 3]
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
import tyro
from matplotlib.figure import Figure
from side_by_side import open_run, own_folder

from disc.cli import prepare_process
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.agreement import primary_measure
from disc.evaluate.gradients import gradient_energy
from disc.evaluate.reconstruction import measure_psnr, measure_ssim
from disc.evaluate.referee import read_tiles
from disc.files import read_json, write_bytes, write_json
from disc.grade.carcino import CarcinoNet
from disc.labels import Label
from disc.model.autoencoder import Autoencoder
from disc.model.quantiser import measure_use
from disc.pipeline.context import Context
from disc.pipeline.galleries import survey
from disc.pipeline.stages.autoencoder import make_autoencoder
from disc.pipeline.stages.referee import load_referee
from disc.presets import demo
from disc.report.figures import as_png
from disc.report.pictures import Cell
from disc.report.sheet_figure import draw_sheet
from disc.sample.sampler import Sampler, rebuild
from disc.settings.autoencoder import Autoencoder as Settings
from disc.settings.autoencoder import DecoderTuning
from disc.settings.training import Optim

NOISE = 0.1
DPI = 110
EARLIEST = Settings(
    channels=(16, 32, 64),
    num_codes=1024,
    quantise_from=0.75,
    optim=Optim(steps=1000, batch=8, lr=2e-3, decay="cosine"),
)
"""As `laptop` and the demo had it at first: whole tiles, L1, no discriminator."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run."""
    out: Path = Path("runs/autoencoders")
    """Folder of trained autoencoders."""
    ways: tuple[str, ...] = ()
    """Which ways to train; none: all."""
    seeds: int = 3
    """Trainings of each way."""
    tiles: int = 400
    """Test tiles that go through each."""
    picture: Path | None = None
    """Where a sheet goes of a test tile of each label, and of what the first training of each way
    keeps of it (PNG)."""


def list_ways(plain: Settings) -> dict[str, Settings]:
    """Settings of each way of training, by name; `plain` are the run's."""
    crops = replace(
        plain,
        groups=4,
        mid_attention=False,
        crop_px=32,
        loss="texture",
        latent_noise=0.1,
        latent_penalty=1e-4,
        quantise_from=1.0,
        optim=Optim(steps=2200, batch=8, lr=3e-3, decay="cosine", ema=0.995),
        decoder=DecoderTuning(),
    )
    optim = replace(DecoderTuning().optim, steps=360)
    alone = DecoderTuning(adversarial_weight=0.0, optim=optim)
    half = replace(plain, channels=tuple(one // 2 for one in plain.channels))
    last = replace(half.decoder.optim, steps=2 * half.decoder.optim.steps)
    longer = replace(
        half,
        optim=replace(half.optim, steps=2 * half.optim.steps),
        decoder=replace(half.decoder, optim=last),
    )
    before = shorten(plain)
    harder = replace(before.decoder, adversarial_weight=1.0, feature_weight=1.0)
    evenly = replace(harder, even_labels=True)
    return {
        "the run's": plain,
        "the demo's": demo().autoencoder,
        "the earliest": EARLIEST,
        "the demo's of before": before,
        "before, a harder contest": replace(before, decoder=harder),
        "before, a harder contest, labels evenly": replace(before, decoder=evenly),
        "half the width": half,
        "half the width, twice the steps": longer,
        "crops": crops,
        "crops, decoder": replace(crops, decoder=alone),
        "crops, decoder against a discriminator": replace(
            crops, decoder=DecoderTuning(optim=optim)
        ),
    }


def shorten(plain: Settings) -> Settings:
    """As `demo` had it until November 2026: 2,000 steps, and 440 of its decoder."""
    last = replace(plain.decoder.optim, steps=440)
    decoder = replace(plain.decoder, adversarial_weight=0.5, feature_weight=0.5, optim=last)
    return replace(plain, optim=replace(plain.optim, steps=2000), decoder=decoder)


def choose_tiles(tiles: TileSet, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and masks of tiles that are labelled everywhere, evenly spread over the set."""
    full = survey(tiles).chosen
    chosen = [full[i] for i in np.linspace(0, len(full) - 1, min(num, len(full))).astype(int)]
    return np.stack([tiles.image(i) for i in chosen]), np.stack([tiles.mask(i) for i in chosen])


def recall_by_label(masks: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Fraction of each label's pixels that were read as it."""
    return {
        f"recall_{label.name}": float((labels[masks == label] == label).mean()) for label in Label
    }


def measure(
    context: Context, autoencoder: Autoencoder, num: int, referee: CarcinoNet | None = None
) -> dict[str, float]:
    """What a trained autoencoder keeps of test tiles, by a referee; None: the run's."""
    images, masks = choose_tiles(context.judged, num)
    referee = load_referee(context) if referee is None else referee
    latents = torch.cat(
        [autoencoder.encode(part) for part in torch.split(torch.from_numpy(images), 32)]
    )
    decode = Sampler(autoencoder, {}, context.run.sample).decode
    decoded = decode(latents)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    disturbed = decode(latents + NOISE * latents.std() * noise)
    energies = [gradient_energy(part, masks)[0].sum(axis=0) for part in (decoded, images)]
    pairs = list(zip(images, decoded, strict=True))
    codes = autoencoder.codes(latents).flatten().numpy()
    use = measure_use(np.bincount(codes, minlength=autoencoder.num_codes))
    read = read_tiles(referee, decoded)
    found = {
        "psnr": float(np.mean([measure_psnr(*pair) for pair in pairs])),
        "ssim": float(np.mean([measure_ssim(*pair) for pair in pairs])),
        "codes": use.fraction,
        **recall_by_label(masks, read),
        "accuracy": float((read == masks).mean()),
        "disturbed_GG5": recall_by_label(masks, read_tiles(referee, disturbed))["recall_GG5"],
        "as_real": float((read == read_tiles(referee, images)).mean()),
    }
    ratio = energies[0] / energies[1]
    found |= {f"energy_{label.name}": float(ratio[label]) for label in Label}
    return found | {"primary": float(np.nanmean(primary_measure(masks, read)))}


def train_all(context: Context, options: Options) -> Iterator[dict[str, object]]:
    """Train and measure every way; a row a training."""
    ways, out = list_ways(context.run.autoencoder), own_folder(options.out, context)
    for way in options.ways or ways:
        for seed in range(options.seeds):
            folder = out / f"{way} seed {seed}"
            path = folder / f"measured on {options.tiles}.json"
            if not path.exists():
                run = replace(context.run, autoencoder=ways[way], seed=seed)
                own, start = Context(run, context.folder), time.perf_counter()
                what = make_autoencoder(own, folder)
                seconds = time.perf_counter() - start
                found = measure(own, Autoencoder.load(folder), options.tiles)
                print(f"{folder}: {what}; {seconds:.0f} s", flush=True)
                write_json(path, {"way": way, "seed": seed, "seconds": seconds, **found})
            yield read_json(path)


def draw(context: Context, options: Options) -> Figure:
    """A test tile of each label as it is, and through the first training of each way."""
    images, masks = choose_tiles(context.judged, options.tiles)
    shares = np.stack([(masks == label).mean(axis=(1, 2)) for label in Label], axis=1)
    shown = images[shares.argmax(axis=0)]
    columns, out = {"the tile": shown}, own_folder(options.out, context)
    for way in options.ways or list_ways(context.run.autoencoder):
        columns[way] = rebuild(Autoencoder.load(out / f"{way} seed 0"), shown)
    lines = [
        [Cell(heading=name, pixels=column[i]) for name, column in columns.items()]
        for i in range(len(shown))
    ]
    return draw_sheet(lines, context.um_per_px)


def tell(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a way: the mean of its trainings, and the lowest and highest."""

    def span(values: pd.Series) -> str:
        digits = 1 if values.max() > 2 else 3
        low, high = values.min(), values.max()
        return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    numbers = rows.drop(columns="seed").groupby("way", sort=False)
    return numbers.agg(span).T


def main() -> None:
    """Train, measure, print a table for people, and one JSON line with every number."""
    prepare_process()
    options = tyro.cli(Options)
    context = open_run(options.run, ("sd",))
    rows = pd.DataFrame(train_all(context, options))
    print(tell(rows).to_string())
    if options.picture is not None:
        write_bytes(options.picture, as_png(draw(context, options), DPI))
    print(json.dumps({"autoencoder": rows.to_dict("records")}))


if __name__ == "__main__":
    main()
