"""The last stage: what the run has to tell, handed to the report."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy
import torch

from disc.data.tiles.tile_set import TileSet
from disc.evaluate.referee import read_tiles
from disc.files import read_json
from disc.grade.carcino import build_carcino
from disc.grade.pixels import predict_pixels
from disc.labels import NAMES, Label
from disc.model.store import load_weights
from disc.pipeline.config_file import to_json
from disc.pipeline.configurations import pixel_configurations
from disc.pipeline.context import QUALITY, Context
from disc.pipeline.evaluation_masks import choose_tiles
from disc.pipeline.made_by import describe_making
from disc.pipeline.stage import StageRecord
from disc.pipeline.stages.grading_data import can_grade_slides
from disc.pipeline.stages.referee import load_referee
from disc.processes import own_device
from disc.report.page import write_report
from disc.report.run_summary import AGREEMENT, SLIDE_GRADING, PixelRow, RunSummary, SheetRow
from disc.settings.distillation import Student
from disc.settings.run import Run
from disc.settings.synthesis import STUDENT

PICTURES = 6


def write_page(context: Context, names: Sequence[str], folder: Path) -> str:
    """Write the page and what lies beside it."""
    run, um_per_px = context.run, context.um_per_px
    summary = RunSummary(
        title=f"disc: {run.name}",
        config=json.loads(to_json(run)),
        machine=_machine(),
        data_note=_data_note(context, um_per_px),
        is_simulated=context.is_simulated,
        stages=[_record(context, name) for name in names],
        notes=_notes(context),
        sheet=read_sheet(context),
        standard_deviations=_standard_deviations(context),
        agreement=_table(context, "agreement"),
        quality=pd.read_parquet(context.folder / "agreement" / QUALITY),
        scores=_table(context, "scores"),
        pixels=_table(context, "pixels"),
        pixel_pictures=_pixel_pictures(context),
        draws=run.evaluate.num_bootstrap,
        grader_draws=run.report.num_grader_bootstrap,
        seed=run.seed,
        made_by=describe_making(context.folder, names),
        um_per_px=um_per_px,
        palette=run.report.palette,
    )
    write_report(folder, summary)
    return "index.html"


def _machine() -> str:
    device = own_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}"


def _data_note(context: Context, um_per_px: float | None) -> str:
    sizes = read_json(context.folder / "data" / "summary.json")["tiles"]
    counts = f"{sizes['train']} training, {sizes['val']} validation, {sizes['test']} test tiles"
    data = context.run.data
    kind = "simulated prostate tissue" if context.is_simulated else f"tiles of {data.root}"
    scale = "scale unknown" if um_per_px is None else f"{um_per_px:.3g} µm per pixel"
    return f"{kind}: {counts} of {data.tile_px} px, {scale}"


def _record(context: Context, name: str) -> StageRecord:
    facts = read_json(context.folder / name / "done.json")
    return StageRecord(name=name, seconds=facts["seconds"], what=facts["what"])


def _notes(context: Context) -> list[str]:
    known = context.latents.known()
    absent = [NAMES[label] for label in Label if label not in known]
    notes = [f"{name} is absent from the training tiles: no mask has it" for name in absent]
    if context.split.by_position:
        notes.append(
            f"{SLIDE_GRADING}: not possible: {_count_slides(context)}, split by position into "
            "training, validation and test areas"
        )
    elif not can_grade_slides(context):
        notes.append(f"{SLIDE_GRADING}: not possible: fewer than two training slides with scores")
    if context.split.val_is_seen:
        notes.append(
            f"{SLIDE_GRADING}: the generator was trained on the validation tiles too (fold All, "
            "as in the paper): the balance weight was chosen on slides that it saw, though no "
            "grader did"
        )
    unscored = [s for s in context.training_set.slides.values() if s.primary is None]
    if unscored and can_grade_slides(context):
        notes.append(
            f"{SLIDE_GRADING}: {len(unscored)} training slides without a score are in no bag"
        )
    notes += read_json(context.folder / "data" / "summary.json").get("notes", [])
    if not context.is_simulated:
        notes.append(
            f"{AGREEMENT}: the referee was trained on the validation tiles' own annotation, not on "
            "exact masks; mask agreement inherits the annotators' errors"
        )
    return notes + _short_training(context.run)


def _short_training(run: Run) -> list[str]:
    """What is said where the student was trained for less than its settings propose."""
    steps, proposed = run.distil.student.optim.steps, Student().optim.steps
    if STUDENT not in run.variants or steps >= proposed:
        return []
    return [
        f"{AGREEMENT}: the student ({STUDENT}) was trained for {steps:,} steps, where its settings "
        f"propose {proposed:,}; what that costs was not measured"
    ]


def _count_slides(context: Context) -> str:
    num = len(context.split.train.slides)
    return "one slide" if num == 1 else f"{num} slides"


def _table(context: Context, name: str) -> pd.DataFrame | None:
    table = pd.read_parquet(context.folder / f"{name}.parquet")
    return table if len(table) else None


def _standard_deviations(context: Context) -> pd.DataFrame:
    found = read_json(context.folder / "agreement" / "spreads.json")
    tiles = pd.read_parquet(context.folder / "agreement.parquet")["variant"].value_counts()
    rows = [
        {"set": variant, "standard_deviation": value, "num": tiles[variant]}
        for variant, value in found.items()
    ]
    bank = read_json(context.folder / "bank" / "quality.json")
    rows.append({"set": "bank", "standard_deviation": bank["spread"], "num": bank["bundles"]})
    return pd.DataFrame(rows)


def read_sheet(context: Context) -> list[SheetRow]:
    """What the agreement stage stored, with what the referee reads in it."""
    path = context.folder / "agreement" / "sheet.safetensors"
    if not path.exists():
        return []
    arrays = safetensors.numpy.load_file(path)
    masks = arrays.pop("mask")
    keys = ("real", "reconstruction", *context.run.variants)
    referee = load_referee(context)
    readings = {key: read_tiles(referee, arrays[key]) for key in keys}
    return [
        SheetRow(
            mask=mask,
            images={key: arrays[key][i] for key in keys},
            readings={key: readings[key][i] for key in keys},
        )
        for i, mask in enumerate(masks)
    ]


def _pixel_pictures(context: Context) -> list[PixelRow]:
    """Multi-class test tiles, and the predictions of every pixel grader."""
    judged, drawn = context.judged, context.split.test
    chosen = choose_tiles(judged, 0, PICTURES, context.run.seed)
    readings = _readings(context, judged, chosen)
    return [
        PixelRow(
            image=judged.image(i),
            truth=judged.mask(i),
            annotation=drawn.mask(i) if context.is_simulated else None,
            predictions={name: labels[place] for name, labels in readings.items()},
        )
        for place, i in enumerate(chosen)
    ]


def _readings(
    context: Context, tiles: TileSet, chosen: list[int]
) -> dict[str, npt.NDArray[np.uint8]]:
    readings: dict[str, npt.NDArray[np.uint8]] = {}
    for configuration in pixel_configurations(context.run) if chosen else []:
        path = context.folder / "graders" / "pixels" / configuration.name / "carcino.safetensors"
        if path.exists():
            net = build_carcino(context.run.grade.carcino)
            load_weights(path, net)
            labels = predict_pixels(net.to(own_device()).eval(), tiles, chosen).argmax(1)
            readings[configuration.variant] = labels.astype(np.uint8)
    return readings
