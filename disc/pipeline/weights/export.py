"""A run's weights to one folder that diffusers reads: `disc export`."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from disc.data.tiles.records import Slide
from disc.data.trained_on import NAME as TRAINED_ON
from disc.data.trained_on import read_trained_on
from disc.files import BadInput, refuse_filled, whole_folder, write_bytes, write_json
from disc.model.store import DIFFUSERS_WEIGHTS, save_weights
from disc.pipeline.stages.referee import REFEREE as RUN_REFEREE
from disc.pipeline.weights.card import write_card
from disc.pipeline.weights.exported import hash_file
from disc.pipeline.weights.facts import GRADER, NAME, REFEREE, SHAPES, Facts, as_values, sign
from disc.pipeline.weights.graders import calibrate_alone
from disc.pipeline.weights.request import ExportRequest
from disc.pipeline.weights.scheduler import plain_scheduler
from disc.pipeline.weights.source import Weights, find_variant
from disc.pipeline.weights.trained import TrainedWeights, open_run
from disc.settings.synthesis import Variant, weights_of
from disc.slides.judging.calibration import save_calibration


def export_run(request: ExportRequest) -> str:
    """Write a run's weights, schedulers, referee, shapes and a README to a new folder.

    Returns:
        What was written, in a line.

    Raises:
        FileNotFoundError: if there is no such run, or no training set to take shapes from.
        BadInput: if the run is not trained so far, a variant is unknown or not trained, or the
            folder is taken.
    """
    weights = open_run(request.run)
    _check_complete(weights)
    facts = _collect_facts(weights, request)
    refuse_filled(request.out)
    shapes = _pack_shapes(weights) if request.shapes else None
    with whole_folder(request.out) as folder:
        _write_networks(weights, facts, folder)
        _write_schedulers(facts, folder)
        why_not = _write_calibration(weights, facts, folder)
        if shapes is not None:
            write_bytes(folder / SHAPES, shapes)
        beside = {"has_shapes": shapes is not None, "can_grade": not why_not}
        card = write_card(facts, **beside, licence=request.licence)
        write_bytes(folder / "README.md", card.encode())
        files = {
            path.relative_to(folder).as_posix(): hash_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        write_json(folder / NAME, sign(as_values(replace(facts, files=files))))
    size = sum(path.stat().st_size for path in request.out.rglob("*")) / 1e6
    said = f"{request.out}: {', '.join(facts.variants)} as {facts.dtype}, {size:.1f} MB"
    grades = f"it grades no slides ({why_not})" if why_not else "it grades slides"
    return f"{said}; README.md says how to use it; {grades}"


def _check_complete(weights: TrainedWeights) -> None:
    needed = {
        "autoencoder": Path("latents", "autoencoder", DIFFUSERS_WEIGHTS),
        "referee": Path("referee", RUN_REFEREE),
    }
    for what, path in needed.items():
        if not (weights.folder / path).is_file():
            raise BadInput(
                f"{weights.folder}: no trained {what} in it ({path}); run disc run on it first"
            )


def _collect_facts(weights: TrainedWeights, request: ExportRequest) -> Facts:
    run, chosen = weights.context.run, _choose(weights, request.variants)
    seen, path = None, weights.folder / "denoiser" / chosen[0]
    if (path / TRAINED_ON).is_file():
        seen = read_trained_on(path)
    return Facts(
        name=run.name,
        weights=chosen,
        dtype=request.dtype,
        tile_px=weights.tile_px,
        um_per_px=weights.um_per_px,
        data_set=None if run.data.root is None else run.data.root.resolve().name,
        fold=run.data.fold,
        num_slides=None if seen is None else len(seen.slides),
        num_patients=None if seen is None else len(seen.patients),
        denoiser=run.denoiser,
        sample=run.sample,
        student=run.distil.student,
        referee=run.evaluate.referee,
        synthesis=run.synthesis,
        # where weights that it began with lay is of no use elsewhere
        grader=replace(run.grade.carcino, encoder_weights=None) if weights.has_grader else None,
    )


def _choose(weights: Weights, asked: Sequence[str]) -> tuple[Variant, ...]:
    """The variants that are asked for and have weights of their own, each once."""
    names = [find_variant(weights, name) for name in asked] or weights.variants
    return tuple(dict.fromkeys(weights_of(name) for name in names))


def _write_networks(weights: TrainedWeights, facts: Facts, folder: Path) -> None:
    dtype = torch.float16 if facts.dtype == "float16" else torch.float32
    for name in facts.weights:
        denoiser = weights.context.denoiser(name)
        save_weights(folder / facts.place_weights("unet", name), denoiser.unet, dtype)
        place = folder / facts.place_weights("condition_encoder", name)
        save_weights(place, denoiser.encode, dtype)
        _write_config(folder / "unet", denoiser.unet)
    vq = weights.context.autoencoder.vq
    save_weights(folder / "vqvae" / DIFFUSERS_WEIGHTS, vq, dtype)
    _write_config(folder / "vqvae", vq)
    save_weights(folder / REFEREE, weights.referee(), dtype)
    if facts.grader is not None:
        save_weights(folder / GRADER, weights.pixel_grader(), dtype)


def _write_calibration(weights: TrainedWeights, facts: Facts, folder: Path) -> str:
    """Write what validation slides tell of the pixel grader as stored; why not, or ""."""
    if facts.grader is None:
        return "the run has no pixel grader"
    net = weights.pixel_grader()
    if facts.dtype == "float16":
        net.half().float()
    try:
        calibration = calibrate_alone(weights, net)
    except BadInput as error:
        return str(error)
    save_calibration(calibration, folder / GRADER.parent)
    return ""


def _write_config(folder: Path, model: Any) -> None:
    config = json.loads(model.to_json_string())
    # where a public autoencoder lay on the machine that imported it
    config.pop("_name_or_path", None)
    write_json(folder / "config.json", config)


def _write_schedulers(facts: Facts, folder: Path) -> None:
    """Schedulers, and the list of what diffusers can load."""
    parts = {"unet": "UNet2DConditionModel", "vqvae": "VQModel"}
    for name in facts.weights:
        scheduler = plain_scheduler(facts.denoiser, facts.solver_of(name))
        place = facts.scheduler_folder(name)
        write_bytes(folder / place / "scheduler_config.json", scheduler.to_json_string().encode())
        parts[place] = type(scheduler).__name__
    index = {
        "_class_name": "DiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        **{name: ["diffusers", kind] for name, kind in parts.items()},
    }
    write_json(folder / "model_index.json", index)


def _score(slide: Slide) -> tuple[int, int]:
    """Primary and secondary grade; -1 where it has none."""
    return (
        -1 if slide.primary is None else slide.primary,
        -1 if slide.secondary is None else slide.secondary,
    )


def _pack_shapes(weights: Weights) -> bytes:
    """Different shape maps once, which of them each training tile has, known labels, and slides."""
    try:
        book, known, slides = weights.book, weights.known, weights.slides
    except (FileNotFoundError, BadInput) as error:
        raise BadInput(
            f"{weights.folder}: no training tiles to take shapes from ({error}); bring them back, "
            "or leave shapes out with --no-shapes"
        ) from error
    places: dict[bytes, int] = {}
    tiles = [places.setdefault(shape.tobytes(), len(places)) for shape in book.shapes]
    maps = np.frombuffer(b"".join(places), np.uint8).reshape(-1, weights.tile_px, weights.tile_px)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        shapes=maps,
        tiles=np.array(tiles, np.int32),
        known=np.array(list(known), np.uint8),
        names=np.array([tile.name for tile in book.sources], np.str_),
        of_slides=np.array([tile.slide_id for tile in book.sources], np.str_),
        slides=np.array([slide.slide_id for slide in slides], np.str_),
        scores=np.array([_score(slide) for slide in slides], np.int8).reshape(-1, 2),
    )
    return buffer.getvalue()
