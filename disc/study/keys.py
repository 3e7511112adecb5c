"""What each part of a study is made from, as its marker says it: a part of another is refused."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from disc.files import BadInput, digest
from disc.grade.encoder import list_weights
from disc.grade.encoders.table import NAMED, require_weights
from disc.pipeline.configurations import ENCODER
from disc.pipeline.context import Context
from disc.pipeline.input_facts import first_weights
from disc.pipeline.renamed import as_json
from disc.pipeline.stage import why_stale
from disc.pipeline.stage_list import grading_stages
from disc.records.listing import DONE, hash_once, walk_files
from disc.records.markers import has_marker, read_done, result_key
from disc.sample.plans import plan_of
from disc.sample.solver import name_solver
from disc.settings.grading import GIVEN, CarcinoNet, EncoderName
from disc.settings.synthesis import Variant, weights_of
from disc.study.grid import Cell
from disc.study.parts import made_of
from disc.study.request import BALANCED, REMIXED
from disc.study.runs import StudyRun
from disc.study.study import Study


def data_key(context: Context) -> str:
    """Of the real tiles of a run: what its stage `data` left and read."""
    place = context.folder / "data"
    given = read_done(place).given if has_marker(place, DONE) else None
    return digest([_files_key(place), dict(given or {})])


def set_key(run: StudyRun, variant: Variant) -> str:
    """Of a synthetic set that the study makes: training of the weights, way of sampling, slides."""
    context, settings = run.context, run.context.run
    trained = result_key(context.folder / "denoiser" / weights_of(variant))
    solver, plan = name_solver(settings.solver_of(variant)), plan_of(variant, settings.sample.plan)
    return made_of(variant, trained, solver, str(plan), _recipes_key(context))


def refuse_stale(run: StudyRun, variant: Variant) -> None:
    """See that a set that a run made is what its settings and weights generate today.

    Raises:
        BadInput: if it is not.
    """
    folder, name = run.context.folder, f"synthetic/{variant}"
    stage = next((one for one in grading_stages(run.context) if one.name == name), None)
    if stage is None:
        raise BadInput(
            f"{folder / name}: its run generates no {variant} today; delete it, and the study "
            "makes its own"
        )
    if reason := why_stale(stage, folder):
        why = reason.removeprefix("again, ")
        raise BadInput(
            f"{folder / name}: not what its run generates today ({why}); disc run makes it again, "
            "or says what it needs for that"
        )


def synthetic_key(study: Study, run: StudyRun, variant: str) -> str:
    """Of what learns from a synthetic set: the files that were noted of it.

    Made again alike, it leaves what learned from it as it is.
    """
    return _files_key(study.synthetic_root(run, variant))


def embedded_key(study: Study, fold: str) -> str:
    """Of the embedded encoder that the study trains: its settings, seed and tiles."""
    context = study.base(fold)
    settings = context.run.grade.carcino
    return made_of(
        as_json(settings), _first_weights(settings), study.request.seed, data_key(context)
    )


def encoder_key(study: Study, encoder: EncoderName, fold: str) -> str:
    """Of the weights that features are of: hashes of their files."""
    if encoder != ENCODER:
        path = require_weights(study.request.encoder_weights, encoder, NAMED)
        return digest([encoder, hash_once(path)])
    place = study.embedded_encoder(fold)
    files = [*list_weights(place), place / "halves.json"]
    return digest([encoder, *map(hash_once, files)])


def features_key(study: Study, encoder: EncoderName, fold: str, name: str) -> str:
    """Of the features of a set: the encoder's weights, and the set."""
    return made_of(encoder_key(study, encoder, fold), _source_key(study, fold, name))


def cell_key(study: Study, cell: Cell) -> str:
    """Of a cell: its encoder's weights, real tiles, and what is added to them."""
    context = study.base(cell.fold)
    facts: list[object] = [cell.name, data_key(context)]
    facts += [external_key(study, name) for name in sorted(study.request.external)]
    if cell.encoder:
        facts += _encoder_facts(study, cell, cell.encoder)
    else:
        facts.append(_first_weights(study.pixel_settings))
    if cell.source:
        facts.append(synthetic_key(study, study.run_of(cell), cell.source))
    elif cell.variant in (BALANCED, REMIXED):  # all variants of a run have the same masks
        facts.append(_recipes_key(context))
    return made_of(*facts)


def _encoder_facts(study: Study, cell: Cell, encoder: EncoderName) -> list[str]:
    """Of the weights that a cell's features are of; of given ones, all that it reads."""
    if encoder != GIVEN:
        return [encoder_key(study, encoder, cell.fold)]
    names = ["real", *sorted({name for name, _, _ in study.tests(cell.fold)} - {"in"})]
    if cell.source:
        names.append(study.synthetic_name(study.run_of(cell), cell.source))
    return [_files_key(study.features(encoder, cell.fold, name)) for name in names]


def external_key(study: Study, name: str) -> str:
    """Of an external test set: its scale, and names and sizes of its files."""
    return _external_key(study.request.external[name], study.request.external_um_per_px.get(name))


@lru_cache(64)
def _external_key(root: Path, um_per_px: float | None) -> str:
    files = [[str(path.relative_to(root)), path.stat().st_size] for path in walk_files(root)]
    return digest([um_per_px, sorted(files)])


def _files_key(folder: Path) -> str:
    """By the hashes that were noted of a folder's files; by its marker where none were."""
    if not has_marker(folder, DONE):
        return ""
    done = read_done(folder)
    if done.files is None:
        return result_key(folder)
    return _digest_files(folder, (folder / DONE).stat().st_mtime_ns)


@lru_cache(256)
def _digest_files(folder: Path, _changed: int) -> str:
    return digest(dict(read_done(folder).files or {}))


def _first_weights(settings: CarcinoNet) -> list[str]:
    return [hash_once(path) for path in first_weights(settings)]


def _recipes_key(context: Context) -> str:
    recipes = as_json(context.run.synthesis)
    del recipes["variants"]  # which are generated changes no slide
    return digest([recipes, data_key(context)])


def _source_key(study: Study, fold: str, name: str) -> str:
    if name in study.request.external:
        return external_key(study, name)
    if found := study.find_synthetic(fold, name):
        return synthetic_key(study, *found)
    return data_key(study.base(fold))
