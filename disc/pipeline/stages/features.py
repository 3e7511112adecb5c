"""The stages that encode every slide: with the embedded encoder, a public one, or from files."""

from __future__ import annotations

from pathlib import Path

from disc.grade.encoder import CrossEncoder, encode_slides, encode_superpixels, train_encoder
from disc.grade.encoders.frozen import FrozenEncoder, TileEncoder
from disc.grade.encoders.weights import get_weights, load_encoder
from disc.grade.given_features import check_features, copy_features
from disc.grade.pool import TilePool
from disc.pipeline.configurations import SUPERPIXELS, needs_superpixels
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import can_grade_slides, given_sets, graded_sets
from disc.processes import own_device, own_share, wait_for_all, write_once
from disc.settings.grading import GIVEN, EncoderName

IMPOSSIBLE = "not possible: fewer than two training slides with scores"


def make_features(context: Context, name: EncoderName, folder: Path) -> str:
    """Encode every slide with an encoder."""
    if not can_grade_slides(context):
        return IMPOSSIBLE
    if name == GIVEN:
        assert context.run.grade.feature_files is not None  # settings say so
        variants, source = context.run.synthesis.variants, context.run.grade.feature_files
        sets = list(given_sets(context, variants, source, folder))
        check_features(sets)
        copy_features(sets)
        return f"{_count(folder)} slides"
    encoder = _train(context, folder) if name == "carcino" else _load(context, name)
    for place, tiles in graded_sets(context, context.run.synthesis.variants):
        encode_slides(encoder, tiles, folder / place)
        if needs_superpixels(context.run):
            encode_superpixels(encoder, tiles, folder / SUPERPIXELS / place)
    return f"{_count(folder)} slides"


def _train(context: Context, folder: Path) -> CrossEncoder:
    """The embedded encoder, trained on this run's masks."""
    run = context.run
    pool = TilePool(context.training_set, run.data.workers)
    trained = train_encoder(run.grade.carcino, pool, folder, run.seed)
    write_once(lambda: trained.save(folder))
    return CrossEncoder.load(folder, run.grade.carcino)


def _load(context: Context, name: EncoderName) -> TileEncoder:
    """A public encoder; one process fetches what is missing."""
    grade = context.run.grade
    if own_share().is_first:
        get_weights(grade.encoder_weights, name, download=grade.download, say=print)
    wait_for_all()
    path = get_weights(grade.encoder_weights, name, download=False, say=print)
    return FrozenEncoder(load_encoder(path, name).to(own_device()))


def _count(folder: Path) -> int:
    return len(list(folder.rglob("*.h5")))
