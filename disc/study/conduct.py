"""A study from start to end: sets, features, cells side by side, two tables, page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, product
from pathlib import Path

import pandas as pd

from disc.evaluate.graders.folds import EVERY, POOLED
from disc.files import BadInput, digest, holds_files, sweep, write_json, write_parquet
from disc.pipeline.configurations import ENCODER
from disc.pipeline.doctor import STUDY as RECORD
from disc.pipeline.renamed import as_json
from disc.processes import spread
from disc.progress import Bar, print_line
from disc.records.lock import hold_folder
from disc.records.markers import marked
from disc.records.typed import read_record, read_table
from disc.study.added import require_copies
from disc.study.cells import ROWS, run_cell, tell_remedy
from disc.study.encoding import (
    list_pieces,
    list_places,
    prepare_features,
    require_encoders,
)
from disc.study.generating import check_sets, prepare_sets
from disc.study.given import copy_given, require_given
from disc.study.grid import Cell, list_cells
from disc.study.keys import cell_key
from disc.study.page import report, tell_unnoted
from disc.study.parts import is_kept, is_unnoted, part_key, refuse_other
from disc.study.probe import probe_features
from disc.study.recipe_weights import compare_weights
from disc.study.request import StudyRequest
from disc.study.study import Study, open_study

TABLES = ("scores", "pixels", "probe", "recipe_weights")


def conduct(request: StudyRequest) -> str:
    """Do what is missing of a study.

    Returns:
        What was done, in a line.

    Raises:
        FileNotFoundError: if there is no such run or set.
        BadInput: if an encoder cannot be read, runs do not fit together, a patient or a generator
            crosses splits, a control has nothing to copy, `out` holds another study or is in use,
            or a file that is read again is not what it was when it was written.
    """
    study = open_study(request)
    require_encoders(study)
    _refuse_foreign(study.folder)
    with hold_folder(study.folder, print_line):
        facts = _describe(study)
        check_sets(study)
        require_given(study)
        # not before: a mistyped path must not make the corrected command another study's
        write_json(study.folder / RECORD, facts)
        sweep(study.folder)
        return _conduct(study)


def _conduct(study: Study) -> str:
    request = study.request
    prepare_sets(study)
    if study.encoders:
        copy_given(study)
        prepare_features(study)
    cells = list_cells(request, study.runs, study.variants)
    require_copies(study, cells)
    _do_cells(study, cells)
    place = study.folder / "report"
    outputs = [study.folder / f"{name}.parquet" for name in TABLES]
    with marked(place, part_key(place), outputs):
        page = _tell(study, cells)
    return f"{len(cells)} cells of {len(study.runs)} run(s): {page}"


def _tell(study: Study, cells: Sequence[Cell]) -> Path:
    """Write tables and page."""
    seen = {run.fold for run in study.runs if run.context.split.val_is_seen}
    tables = {
        "scores": join([_rows(study, cell) for cell in cells if cell.kind == "slides"], seen),
        "pixels": join([_rows(study, cell) for cell in cells if cell.kind == "pixels"], seen),
        "probe": probe_features(study),
        "recipe_weights": compare_weights(study.runs[0].context.book, seed=study.request.seed),
    }
    for name, table in tables.items():
        write_parquet(study.folder / f"{name}.parquet", table)
    unnoted = _find_unnoted(study, cells)
    for line in tell_unnoted(unnoted):
        print_line(line)
    return report(study, cells, tables, unnoted)


def _find_unnoted(study: Study, cells: Sequence[Cell]) -> list[str]:
    """Folders of parts from before files were noted: nothing says that they are unchanged."""
    places = [study.place(cell) for cell in cells]
    for run, variant in product(study.runs, study.variants):
        places.append(study.synthetic_root(run, variant))
    for encoder in study.encoders:
        places += list_places(study, list(list_pieces(study, encoder, 1)))
    if ENCODER in study.encoders:
        places += [study.encoder_place(run.fold) for run in study.runs]
    found = [place for place in dict.fromkeys(places) if is_unnoted(place)]
    return [place.relative_to(study.folder).as_posix() for place in found]


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that is no study's, before anything in it is touched.

    Raises:
        BadInput: if it is none.
    """
    if folder.is_file():
        raise BadInput(f"{folder}: a file; give a new folder with --out")
    if holds_files(folder) and not (folder / RECORD).exists():
        raise BadInput(f"{folder}: holds files but no {RECORD}; give a new folder with --out")


