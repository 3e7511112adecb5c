"""What stages depend on: settings that are not the default, those of the data, others' files.

Runs from before there was another choice than the default stay done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from disc.files import digest, require
from disc.grade.encoders.table import (
    FETCHED,
    PUBLIC,
    find_weights,
    require_encoder,
    require_extra,
)
from disc.pipeline.configurations import ENCODER
from disc.pipeline.context import Context
from disc.pipeline.renamed import as_json
from disc.records.listing import hash_once
from disc.sample.plans import plan_of
from disc.settings.autoencoder import Autoencoder
from disc.settings.grading import GIVEN, CarcinoNet, EncoderName, Grade
from disc.settings.run import Run
from disc.settings.sampling import Sample

PAPER_VALIDATION = [256, 5]
"""Tiles and bands by which the preset `paper` chooses its fold."""
LARGE = 2**30
"""Bytes of a file that is looked into before it is hashed; vq-f4 has a quarter."""


def list_features(folder: Path | None) -> list[Any]:
    """Feature files of another program; name, size and time of each."""
    paths = sorted(folder.rglob("*.h5")) if folder is not None else []
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def data_settings(context: Context) -> Any:
    """What the data are read or drawn with, and files of given sets."""
    run = context.run
    # The number of workers changes speed only: another one leaves the stage done.
    data = {name: value for name, value in as_json(run.data).items() if name != "workers"}
    if context.is_simulated:
        return [data, as_json(run.phantom)]
    roots = [root for root in (context.root, context.external_root) if root is not None]
    files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
    listing = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return [data, digest(listing)]


def source_hash(settings: Autoencoder) -> str:
    """What the given autoencoder holds, so that another one under its name is noticed."""
    source = settings.source
    found = sorted(source.glob("*")) if source is not None else []
    paths = [path for path in found if path.is_file()]
    if source is not None and any(path.stat().st_size > LARGE for path in paths):
        from disc.model.autoencoder import build_described
        from disc.model.store import DIFFUSERS_WEIGHTS, check_size

        check_size(source / DIFFUSERS_WEIGHTS, build_described(source))
    return digest([hash_once(path)[:16] for path in paths])


def encoder_file(grade: Grade, name: EncoderName) -> list[Path]:
    """The weight file of a public encoder."""
    found = find_weights(grade.encoder_weights, name)
    return [] if found is None else [found]


def first_weights(settings: CarcinoNet) -> list[Path]:
    """The weights that a Carcino-Net begins with."""
    path = settings.encoder_weights
    return [path] if path is not None and path.is_file() else []


def require_data(context: Context) -> None:
    """See that the sets are there that a run is given.

    Raises:
        BadInput: if one is not.
    """
    data = context.run.data
    for root, option in ((data.root, "root"), (data.external_root, "external-root")):
        is_there = root is None or root.is_dir()
        require(is_there, f"{root}: no such folder; correct --data.{option}")


def require_source(settings: Autoencoder) -> None:
    """See that the autoencoder is there that a run is given; what it holds is seen by `data`.

    Raises:
        BadInput: if it is not.
    """
    source = settings.source
    is_there = source is None or (source / "config.json").is_file()
    require(is_there, f"{source}: no config.json of an autoencoder; correct --autoencoder.source")
    for path in [] if source is None else sorted(source.glob("*.fp16.safetensors")):
        require(
            path.with_name(path.name.replace(".fp16", "")).is_file(),
            f"{path}: of two bytes a weight, and no other is there; disc import --source {source} "
            "--out FOLDER makes a folder of it for --autoencoder.source",
        )


def require_first(settings: CarcinoNet) -> None:
    """See that the weights are there that a Carcino-Net begins with.

    Raises:
        BadInput: if they are not.
    """
    path = settings.encoder_weights
    is_there = path is None or path.is_file()
    require(is_there, f"{path}: no such file; correct --grade.carcino.encoder-weights")


def require_public(context: Context, name: EncoderName) -> None:
    """See that a public encoder can be read, or fetched where that is asked for.

    Raises:
        BadInput: if it cannot be.
    """
    grade = context.run.grade
    if not _may_grade(Context(context.run, context.folder)):
        return
    if grade.download:
        require_extra(PUBLIC[name])
    else:
        require_encoder(grade.encoder_weights, name, FETCHED)


def require_features(context: Context) -> None:
    """See that other programs wrote the features of every slide that is given.

    Raises:
        BadInput: if the folder or a file is missing.
    """
    from disc.grade.given_features import require_files
    from disc.pipeline.configurations import features_of
    from disc.pipeline.stages.grading_data import given_sets

    folder, option = context.run.grade.feature_files, "--grade.feature-files"
    assert folder is not None  # settings say so
    # of its own: what is read here must not stay, for the stages may change it
    own = Context(context.run, context.folder)
    if not _may_grade(own):
        return
    require(folder.is_dir(), f"{folder}: no such folder; correct {option}")
    if not context.is_simulated:
        require_files(given_sets(own, (), folder, own.folder / features_of(GIVEN)), option)


def _may_grade(own: Context) -> bool:
    """Whether slides can be graded; of slides that are drawn it is not known yet."""
    from disc.pipeline.stages.grading_data import can_grade_slides

    return own.is_simulated or can_grade_slides(own)


def require_plan(run: Run) -> None:
    """See that the solver visits the time steps that the plan asks for.

    Raises:
        BadInput: if it does not.
    """
    plan = plan_of("sd-sc", run.sample.plan)
    if plan.name == "heal":
        from disc.model.schedule import Schedule

        plan.healing_steps(Schedule(run.denoiser.zero_terminal_snr).time_steps(run.sample.solver))


def other_sampling(variant: str, sample: Sample) -> list[str]:
    """A plan that is not the paper's, and a precision."""
    plan = plan_of(variant, sample.plan)
    texts = [] if plan.name in ("plain", "end") else [str(plan)]
    return texts if sample.precision == "float32" else [*texts, sample.precision]


def other_graders(grade: Grade) -> list[Any]:
    """Encoders and graders that are not the default."""
    chosen = [list(grade.encoders), list(grade.slide_graders)]
    return [] if chosen == [[ENCODER], ["transmil"]] else chosen


def deciding_settings(run: Run) -> list[Any]:
    """The validation settings that the weights depend on: none, unless the best are kept."""
    settings = run.validation
    if settings.keep == "last":
        return []
    return [settings.keep, settings.every, settings.num_tiles, settings.num_bands]


def choosing_settings(run: Run) -> list[Any]:
    """Those that the choice of a fold depends on, where one is chosen and they are not the paper's.

    Paper: Sec. 3 (the fold of the lower validation error goes on).
    """
    measured = [run.validation.num_tiles, run.validation.num_bands]
    is_chosen = run.denoiser.protocol == "paper" and run.validation.keep == "last"
    return measured if is_chosen and measured != PAPER_VALIDATION else []
