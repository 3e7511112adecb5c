"""What each part of a study is made from, as its marker says it: a part of another is refused."""

from __future__ import annotations

from disc.files import BadInput, digest
from disc.grade.encoders.table import NAMED, require_weights
from disc.pipeline.configurations import ENCODER
from disc.pipeline.context import Context
from disc.pipeline.renamed import as_json
from disc.pipeline.stage import why_stale
from disc.pipeline.stage_list import grading_stages
from disc.records.listing import DONE, hash_once
from disc.records.markers import has_marker, read_done, result_key
from disc.sample.plans import plan_of
from disc.sample.solver import name_solver
from disc.settings.grading import EncoderName
from disc.settings.synthesis import Variant, weights_of
from disc.study.grid import Cell
from disc.study.request import BALANCED, REMIXED
from disc.study.runs import StudyRun
from disc.study.study import Study


def data_key(context: Context) -> str:
    """Of the real tiles of a run: what its stage `data` left; "" where it has none."""
    return result_key(context.folder / "data")


def set_key(run: StudyRun, variant: Variant) -> str:
    """Of a synthetic set that the study makes: training of the weights, way of sampling, slides."""
    context, settings = run.context, run.context.run
    trained = result_key(context.folder / "denoiser" / weights_of(variant))
    solver, plan = name_solver(settings.solver_of(variant)), plan_of(variant, settings.sample.plan)
    return digest([variant, trained, solver, str(plan), _recipes_key(context)])


def refuse_stale(run: StudyRun, variant: Variant) -> None:
    """See that a set that a run made is what its settings and weights generate today.

    Raises:
        BadInput: if it is not.
    """
    folder, name = run.context.folder, f"synthetic/{variant}"
    for stage in grading_stages(run.context):
        if stage.name == name and (reason := why_stale(stage, folder)):
            why = reason.removeprefix("again, ")
            raise BadInput(
                f"{folder / name}: not what its run generates today ({why}); disc run makes it "
                "again"
            )


def synthetic_key(study: Study, run: StudyRun, variant: str) -> str:
    """Of what learns from a synthetic set: the files that were noted of it.

    Made again alike, it leaves what learned from it as it is.
    """
    root = study.synthetic_root(run, variant)
    files = read_done(root).files if has_marker(root, DONE) else None
    return result_key(root) if files is None else digest(dict(files))


def embedded_key(study: Study, fold: str) -> str:
    """Of the embedded encoder that the study trains: its settings, seed and tiles."""
    context = study.base(fold)
    return digest([as_json(context.run.grade.carcino), study.request.seed, data_key(context)])


def encoder_key(study: Study, encoder: EncoderName, fold: str) -> str:
    """Of the weights that features are of: hashes of their files."""
    if encoder != ENCODER:
        path = require_weights(study.request.encoder_weights, encoder, NAMED)
        return digest([encoder, hash_once(path)])
    place = study.embedded_encoder(fold)
    files = [*sorted(place.glob("half*.safetensors")), place / "halves.json"]
    return digest([encoder, *map(hash_once, files)])


def features_key(study: Study, encoder: EncoderName, fold: str, name: str) -> str:
    """Of the features of a set: the encoder's weights, and the set."""
    return digest([encoder_key(study, encoder, fold), _source_key(study, fold, name)])


def cell_key(study: Study, cell: Cell) -> str:
    """Of a cell: its encoder's weights, real tiles, and what is added to them."""
    context = study.base(cell.fold)
    facts = [cell.name, data_key(context)]
    if cell.encoder:
        facts.append(encoder_key(study, cell.encoder, cell.fold))
    if cell.source:
        facts.append(synthetic_key(study, study.run_of(cell), cell.source))
    elif cell.variant in (BALANCED, REMIXED):  # all variants of a run have the same masks
        facts.append(_recipes_key(context))
    return digest(facts)


def _recipes_key(context: Context) -> str:
    recipes = as_json(context.run.synthesis)
    del recipes["variants"]  # which are generated changes no slide
    return digest([recipes, data_key(context)])


def _source_key(study: Study, fold: str, name: str) -> str:
    if name in study.request.external:
        return ""
    for run in study.runs:
        for variant in study.variants:
            if run.fold == fold and study.synthetic_name(run, variant) == name:
                return synthetic_key(study, run, variant)
    return data_key(study.base(fold))
