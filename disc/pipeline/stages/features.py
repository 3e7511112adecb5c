"""The stage that trains the embedded encoder and encodes every slide."""

from __future__ import annotations

from pathlib import Path

from disc.grade.encoder import CrossEncoder, encode_slides, train_encoder
from disc.grade.pool import TilePool
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import can_grade_slides, read_synthetic, test_sets
from disc.processes import write_once


def make_features(context: Context, folder: Path) -> str:
    """Train the embedded encoder, and encode every slide with it."""
    if not can_grade_slides(context):
        return "not possible: fewer than two training slides with scores"
    run = context.run
    pool = TilePool(context.training_set, run.data.workers)
    trained = train_encoder(run.grade.carcino, pool, folder, run.seed)
    write_once(lambda: trained.save(folder))
    encoder = CrossEncoder.load(folder, run.grade.carcino)
    encode_slides(encoder, context.training_set, folder / "real")
    for data_set, _, tiles in test_sets(context):
        encode_slides(encoder, tiles, folder / ("real" if data_set == "in" else data_set))
    for variant in run.synthesis.variants:
        encode_slides(encoder, read_synthetic(context, variant), folder / variant)
    return f"{len(list(folder.rglob('*.h5')))} slides"
