"""The last stage: what the run has to tell, handed to the report."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from disc.audit.brief import audit_briefly
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.agreement import RECALLS
from disc.evaluate.referee import find_lost, find_unread, read_tiles
from disc.grade.carcino import blank_carcino
from disc.grade.confusion import COUNTS
from disc.grade.pixels import predict_pixels
from disc.labels import NAMES, Label
from disc.model.store import load_weights
from disc.pipeline.config_file import to_json
from disc.pipeline.configurations import pixel_configurations
from disc.pipeline.context import QUALITY, Context
from disc.pipeline.evaluation_masks import choose_tiles
from disc.pipeline.made_by import describe_making
from disc.pipeline.stage import StageRecord
from disc.pipeline.stages.agreement import SHEET, SPREADS
from disc.pipeline.stages.bank import QUALITY as BANK_QUALITY
from disc.pipeline.stages.bank import BankQuality
from disc.pipeline.stages.data import SUMMARY, Summary
from disc.pipeline.stages.grading_data import SCORES, can_grade_slides
from disc.pipeline.stages.referee import load_referee
from disc.pipeline.stages.slide_graders import list_attention
from disc.processes import own_device
from disc.records.listing import read_list, tell_remedy
from disc.records.markers import read_done
from disc.records.typed import Finite, read_arrays, read_record, read_table, stands
from disc.report.page import write_report
from disc.report.run_summary import AGREEMENT, SLIDE_GRADING, PixelRow, RunSummary, SheetRow
from disc.settings.distillation import Student
from disc.settings.run import Run
from disc.settings.synthesis import STUDENT

PICTURES = 6
TABLES = {
    "agreement": (("variant", "tile", "source_slide", *RECALLS), "agreement"),
    "scores": (tuple(SCORES), "graders/slides"),
    "pixels": (tuple(COUNTS), "graders/pixels"),
}
"""Columns that a table of the run must have, and the stage that writes it."""


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
        quality=read_table(
            context.folder / "agreement" / QUALITY,
            ("kind", "variant", "kid_real", "standard_deviation"),
            tell_remedy(context.folder / "agreement"),
        ),
        audit=_audit(context),
        scores=_table(context, "scores"),
        pixels=_table(context, "pixels"),
        pixel_pictures=_pixel_pictures(context),
        attention=list_attention(context),
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
    sizes = _summary(context).tiles
    counts = f"{sizes.train} training, {sizes.val} validation, {sizes.test} test tiles"
    data = context.run.data
    kind = "simulated prostate tissue" if context.is_simulated else f"tiles of {data.root}"
    scale = "scale unknown" if um_per_px is None else f"{um_per_px:.3g} µm per pixel"
    return f"{kind}: {counts} of {data.tile_px} px, {scale}"


def _summary(context: Context) -> Summary:
    folder = context.folder / "data"
    return read_record(folder / SUMMARY, Summary, tell_remedy(folder))


def _record(context: Context, name: str) -> StageRecord:
    facts = read_done(context.folder / name)
    return StageRecord(name=name, seconds=facts.seconds, what=facts.what)


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
    notes += _summary(context).notes
    if not context.is_simulated:
        notes.append(
            f"{AGREEMENT}: the referee was trained on the validation tiles' own annotation, not on "
            "exact masks; mask agreement inherits the annotators' errors"
        )
    return notes + _doubtful_readings(context) + _short_training(context.run)


def _doubtful_readings(context: Context) -> list[str]:
    """What is said where the referee hardly knows a label, or the autoencoder loses it."""
    table = _table(context, "agreement")
    if table is None:
        return []
    unread = [
        f"{AGREEMENT}: the referee reads {name} in real tiles at {value:.2f}, less than half: a "
        "low reading of it in generated ones may be the referee's own fault; a longer training "
        "may help (--evaluate.referee.optim.steps)"
        for name, value in find_unread(table).items()
    ]
    return unread + [
        f"{AGREEMENT}: the autoencoder loses {name}: real tiles read {through:.2f} through it and "
        f"{own:.2f} without, so a low reading of it in generated ones may be the autoencoder's; a "
        "longer training may help, or a decoder tuned on every label alike "
        "(--autoencoder.decoder.even-labels)"
        for name, (through, own) in find_lost(table).items()
    ]


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
    columns, place = TABLES[name]
    stage = context.folder / place
    path = context.folder / f"{name}.parquet"
    table = read_table(path, columns, tell_remedy(stage), stage=stage)
    return table if len(table) else None


def _audit(context: Context) -> pd.DataFrame:
    """The short form of an audit of the synthetic slides."""
    sets: dict[str, TileSet] = {}
    for name in context.run.variants:
        folder = context.folder / "synthetic" / name
        if (folder / "images").is_dir():
            sets[name] = context.read(folder)
    split = context.split
    return audit_briefly(split.test, split.train, sets, seed=context.run.seed)


def _standard_deviations(context: Context) -> pd.DataFrame:
    folder, bank = (context.folder / name for name in ("agreement", "bank"))
    found = read_record(folder / SPREADS, dict[str, Finite], tell_remedy(folder))
    agreement = _table(context, "agreement")
    tiles = Counter(() if agreement is None else agreement["variant"])
    rows = [
        {"set": variant, "standard_deviation": value, "num": tiles[variant]}
        for variant, value in found.items()
    ]
    quality = read_record(bank / BANK_QUALITY, BankQuality, tell_remedy(bank))
    rows.append({"set": "bank", "standard_deviation": quality.spread, "num": quality.bundles})
    return pd.DataFrame(rows)


def read_sheet(context: Context) -> list[SheetRow]:
    """What the agreement stage stored, with what the referee reads in it."""
    path = context.folder / "agreement" / SHEET
    if not stands(path) and SHEET not in read_list(path.parent):
        return []
    keys = ("real", "reconstruction", *context.run.variants)
    arrays = read_arrays(path, ("mask", *keys), tell_remedy(path.parent))
    masks = arrays["mask"]
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
        if stands(path):
            net = blank_carcino(context.run.grade.carcino)
            load_weights(path, net)
            labels = predict_pixels(net.to(own_device()).eval(), tiles, chosen).argmax(1)
            readings[configuration.variant] = labels.astype(np.uint8)
    return readings
