"""Stages of the grading half: synthetic slides, features, slide graders, pixel graders."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from disc import settings
from disc.data.sicapv2 import read_split
from disc.data.tiles import Slide, TileSet
from disc.files import write_bytes
from disc.grade.bags import Bag, read_bags
from disc.grade.carcino import CarcinoNet
from disc.grade.encoder import CrossEncoder, encode_slides, train_encoder
from disc.grade.pixels import COUNTS, confusion_rows, train_pixel_grader
from disc.grade.pool import TilePool
from disc.grade.slides import score_rows, train_slide_grader
from disc.model.store import hash_weights, save_weights
from disc.pipeline.arms import ENCODER, FEATURES, Arm, pixel_arms, slide_arms
from disc.pipeline.context import Context
from disc.sample.solver import name_solver
from disc.sample.synthesis import Brush, paint_slides, plan_slides
from disc.seeds import derive
from disc.train.checkpoint import NAME as CHECKPOINT

SCORES = ["patient", "slide", "label", "truth", "score"]


def can_grade_slides(context: Context) -> bool:
    """Slide grading needs training and test slides of their own, with scores."""
    patients = {slide.patient_id for slide in scored_slides(context.learners)}
    return not context.split.by_position and len(patients) > 1


def scored_slides(tiles: TileSet) -> list[Slide]:
    """Slides with a Gleason score."""
    return [slide for slide in tiles.slides.values() if slide.primary is not None]


def read_synthetic(context: Context, variant: settings.Variant) -> TileSet:
    """The synthetic slides of a variant."""
    return context.read(context.folder / "synthetic" / variant)


def test_sets(context: Context, masks: str = "masks") -> Iterator[tuple[str, str, TileSet]]:
    """(data set, split, tiles) of everything that graders are judged on."""
    run = context.run
    split = read_split(context.root, run.data.fold, context.read(context.root, masks))
    yield "in", "val", split.val
    yield "in", "test", split.test
    if context.shifted_root is not None:
        yield "shifted", "test", context.read_shifted(context.shifted_root, masks)


def _paint(context: Context, variant: settings.Variant, folder: Path) -> str:
    run, split = context.run, context.split
    known, slides = context.latents.known(), split.train.slides
    plans = plan_slides(list(slides.values()), context.book, known, run.synthesis)
    if not plans:
        return "no synthetic slides: no real slide has a score to balance"
    painter = context.painter(variant)
    facts = {
        "checkpoint": hash_weights(next(iter(painter.denoisers.values()))),
        "training_slides": " ".join(sorted(slides)),
        "fold": run.data.fold,
        "solver": name_solver(run.sample.solver),
    }
    value = paint_slides(plans, context.book, Brush(painter, variant), folder, facts)
    num = sum(len(plan.tiles) for plan in plans)
    return f"{len(plans)} slides, {num} tiles; spread {value:.2f} (data: 1)"


def _features(context: Context, folder: Path) -> str:
    if not can_grade_slides(context):
        return "not possible: fewer than two training slides with scores"
    run = context.run
    pool = TilePool(context.learners, run.data.workers)
    train_encoder(run.grade.carcino, pool, folder, run.seed).save(folder)
    encoder = CrossEncoder.load(folder, run.grade.carcino)
    encode_slides(encoder, context.learners, folder / "real")
    for data_set, _, tiles in test_sets(context):
        encode_slides(encoder, tiles, folder / ("real" if data_set == "in" else data_set))
    for variant in run.synthesis.variants:
        encode_slides(encoder, read_synthetic(context, variant), folder / variant)
    return f"{len(list(folder.rglob('*.h5')))} slides"


def _grade_slides(context: Context, folder: Path) -> str:
    run, features = context.run, context.folder / FEATURES
    parts: list[pd.DataFrame] = []
    if can_grade_slides(context):
        real = read_bags(features / "real", scored_slides(context.learners))
        parts = [
            _slide_run(context, folder, arm, seed, real)
            for arm in slide_arms(run)
            for seed in range(run.grade.seeds)
        ]
    _write_table(context.folder / "scores.parquet", parts, SCORES)
    if not parts:
        return "not possible: fewer than two training slides with scores"
    return f"{len(slide_arms(run))} arms, {run.grade.seeds} seeds"


def _slide_run(
    context: Context, folder: Path, arm: Arm, seed: int, real: list[Bag]
) -> pd.DataFrame:
    run, place = context.run, folder / f"{arm.name} seed {seed}"
    if (place / "scores.parquet").exists():
        return pd.read_parquet(place / "scores.parquet")
    features, synthetic = context.folder / FEATURES, list[Bag]()
    if arm.balance_weight:
        slides = read_synthetic(context, arm.variant).slides.values()  # type: ignore[arg-type]
        synthetic = read_bags(features / arm.variant, slides)
    net = train_slide_grader(
        net=run.grade.transmil,
        real=real,
        synthetic=synthetic,
        balance_weight=arm.balance_weight,
        folder=place,
        seed=derive(run.seed, "slides", seed),
    )
    parts = []
    for data_set, split, tiles in test_sets(context):
        source = features / ("real" if data_set == "in" else data_set)
        rows = score_rows(net, read_bags(source, scored_slides(tiles)))
        parts.append(rows.assign(data_set=data_set, split=split))
    facts = {"grader": "transmil", "encoder": ENCODER, "fold": run.data.fold}
    table = _label_rows(pd.concat(parts), arm, run.seed, seed).assign(**facts)
    save_weights(place / "transmil.safetensors", net)
    _write_table(place / "scores.parquet", [table], SCORES)
    return table


def _grade_pixels(context: Context, folder: Path) -> str:
    run = context.run
    real = TilePool(context.learners, run.data.workers)
    kinds = {"annotation": "masks"}
    if context.is_simulated and run.data.shifted_root is None:
        kinds["exact"] = "masks_exact"
    truths = {kind: list(test_sets(context, masks)) for kind, masks in kinds.items()}
    parts = []
    for arm in pixel_arms(run):
        place = folder / arm.name
        synthetic = None
        if arm.balance_weight:
            if not (context.folder / "synthetic" / arm.variant / "images").exists():
                continue
            painted = read_synthetic(context, arm.variant)  # type: ignore[arg-type]
            synthetic = TilePool(painted, run.data.workers)
        net = train_pixel_grader(
            net=run.grade.carcino,
            real=real,
            synthetic=synthetic,
            balance_weight=arm.balance_weight,
            folder=place,
            seed=run.seed,
        )
        save_weights(place / "carcino.safetensors", net)
        (place / CHECKPOINT).unlink(missing_ok=True)
        parts += [_confusion(net, truths, arm, run, i) for i in range(len(truths["annotation"]))]
    _write_table(context.folder / "pixels.parquet", parts, COUNTS)
    return f"{sum(1 for _ in folder.glob('*/carcino.safetensors'))} arms"


def _confusion(
    net: CarcinoNet,
    truths: dict[str, list[tuple[str, str, TileSet]]],
    arm: Arm,
    run: settings.Run,
    index: int,
) -> pd.DataFrame:
    data_set, split, _ = truths["annotation"][index]
    rows = confusion_rows(net, {kind: sets[index][2] for kind, sets in truths.items()})
    facts = {"grader": "carcino", "data_set": data_set, "split": split}
    return _label_rows(rows, arm, run.seed, 0).assign(**facts)


def _label_rows(rows: pd.DataFrame, arm: Arm, generator_seed: int, seed: int) -> pd.DataFrame:
    return rows.assign(
        variant=arm.variant,
        balance_weight=arm.balance_weight,
        generator_seed=generator_seed,
        grader_seed=seed,
    )


def _write_table(path: Path, parts: list[pd.DataFrame], columns: list[str]) -> None:
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())
