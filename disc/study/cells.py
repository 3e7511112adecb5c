"""The work of a cell: train one grader, read what tests it, write the rows; complete or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors.numpy import save

from disc.data.tiles.tile_set import TileSet
from disc.files import write_bytes, write_parquet
from disc.grade.carcino import PixelNet
from disc.grade.confusion import COUNTS, merge_high_grades
from disc.grade.mil.scoring import attention_table
from disc.grade.pixels import confusion_rows, predict_pixels, train_pixel_grader
from disc.grade.pool import TilePool
from disc.grade.slides import score_rows, train_slide_grader
from disc.model.store import save_weights
from disc.pipeline.evaluation_masks import choose_tiles
from disc.pipeline.stages.grading_data import scored_slides
from disc.processes import share_threads
from disc.progress import no_progress
from disc.records.markers import marked
from disc.records.seal import seal
from disc.seeds import derive
from disc.study.added import added_bags, real_bags
from disc.study.grid import REAL, Cell
from disc.study.keys import cell_key
from disc.study.parts import is_kept
from disc.study.request import REAL_CONTROLS, StudyRequest
from disc.study.study import Study, open_study
from disc.train.checkpoint import NAME as CHECKPOINT

ROWS = "rows.parquet"
PICTURES = "pictures.safetensors"
ATTENTION = "attention.parquet"
NUM_PICTURES = 6


def run_cell(request: StudyRequest, cell: Cell) -> Cell:
    """Do a cell, if it is not done; the same seed gives all variants the same real batches."""
    study = open_study(request)
    place, key = study.place(cell), cell_key(study, cell)
    if not is_kept(place, ROWS, key):
        share_threads(request.processes)
        with no_progress(), marked(place, key):
            rows = (_grade_slides if cell.kind == "slides" else _grade_pixels)(study, cell, place)
            write_parquet(place / ROWS, _describe(rows, cell))
            (place / CHECKPOINT).unlink(missing_ok=True)
    return cell


def tell_remedy(path: Path) -> str:
    """What to do where a file of a cell is damaged."""
    return f"delete the folder {path.parent}: the same command makes that cell again"


def _grade_slides(study: Study, cell: Cell, place: Path) -> pd.DataFrame:
    assert cell.grader  # of slides
    real = real_bags(study, cell)
    net = train_slide_grader(
        net=study.base(cell.fold).run.grade.transmil,
        real=real,
        synthetic=added_bags(study, cell, real),
        balance_weight=cell.balance_weight,
        folder=place,
        seed=derive(study.request.seed, "slides", cell.grader_seed),
        grader=cell.grader,
    )
    save_weights(place / f"{cell.grader}.safetensors", net)
    parts = []
    for data_set, split, tiles in study.tests(cell.fold):
        if slides := scored_slides(tiles):
            name = "real" if data_set == "in" else data_set
            bags = study.bags(cell, name, slides)
            parts.append(score_rows(net, bags).assign(data_set=data_set, split=split))
            is_shown = cell.grader_seed == 0 and cell.grader != "mixed-supervision"
            if is_shown and (data_set, split) == ("in", "test"):
                write_parquet(place / ATTENTION, attention_table(net, bags))
    return pd.concat(parts).assign(grader=cell.grader, encoder=cell.encoder)


def _grade_pixels(study: Study, cell: Cell, place: Path) -> pd.DataFrame:
    context = study.base(cell.fold)
    real, settings = study.real_pool(cell.fold), study.pixel_settings
    added = None
    if cell.variant in REAL_CONTROLS:
        added = real
    elif cell.variant != REAL:
        tiles = study.synthetic(study.run_of(cell), cell.source)
        added = TilePool(tiles, context.run.data.workers)
    net = train_pixel_grader(
        net=settings,
        real=real,
        synthetic=added,
        balance_weight=cell.balance_weight,
        folder=place,
        seed=derive(study.request.seed, "pixels", cell.grader_seed),
        validation=context.split.val,
    )
    save_weights(place / "carcino.safetensors", net)
    _keep_pictures(study, cell, net, place)
    name = "carcino" if settings.classes == 4 else f"carcino-{settings.classes}"
    return _count(study, cell, net).assign(grader=name)


def _count(study: Study, cell: Cell, net: PixelNet) -> pd.DataFrame:
    """Confusion counts of every test set, against every kind of mask that it has."""
    exact: dict[tuple[str, str], TileSet] = {}
    if study.has_exact(cell.fold):
        exact = {(name, split): tiles for name, split, tiles in study.exact_tests(cell.fold)}
    parts = []
    for data_set, split, tiles in study.tests(cell.fold):
        key = f"{cell.fold} {data_set} {split}"
        truths = {"annotation": study.pool(key, tiles)}
        if (data_set, split) in exact:
            truths["exact"] = study.pool(f"{key} exact", exact[data_set, split])
        rows = confusion_rows(net, truths).assign(data_set=data_set, split=split)
        if data_set in study.request.grouped:
            rows[COUNTS] = merge_high_grades(rows[COUNTS].to_numpy())
        parts.append(rows)
    return pd.concat(parts)


def _keep_pictures(study: Study, cell: Cell, net: PixelNet, place: Path) -> None:
    """What the grader reads in a few test tiles, for the page (Fig. 8)."""
    tiles, chosen = picture_tiles(study, cell.fold)
    if chosen:
        read: npt.NDArray[np.uint8] = predict_pixels(net, tiles, chosen).argmax(1).astype(np.uint8)
        write_bytes(place / PICTURES, seal(save({"labels": read})))


def picture_tiles(study: Study, fold: str) -> tuple[TileSet, list[int]]:
    """Multi-class test tiles that are shown, and their set."""
    tiles = study.base(fold).judged
    return tiles, choose_tiles(tiles, 0, NUM_PICTURES, study.request.seed)


def _describe(rows: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    return rows.assign(
        variant=cell.variant,
        balance_weight=cell.balance_weight,
        generator_seed=cell.generator_seed,
        grader_seed=cell.grader_seed,
        fold=cell.fold,
    )