def _describe(study: Study) -> dict[str, str | dict[str, str]]:
    """What a folder is noted to hold; weights, seeds and controls may be added to a study.

    Raises:
        BadInput: if it holds another study.
    """
    path, folder, request = study.folder / RECORD, study.folder, study.request
    run = study.runs[0].context.run
    facts = {
        "graders": digest([as_json(run.grade.transmil), as_json(study.pixel_settings)]),
        "options": digest([request.match_sizes, request.seed, sorted(request.grouped)]),
        "test sets": digest({name: str(root.resolve()) for name, root in request.external.items()}),
    }
    runs = {_name(run.context.folder): _weights(run.context.folder) for run in study.runs}
    if path.exists():
        remedy = "bring it back, or give another --out"
        before = read_record(path, dict[str, str | dict[str, str]], remedy)
        if not isinstance(known := before.get("runs"), dict):
            raise BadInput(f"{path}: damaged (no runs); {remedy}")
        other = [name for name in facts if before.get(name) != facts[name]]
        other += [name for name, key in runs.items() if known.get(name, key) != key]
        if other:
            raise BadInput(
                f"{folder}: holds a study with other {', '.join(other)}; give another --out"
            )
        runs = {**known, **runs}
    return {**facts, "runs": runs}


def _name(folder: Path) -> str:
    return str(folder.resolve())


def _weights(folder: Path) -> str:
    """Which denoisers a run holds: the records of their trainings."""
    files = sorted((folder / "denoiser").glob("*/done.json"))
    return digest([[path.parent.name, digest(path.read_bytes())] for path in files])


def _do_cells(study: Study, cells: Sequence[Cell]) -> None:
    keys = {cell: cell_key(study, cell) for cell in cells}
    refuse_other({study.place(cell): key for cell, key in keys.items()})
    done = [cell for cell, key in keys.items() if is_kept(study.place(cell), ROWS, key)]
    left = [cell for cell in cells if cell not in done]
    bar = Bar("study", total=len(cells), unit="cell", start=len(done))
    with ExitStack() as stack:
        # several processes begin at once with all that they are given
        parts = [
            stack.enter_context(spread(min(count, len(some)), on_cpu=on_cpu))(
                partial(run_cell, study.request), some
            )
            for some, count, on_cpu in _share_out(study.request, left)
        ]
        for cell in chain(*parts):
            bar.advance(note=cell.name)
    bar.close()


def _share_out(
    request: StudyRequest, cells: Sequence[Cell]
) -> list[tuple[Sequence[Cell], int, bool]]:
    """Cells, by how many processes, and whether these leave a GPU alone."""
    if not request.pixel_processes:
        return [(cells, request.processes, False)]
    pixels = [cell for cell in cells if cell.kind == "pixels"]
    slides = [cell for cell in cells if cell.kind == "slides"]
    others = request.processes - request.pixel_processes
    return [(pixels, request.pixel_processes, False), (slides, others, True)]


def _rows(study: Study, cell: Cell) -> pd.DataFrame:
    path = study.place(cell) / ROWS
    return read_table(path, ("variant", "fold", "split"), tell_remedy(path))


def join(parts: Sequence[pd.DataFrame], seen: Collection[str] = ()) -> pd.DataFrame:
    """Rows of all cells; with several folds, their validation slides once more as one set.

    Pooled out of fold, each slide is read by the graders of the fold that left it out.

    Args:
        parts: rows of each cell.
        seen: folds whose graders saw their validation slides: these leave none out.
    """
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    is_left_out = (table["split"] == "val") & ~table["fold"].isin(list(seen))
    if table.loc[is_left_out, "fold"].nunique() < 2:
        return table
    return pd.concat(
        [table, table[is_left_out].assign(split=POOLED, fold=EVERY)], ignore_index=True
    )
