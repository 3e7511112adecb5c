"""Features of every slide of a study, by each of its encoders; several processes share the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from disc.data.tiles.tile_set import TileSet
from disc.grade.encoder import CrossEncoder, encode_slides, encode_superpixels, train_encoder
from disc.grade.encoders.frozen import FrozenEncoder, TileEncoder
from disc.grade.encoders.table import NAMED, require_encoder, require_weights
from disc.grade.encoders.weights import load_encoder
from disc.grade.pool import TilePool
from disc.pipeline.configurations import ENCODER
from disc.processes import Share, own_device, share_threads, spread
from disc.progress import Bar, no_progress
from disc.records.markers import marked
from disc.settings.grading import EncoderName
from disc.study.keys import embedded_key, features_key
from disc.study.parts import begin_growing, end_growing, is_kept
from disc.study.request import StudyRequest
from disc.study.study import Study, open_study


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some slides of a set, to be encoded by one process.

    Attributes:
        name: of the set's features.
        split: of a test set; "" of another.
        number: of this piece.
        count: of pieces of the set.
    """

    encoder: EncoderName
    fold: str
    name: str
    split: str = ""
    number: int = 0
    count: int = 1


def require_encoders(study: Study) -> None:
    """See before any work that every encoder can be read.

    Raises:
        BadInput: if a public one has no weight file, or what builds it is not installed.
    """
    for name in study.reading_encoders:
        if name != ENCODER:
            require_encoder(study.request.encoder_weights, name, NAMED)


def prepare_features(study: Study) -> None:
    """Train the encoder of each fold, or take its run's, and encode every slide that is missing.

    Raises:
        BadInput: if a public encoder has no weights, or a file is missing or changed.
    """
    request = study.request
    for encoder in study.reading_encoders:
        for fold in dict.fromkeys(run.fold for run in study.runs):
            open_encoder(study, encoder, fold)
        # one process keeps a device busy with a large network; beside ours, decoding is what lasts
        count = request.processes if encoder == ENCODER else 1
        pieces = list(list_pieces(study, encoder, count))
        keys = _list_keys(study, pieces)
        begin_growing(keys)
        bar = Bar(f"features, {encoder}", total=len(pieces), unit="piece")
        with spread(min(count, len(pieces))) as run:
            for _ in run(partial(encode_piece, request), pieces):
                bar.advance()
        bar.close()
        end_growing(keys)


def list_places(study: Study, pieces: Iterable[Piece]) -> dict[Path, Piece]:
    """Folders of the features of sets, with a piece of each."""
    kinds = (False, True) if study.has_superpixels else (False,)
    return {
        study.features(one.encoder, one.fold, one.name, of_superpixels=kind): one
        for one in pieces
        for kind in kinds
    }


def _list_keys(study: Study, pieces: Iterable[Piece]) -> dict[Path, str]:
    """Folders of the features of sets, and what these are made from."""
    return {
        place: features_key(study, one.encoder, one.fold, one.name)
        for place, one in list_places(study, pieces).items()
    }


def list_pieces(study: Study, encoder: EncoderName, count: int) -> Iterator[Piece]:
    """What there is to encode: large sets in pieces, one for each process."""
    for fold in dict.fromkeys(run.fold for run in study.runs):
        sets = [("real", "")]
        for data_set, split, tiles in study.tests(fold):
            if any(slide.primary is not None for slide in tiles.slides.values()):
                sets.append(("real" if data_set == "in" else data_set, split))
        for run in study.runs:
            for variant in study.variants if run.fold == fold else ():
                sets.append((study.synthetic_name(run, variant), ""))
        for number in range(count):
            for name, split in sets:
                facts = {"name": name, "split": split, "number": number, "count": count}
                yield Piece(encoder=encoder, fold=fold, **facts)  # type: ignore[arg-type]


def encode_piece(request: StudyRequest, piece: Piece) -> None:
    """Encode the slides of a piece that are missing."""
    study = open_study(request)
    share_threads(request.processes)
    encoder, share = _reopen(study, piece), Share(piece.number, piece.count)
    place, tiles = (
        partial(study.features, piece.encoder, piece.fold, piece.name),
        tiles_of(study, piece),
    )
    with no_progress():
        encode_slides(encoder, tiles, place(), share)
        if study.has_superpixels:
            encode_superpixels(encoder, tiles, place(of_superpixels=True), share)


def open_encoder(study: Study, name: EncoderName, fold: str) -> TileEncoder:
    """An encoder; the embedded one is trained first, unless the fold's run did."""
    if name != ENCODER:
        path = require_weights(study.request.encoder_weights, name, NAMED)
        return FrozenEncoder(load_encoder(path, name).to(own_device()))
    context = study.base(fold)
    own, settings = study.embedded_encoder(fold), context.run.grade.carcino
    if own == study.encoder_place(fold):
        key = embedded_key(study, fold)
        if not is_kept(own, "halves.json", key):
            pool = TilePool(context.training_set, context.run.data.workers)
            with marked(own, key):
                train_encoder(settings, pool, own, study.request.seed).save(own)
    found = CrossEncoder.load(own, settings)
    for net in found.nets:
        net.to(own_device())
    return found


_OPEN: list[tuple[Study, str, str, TileEncoder]] = []
"""The encoder that this process reads with, and of what."""


def _reopen(study: Study, piece: Piece) -> TileEncoder:
    if not _OPEN or _OPEN[0][:3] != (study, piece.encoder, piece.fold):
        found = open_encoder(study, piece.encoder, piece.fold)
        _OPEN[:] = [(study, piece.encoder, piece.fold, found)]
    return _OPEN[0][3]


def tiles_of(study: Study, piece: Piece) -> TileSet:
    """The tiles of the set that a piece is of."""
    if piece.split:
        return next(
            tiles
            for data_set, split, tiles in study.tests(piece.fold)
            if (("real" if data_set == "in" else data_set), split) == (piece.name, piece.split)
        )
    if found := study.find_synthetic(piece.fold, piece.name):
        return study.synthetic(*found)
    return study.base(piece.fold).training_set
