"""Features of a study's slides that another program wrote: every slide's checked, and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from disc.files import require
from disc.grade.given_features import GivenSet, copy_features, require_files
from disc.settings.grading import GIVEN
from disc.study.encoding import Piece, list_keys, list_pieces, tiles_of
from disc.study.parts import begin_growing, end_growing
from disc.study.study import Study

OPTION = "--feature-files"


def require_given(study: Study) -> None:
    """See that every slide that the study does not generate itself has a file.

    Raises:
        BadInput: if the folder or a file is missing.
    """
    if GIVEN not in study.encoders:
        return
    folder = study.request.feature_files
    require(folder is not None and folder.is_dir(), f"{folder}: no such folder; correct {OPTION}")
    pieces = list_pieces(study, GIVEN, 1)
    real = [one for one in pieces if not study.find_synthetic(one.fold, one.name)]
    require_files(_list_sets(study, real), OPTION)


def copy_given(study: Study) -> None:
    """Copy the features of every slide; those that stand are kept.

    Raises:
        BadInput: if a file is missing, damaged, changed since, or of another encoder.
    """
    if GIVEN not in study.encoders:
        return
    pieces = list(list_pieces(study, GIVEN, 1))
    sets = list(_list_sets(study, pieces))
    require_files(sets, OPTION)
    keys = list_keys(study, pieces)
    begin_growing(keys)
    copy_features(sets)
    end_growing(keys)


def _list_sets(study: Study, pieces: Iterable[Piece]) -> Iterator[GivenSet]:
    for one in pieces:
        source = study.given_features(one.fold, one.name)
        target = study.features(GIVEN, one.fold, one.name)
        yield GivenSet(tiles=tiles_of(study, one), source=source, target=target)
