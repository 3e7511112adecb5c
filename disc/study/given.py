"""Features of a study's slides that another program wrote: every slide's checked, and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from disc.files import require
from disc.grade.given_features import GivenSet, check_features, copy_features, require_files
from disc.records.listing import hash_once
from disc.settings.grading import GIVEN
from disc.study.encoding import Piece, list_pieces, tiles_of
from disc.study.parts import begin_growing, end_growing, made_of
from disc.study.study import Study

OPTION = "--feature-files"


def require_given(study: Study) -> None:
    """See that every slide that the study does not generate itself has a file.

    Raises:
        BadInput: if the folder or a file is missing, damaged, or of another encoder.
    """
    if GIVEN not in study.encoders:
        return
    folder = study.request.feature_files
    require(folder is not None and folder.is_dir(), f"{folder}: no such folder; correct {OPTION}")
    pieces = list_pieces(study, GIVEN, 1)
    real = [one for one in pieces if not study.find_synthetic(one.fold, one.name)]
    sets = list(_list_sets(study, real))
    require_files(sets, OPTION)
    check_features(sets)


def copy_given(study: Study) -> None:
    """Copy the features of every slide; those that stand are kept.

    Raises:
        BadInput: if a file is missing, damaged, changed since, or of another encoder.
    """
    if GIVEN not in study.encoders:
        return
    sets = list(_list_sets(study, list_pieces(study, GIVEN, 1)))
    require_files(sets, OPTION)
    check_features(sets)
    keys = _list_keys(sets)
    begin_growing(keys)
    copy_features(sets)
    end_growing(keys)


def _list_keys(sets: Iterable[GivenSet]) -> dict[Path, str]:
    """Folders of our copies, and what they are made from: the hashes of the files."""
    found: dict[Path, dict[str, str]] = {}
    for one in sets:
        hashes = {path.name: hash_once(path) for path in one.files}
        found.setdefault(one.target, {}).update(hashes)
    return {place: made_of(hashes) for place, hashes in found.items()}


def _list_sets(study: Study, pieces: Iterable[Piece]) -> Iterator[GivenSet]:
    for one in pieces:
        source = study.given_features(one.fold, one.name)
        target = study.features(GIVEN, one.fold, one.name)
        yield GivenSet(tiles=tiles_of(study, one), source=source, target=target)
