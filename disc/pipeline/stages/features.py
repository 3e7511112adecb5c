"""The stages that encode every slide: with the embedded encoder, a public one, or from files."""

from __future__ import annotations

from pathlib import Path

from disc.files import BadInput
from disc.grade.encoder import CrossEncoder, encode_slides, encode_superpixels, train_encoder
from disc.grade.encoders.frozen import FrozenEncoder, TileEncoder
from disc.grade.encoders.weights import get_weights, load_encoder
from disc.grade.features import FeatureFile, read_feature_file, write_features
from disc.grade.pool import TilePool
from disc.pipeline.configurations import SUPERPIXELS, needs_superpixels
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import can_grade_slides, graded_sets
from disc.processes import own_device, own_share, wait_for_all, write_once
from disc.settings.grading import EncoderName

IMPOSSIBLE = "not possible: fewer than two training slides with scores"


def make_features(context: Context, name: EncoderName, folder: Path) -> str:
    """Encode every slide with an encoder."""
    if not can_grade_slides(context):
        return IMPOSSIBLE
    if name == "files":
        return _copy_features(context, folder)
    encoder = _train(context, folder) if name == "carcino" else _load(context, name)
    for place, tiles in graded_sets(context, context.run.synthesis.variants):
        encode_slides(encoder, tiles, folder / place)
        if needs_superpixels(context.run):
            encode_superpixels(encoder, tiles, folder / SUPERPIXELS / place)
    return f"{len(list(folder.rglob('*.h5')))} slides"


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


def _copy_features(context: Context, folder: Path) -> str:
    """Features that other programs wrote, every slide's checked."""
    source = context.run.grade.feature_files
    assert source is not None  # settings say so
    widths: dict[int, Path] = {}
    for place, tiles in graded_sets(context, context.run.synthesis.variants):
        for slide_id in dict.fromkeys(tile.slide_id for tile in tiles.tiles):
            path, target = source / place / f"{slide_id}.h5", folder / place / f"{slide_id}.h5"
            found = read_feature_file(path)
            widths.setdefault(found.features.shape[1], path)
            if len(widths) > 1:
                (one, first), (other, second) = widths.items()
                raise BadInput(
                    f"{second}: {other} features a tile; {first} has {one}; "
                    "give the features of one encoder"
                )
            if own_share().is_first and not target.exists():
                _write(target, found)
    wait_for_all()
    return f"{len(list(folder.rglob('*.h5')))} slides"


def _write(path: Path, found: FeatureFile) -> None:
    coords = found.coords
    if coords is None:
        raise BadInput(f"{path.stem}: its features have no coords; expected [tiles, 2] beside them")
    side = found.tile_px
    write_features(path, found.features, coords, side or 1, found.labels, level0_px=side)
