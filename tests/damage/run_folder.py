"""A finished run of untrained networks, written in a second, and what reads each of its files."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn

from disc.data.tiles.records import Slide
from disc.data.trained_on import list_trained_on, read_trained_on, write_trained_on
from disc.evaluate.agreement import RECALLS
from disc.files import append_line, write_bytes, write_json, write_parquet
from disc.grade.carcino import CarcinoNet, blank_carcino
from disc.grade.confusion import COUNTS
from disc.grade.encoder import CrossEncoder
from disc.grade.features import read_features, write_features
from disc.model.autoencoder import Autoencoder
from disc.model.store import load_weights, save_weights
from disc.pipeline.config_file import read_config
from disc.pipeline.context import QUALITY, Context
from disc.pipeline.stage import find_lost, why_stale
from disc.pipeline.stage_list import all_stages
from disc.pipeline.stages import report
from disc.pipeline.stages.referee import load_referee
from disc.pipeline.stages.training_hooks import read_validation
from disc.presets import smoke
from disc.processes import Share
from disc.records.listing import list_files, tell_remedy
from disc.records.markers import Done, result_key, write_begun, write_done
from disc.records.seal import seal
from disc.records.typed import read_table
from disc.sample.bank import bundle_seed, read_bank
from disc.sample.generation import _Chunk
from disc.sample.shards import BankFacts, open_shard, write_shard
from disc.settings.run import Run
from disc.train.checkpoint import State, restore_checkpoint, save_checkpoint
from disc.train.ema import Ema
from disc.train.latents import shards as latents
from disc.train.latents.encoding import NAME, Index
from disc.train.latents.latent_set import read_latents
from disc.train.log import Log
from tests.tiny_run import write_tiny_run

STEPS = 20
RUN = replace(smoke(), name="run")
VARIANTS = ("sd", "sd-disc")
AT_WORK = "denoiser/sd-disc-cotrain"
"""A stage that was stopped in its training."""


def write_run(out: Path, *, is_recorded: bool) -> Path:
    """All files of a run that any command reads beside its tiles.

    Args:
        out: where the run's folder is made.
        is_recorded: whether its stages noted their files, or the run is an older one.
    """
    folder, run = out / RUN.name, replace(RUN, out=out)
    write_tiny_run(folder, run, VARIANTS)
    rng = np.random.default_rng(0)
    sizes = {"train": 2, "val": 1, "test": 1}
    write_json(folder / "data" / "summary.json", {"tiles": sizes, "slides": 2, "notes": []})
    Autoencoder.load(folder / "latents" / "autoencoder").save(folder / "autoencoder")
    _write_latents(folder / "latents", rng)
    for variant in VARIANTS:
        _write_trained(folder / "denoiser" / variant)
    _write_bank(folder / "bank")
    _write_agreement(folder, rng)
    _write_graders(folder, run)
    chunk = _Chunk(num=2, mean=0.0, mean_square=1.0)
    write_json(folder / "synthetic" / "sd" / "chunks" / "S1.json", asdict(chunk))
    _write_markers(folder, run, is_recorded)
    _write_training(folder / AT_WORK)
    return folder


def _write_latents(folder: Path, rng: np.random.Generator) -> None:
    masks = [np.full((64, 64), label, np.uint8) for label in (0, 3)]
    latents.write_shard(latents.shard_path(folder, 0), torch.randn(2, 2, 3, 16, 16), masks, "key")
    write_json(folder / NAME, asdict(Index(1.5, ("key",))))


def _write_trained(folder: Path) -> None:
    seen = {"step": 4, "loss": 0.5, "bands": [0.4, 0.6]}
    facts = {**seen, "history": [seen], "num_tiles": 1, "val_is_seen": False, "kept": "last"}
    write_json(folder / "validation.json", facts)
    append_line(folder / "log.jsonl", json.dumps({"step": 4, "loss": 0.5}))
    slide = Slide(slide_id="S1", patient_id="P1", primary=3, secondary=4)
    write_trained_on(folder, list_trained_on([slide], protocol="one-fold", fold="Val1"))


def _write_bank(folder: Path) -> None:
    made = {"weights": "w", "solver": "s", "precision": "float32"}
    facts = BankFacts(**made, labels=(0, 1, 2, 3), latent_px=16, seed=0)
    path = folder / "bundles_000000.safetensors"
    write_shard(path, torch.randn(2, 4, 3, 16, 16), [bundle_seed(0, i) for i in range(2)], facts)
    entry = {"file": path.name, "bundles": 2, "content": open_shard(path).content}
    write_json(folder / "bank.json", {"version": 1, "facts": asdict(facts), "shards": [entry]})
    write_json(folder / "quality.json", {"bundles": 2, "spread": 1.0, "one label": float("nan")})


def _write_agreement(folder: Path, rng: np.random.Generator) -> None:
    place = folder / "agreement"
    write_json(place / "spreads.json", dict.fromkeys(RUN.variants, 1.0))
    write_json(place / "referee.json", {"real": 0.9, "reconstruction": 0.8})
    pictures = rng.integers(0, 255, (1, 64, 64, 3), np.uint8)
    sheet = dict.fromkeys(("real", "reconstruction", *RUN.variants), pictures)
    sheet["mask"] = np.zeros((1, 64, 64), np.uint8)
    write_bytes(place / "sheet.safetensors", seal(safetensors.numpy.save(sheet)))
    quality = {"kind": ["multi-class"], "variant": ["sd"], "kid_real": [0.1]}
    write_parquet(place / QUALITY, pd.DataFrame({**quality, "standard_deviation": [1.0]}))
    rows = {"variant": ["sd"], "tile": ["a"], "source_slide": ["S1"], **dict.fromkeys(RECALLS, 0.5)}
    write_parquet(folder / "agreement.parquet", pd.DataFrame(rows))


def _write_graders(folder: Path, run: Run) -> None:
    net = CarcinoNet(run.grade.carcino)
    CrossEncoder((net, net), {"S1": 0, "S2": 1}).save(folder / "features" / "carcino")
    features = np.ones((3, 72), np.float32)
    coords = np.zeros((3, 2), np.int64)
    write_features(folder / "features" / "carcino" / "real" / "S1.h5", features, coords, 64)
    row = {"patient": ["P1"], "slide": ["S1"], "label": ["NC"], "truth": [0], "score": [0.5]}
    for path in (folder / "graders" / "slides" / "real seed 0", folder):
        write_parquet(path / "scores.parquet", pd.DataFrame(row))
    save_weights(folder / "graders" / "pixels" / "real" / "carcino.safetensors", net)
    write_parquet(folder / "pixels.parquet", pd.DataFrame({name: [1] for name in COUNTS}))
    write_bytes(folder / "report" / "index.html", b"<html></html>")


def _write_markers(folder: Path, run: Run, is_recorded: bool) -> None:
    for stage in all_stages(Context(run, folder)):
        place = folder / stage.name
        key = {name: result_key(folder / name) for name in stage.needs}
        write_begun(place, {"config": "c", "inputs": key})
        files = list_files(place, stage.outputs) if is_recorded else None
        done = Done(config=_digest(stage.settings), inputs=key, seconds=1.0, what="w", files=files)
        write_done(place, done)


def _digest(settings: object) -> str:
    from disc.files import digest

    return digest(settings)


def new_state() -> State:
    """A small training that has taken no step."""
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    return State(model=net, network=net, optimizer=optimizer, ema=Ema(net, 0.9), share=Share())


def _write_training(folder: Path) -> None:
    (folder / "done.json").unlink()
    state = new_state()
    for _ in range(4):
        state.model(torch.ones(1, 3)).sum().backward()
        state.optimizer.step()
        state.step += 1
    save_checkpoint(folder, state)
    append_line(folder / "log.jsonl", json.dumps({"step": 4, "loss": 0.5}))


def _context(folder: Path) -> Context:
    return Context(read_config(folder / "config.json"), folder)


def _read_markers(folder: Path) -> object:
    stages = all_stages(Context(replace(RUN, out=folder.parent), folder))
    return [why_stale(stage, folder) for stage in stages], find_lost(stages, folder)


def _restore(folder: Path) -> object:
    state = new_state()
    restore_checkpoint(folder / AT_WORK, state, STEPS)
    return state.step, {**state.network.state_dict(), **state.ema.weights}  # type: ignore[union-attr]


def _read_log(folder: Path) -> object:
    Log(folder / AT_WORK, STEPS, start=4, shown=True).close()
    return (folder / AT_WORK / "log.jsonl").read_text()


def _weights(module: nn.Module) -> object:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _read_all_latents(folder: Path) -> object:
    found = read_latents(folder / "latents")
    rows = torch.arange(2), torch.zeros(2, dtype=torch.int64)
    return found.latents[rows], found.masks[rows]


def _read_scores(folder: Path) -> object:
    from disc.pipeline.stages.grading_data import SCORES

    return read_table(folder / "graders/slides/real seed 0/scores.parquet", SCORES, "delete it")


def _read_grader(folder: Path) -> object:
    net = blank_carcino(RUN.grade.carcino)
    load_weights(folder / "graders/pixels/real/carcino.safetensors", net)
    return _weights(net)


def _read_quality(folder: Path) -> object:
    columns = ("kind", "variant", "kid_real", "standard_deviation")
    return read_table(folder / "agreement" / QUALITY, columns, tell_remedy(folder / "agreement"))


def _read_chunk(folder: Path) -> object:
    from disc.records.typed import read_record

    return read_record(folder / "synthetic/sd/chunks/S1.json", _Chunk, "delete it")


Reader = Callable[[Path], object]
REPORT: dict[str, Reader] = {
    "data/summary.json": lambda run: report._summary(_context(run)),
    "agreement/spreads.json": lambda run: report._standard_deviations(_context(run)),
    "bank/quality.json": lambda run: report._standard_deviations(_context(run)),
    "agreement.parquet": lambda run: report._table(_context(run), "agreement"),
    "scores.parquet": lambda run: report._table(_context(run), "scores"),
    "pixels.parquet": lambda run: report._table(_context(run), "pixels"),
    "agreement/sheet.safetensors": lambda run: report.read_sheet(_context(run)),
}
READERS: dict[str, Reader] = {
    **REPORT,
    "config.json": lambda run: read_config(run / "config.json"),
    "data/done.json": _read_markers,
    "denoiser/sd/done.json": _read_markers,
    "report/done.json": _read_markers,
    f"{AT_WORK}/begun.json": _read_markers,
    f"{AT_WORK}/checkpoint.safetensors": _restore,
    f"{AT_WORK}/log.jsonl": _read_log,
    "autoencoder/config.json": lambda run: Autoencoder.load(run / "autoencoder").scale,
    "latents/autoencoder/config.json": lambda run: _context(run).autoencoder.scale,
    "latents/autoencoder/diffusion_pytorch_model.safetensors": lambda run: _weights(
        _context(run).autoencoder
    ),
    "latents/latents.json": _read_all_latents,
    "latents/shards/latents_000000.safetensors": _read_all_latents,
    "denoiser/sd/denoiser.json": lambda run: _weights(_context(run).denoiser("sd")),
    "denoiser/sd/condition.safetensors": lambda run: _weights(_context(run).denoiser("sd")),
    "denoiser/sd/unet/diffusion_pytorch_model.safetensors": lambda run: _weights(
        _context(run).denoiser("sd")
    ),
    "denoiser/sd/validation.json": lambda run: read_validation(run / "denoiser" / "sd"),
    "denoiser/sd/trained_on.json": lambda run: read_trained_on(run / "denoiser" / "sd"),
    "bank/bank.json": lambda run: read_bank(run / "bank").take([0, 1]),
    "bank/bundles_000000.safetensors": lambda run: read_bank(run / "bank").take([0, 1]),
    "referee/referee.safetensors": lambda run: _weights(load_referee(_context(run))),
    "features/carcino/halves.json": lambda run: (
        CrossEncoder.load(run / "features" / "carcino", RUN.grade.carcino).halves
    ),
    "features/carcino/half0.safetensors": lambda run: [
        _weights(net)
        for net in CrossEncoder.load(run / "features" / "carcino", RUN.grade.carcino).nets
    ],
    "features/carcino/real/S1.h5": lambda run: read_features(
        run / "features" / "carcino" / "real" / "S1.h5"
    ),
    "graders/slides/real seed 0/scores.parquet": _read_scores,
    "graders/pixels/real/carcino.safetensors": _read_grader,
    "agreement/quality.parquet": _read_quality,
    "synthetic/sd/chunks/S1.json": _read_chunk,
}
"""What the commands call to read a file of a run."""


def as_bytes(value: object) -> bytes:
    """What was read, for comparison."""
    buffer = io.BytesIO()
    torch.save(value, buffer) if _has_tensors(value) else buffer.write(repr(value).encode())
    return buffer.getvalue()


def _has_tensors(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_tensors, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(map(_has_tensors, value))
    return isinstance(value, torch.Tensor)
