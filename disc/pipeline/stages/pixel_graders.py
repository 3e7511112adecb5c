"""The stage that trains pixel graders and counts what they confuse."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from disc.data.tiles.tile_set import TileSet
from disc.grade.carcino import CarcinoNet
from disc.grade.confusion import COUNTS
from disc.grade.pixels import confusion_rows, train_pixel_grader
from disc.grade.pool import TilePool
from disc.model.store import load_weights, save_weights
from disc.pipeline.configurations import Configuration, pixel_configurations
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import label_rows, read_synthetic, test_sets, write_table
from disc.settings.run import Run
from disc.train.checkpoint import NAME as CHECKPOINT

FOLDER = Path("graders", "pixels")
WEIGHTS = "carcino.safetensors"


def grader_path(context: Context, configuration: Configuration) -> Path:
    """Where the weights of a configuration's pixel grader are."""
    return context.folder / FOLDER / configuration.name / WEIGHTS


def load_pixel_grader(context: Context, configuration: Configuration) -> CarcinoNet:
    """The pixel grader of a configuration.

    Raises:
        FileNotFoundError: if it is not trained.
        BadInput: if its weights are damaged.
    """
    net = CarcinoNet(context.run.grade.carcino)
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
        synthetic = None
        if configuration.balance_weight:
            if not (context.folder / "synthetic" / configuration.variant / "images").exists():
                continue
            generated = read_synthetic(context, configuration.variant)  # type: ignore[arg-type]
            synthetic = TilePool(generated, run.data.workers)
        net = train_pixel_grader(
            net=run.grade.carcino,
            real=real,
            synthetic=synthetic,
            balance_weight=configuration.balance_weight,
            folder=place,
            seed=run.seed,
        )
        save_weights(place / WEIGHTS, net)
        (place / CHECKPOINT).unlink(missing_ok=True)
        parts += [
            _confusion(net, truths, configuration, run, i) for i in range(len(truths["annotation"]))
        ]
    write_table(context.folder / "pixels.parquet", parts, COUNTS)
    return f"{len(list(folder.glob(f'*/{WEIGHTS}')))} configurations"


def _confusion(
    net: CarcinoNet,
    truths: dict[str, list[tuple[str, str, TileSet]]],
    configuration: Configuration,
    run: Run,
    index: int,
) -> pd.DataFrame:
    data_set, split, _ = truths["annotation"][index]
    rows = confusion_rows(net, {kind: sets[index][2] for kind, sets in truths.items()})
    facts = {"grader": "carcino", "fold": run.data.fold, "data_set": data_set, "split": split}
    return label_rows(rows, configuration, run.seed, 0).assign(**facts)
