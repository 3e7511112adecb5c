"""The stage that trains pixel graders and counts what they confuse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from disc.data.tiles.tile_set import TileSet
from disc.grade.carcino import PixelNet, blank_carcino
from disc.grade.confusion import COUNTS
from disc.grade.pixels import confusion_rows, train_pixel_grader
from disc.grade.pool import TilePool
from disc.model.store import load_weights, save_weights
from disc.pipeline.configurations import Configuration, pixel_configurations
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import label_rows, read_synthetic, test_sets, write_table
from disc.processes import gather, own_share, write_once
from disc.records.typed import read_table
from disc.settings.run import Run
from disc.train.checkpoint import NAME as CHECKPOINT

Truths = dict[str, list[tuple[str, str, TileSet]]]
"""By kind of mask: data set, split and tiles."""
_TABLE = "pixels.parquet"
FOLDER = Path("graders", "pixels")
WEIGHTS = "carcino.safetensors"


def grader_path(context: Context, configuration: Configuration) -> Path:
    """Where the weights of a configuration's pixel grader are."""
    return context.folder / FOLDER / configuration.name / WEIGHTS


def load_pixel_grader(context: Context, configuration: Configuration) -> PixelNet:
    """The pixel grader of a configuration.

    Raises:
        FileNotFoundError: if it is not trained.
        BadInput: if its weights are damaged.
    """
    net = blank_carcino(context.run.grade.carcino)
    load_weights(grader_path(context, configuration), net)
    return net


def grade_pixels(context: Context, folder: Path) -> str:
    """Train a pixel grader of every configuration, and count what it confuses."""
    run = context.run
    real = TilePool(context.training_set, run.data.workers)
    kinds = {"annotation": "masks"}
    if context.is_simulated and run.data.external_root is None:
        kinds["exact"] = "masks_exact"
    truths = {kind: list(test_sets(context, masks)) for kind, masks in kinds.items()}
    parts = []
    for configuration in pixel_configurations(run):
        place = folder / configuration.name
        is_made = (context.folder / "synthetic" / configuration.variant / "images").exists()
        if configuration.balance_weight and not is_made:
            continue
        # Written last, so a grader that has it is finished.
        if not (place / _TABLE).exists():
            net = _train(context, configuration, real, place)
            rows = _count(net, truths, configuration, run)
            write_once(partial(_finish, net, rows, place))
        parts.append(place / _TABLE)
    write_once(lambda: _join(context.folder / "pixels.parquet", parts))
    return f"{len(parts)} configurations"


def _train(context: Context, configuration: Configuration, real: TilePool, place: Path) -> PixelNet:
    run, synthetic = context.run, None
    if configuration.balance_weight:
        generated = read_synthetic(context, configuration.variant)  # type: ignore[arg-type]
        synthetic = TilePool(generated, run.data.workers)
    return train_pixel_grader(
        net=run.grade.carcino,
        real=real,
        synthetic=synthetic,
        balance_weight=configuration.balance_weight,
        folder=place,
        seed=run.seed,
        validation=context.split.val,
    )


def _finish(net: PixelNet, rows: list[pd.DataFrame], place: Path) -> None:
    """Write a trained grader and what it confuses, and let its checkpoint go."""
    save_weights(place / WEIGHTS, net)
    write_table(place / _TABLE, rows, COUNTS)
    (place / CHECKPOINT).unlink(missing_ok=True)


def _join(path: Path, parts: Sequence[Path]) -> None:
    write_table(path, [read_table(part, COUNTS, "delete it") for part in parts], COUNTS)


def _count(
    net: PixelNet, truths: Truths, configuration: Configuration, run: Run
) -> list[pd.DataFrame]:
    """What a grader confuses in every set of tiles; processes share the tiles."""
    counted = []
    for index, (data_set, split, tiles) in enumerate(truths["annotation"]):
        own = own_share().cut(len(tiles))
        same = {kind: sets[index][2] for kind, sets in truths.items()}
        parts = gather([confusion_rows(net, same, own)])
        rows = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        facts = {"grader": "carcino", "fold": run.data.fold, "data_set": data_set, "split": split}
        counted.append(label_rows(rows, configuration, run.seed, 0).assign(**facts))
    return counted
