"""A study, exported weights and a graded slide, small, and what reads each of their files."""

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from disc.data.readers.sicapv2 import read_set
from disc.data.tiles.records import Slide, Tile
from disc.files import BadInput, write_bytes, write_json, write_parquet
from disc.grade.carcino import CarcinoNet
from disc.grade.encoder import CrossEncoder
from disc.grade.features import write_features
from disc.model.store import save_weights
from disc.pipeline.config_file import read_config
from disc.pipeline.configurations import Configuration
from disc.pipeline.context import Context
from disc.pipeline.stages.pixel_graders import grader_path
from disc.pipeline.weights import export as exporting
from disc.pipeline.weights.export import export_run
from disc.pipeline.weights.exported import open_exported
from disc.pipeline.weights.request import ExportRequest
from disc.pipeline.weights.trained import TrainedWeights
from disc.records.markers import marked
from disc.records.seal import seal
from disc.records.typed import read_arrays, read_table
from disc.sample.synthesis import ShapeBook
from disc.slides.grade_slides import GradeReport, grade_files
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.record import GradeRecord, read_record, write_record
from disc.study.cells import ATTENTION, PICTURES, ROWS, tell_remedy
from disc.study.conduct import RECORD, _describe, _rows
from disc.study.encoding import open_encoder
from disc.study.grid import Cell, real_cell
from disc.study.keys import embedded_key
from disc.study.parts import begin_growing, end_growing, is_kept
from disc.study.request import StudyRequest
from disc.study.runs import MANIFEST, StudyRun, check_generator
from disc.study.study import Study
from tests.damage.campaign import Reader
from tests.damage.run_folder import RUN, _weights
from tests.test_cli import write_set
from tests.tiny_run import write_tiny_run

TILE = "A_Block_Region_0_0_0_xini_0_yini_0"
CELL = real_cell("carcino", "Val1")
SET = "synthetic/Val1 sd g0"
FEATURES = "features/carcino/Val1/real"
ENCODER = "features/carcino/Val1/encoder"
AGAIN = "made again"
"""What a part is that is not done."""
RECORDED = GradeRecord.model_validate(
    {
        "trained_on": "real tiles",
        "source": {
            **{"slide": "S1", "file": "S1.tiff", "sha256": "0" * 64, "um_per_px": 0.5},
            **{"run": "run", "grader": "real", "weights": {"a": "b"}, "disc": "1"},
        },
        "abstained": (),
        "score": {"primary": 4, "secondary": 3, "isup": 3},
        "tissue_mm2": 2.5,
        "num_tiles": 7,
        "shares": {"NC": {"fraction": 0.5, "low": 0.4, "high": 0.6, "mm2": 1.2}},
        "isup_shares": {"3": 0.9},
        "opinions": {"seed 0": 3},
        "floors": {"GG3": 0.05},
        "cross_check": {"GG3": {"score": 0.5, "threshold": 0.4, "is_present": True}},
        **dict.fromkeys(("slide_group", "distance", "distance_threshold", "map", "regions")),
    }
)


def write_study(out: Path, *, is_noted: bool) -> Path:
    """A study of a cell, and the sets and features that it was made from."""
    folder = out / "study"
    write_tiny_run(out / "run", RUN, ())
    study = _open(folder)
    write_json(folder / RECORD, _describe(study))
    place = study.place(CELL)
    with marked(place, "cell"):
        _write_cell(place, CELL)
    with marked(folder / SET, "set"):
        write_set(folder / SET)
        rows = {"tile": [TILE], "training_slides": ["S1 S2"]}
        write_parquet(folder / SET / MANIFEST, pd.DataFrame(rows))
    with marked(folder / ENCODER, embedded_key(study, "Val1")):
        net = CarcinoNet(RUN.grade.carcino)
        CrossEncoder((net, net), {"S1": 0, "S2": 1}).save(folder / ENCODER)
    begin_growing({folder / FEATURES: "carcino"})
    features = np.ones((3, 72), np.float32)
    write_features(folder / FEATURES / "S1.h5", features, np.zeros((3, 2), np.int64), 64)
    end_growing({folder / FEATURES: "carcino"})
    if not is_noted:
        for path in (*folder.rglob("done.json"), *folder.rglob("begun.json")):
            path.unlink()
    return folder


def _write_cell(place: Path, cell: Cell) -> None:
    row = {"slide": ["S1"], "label": ["NC"], "truth": [0], "score": [0.5], "split": ["test"]}
    facts = {name: [value] for name, value in asdict(cell).items() if name in ("variant", "fold")}
    write_parquet(place / ROWS, pd.DataFrame({**row, **facts}))
    labels = safetensors.numpy.save({"labels": np.zeros((2, 64, 64), np.uint8)})
    write_bytes(place / PICTURES, seal(labels))
    looked = {"slide": ["S1"], "tile": [TILE], "attention": [0.5]}
    write_parquet(place / ATTENTION, pd.DataFrame(looked))


def _open(folder: Path) -> Study:
    """As `disc study` opens it, without the data of its run."""
    run = folder.parent / "run"
    study = Study(StudyRequest(runs=(run,), out=folder))
    study.__dict__["runs"] = [StudyRun(Context(read_config(run / "config.json"), run))]
    return study


def _read_cell(folder: Path) -> object:
    study, place = _open(folder), folder / "cells" / CELL.name
    if not is_kept(place, ROWS, "cell"):
        return AGAIN
    looked = read_table(place / ATTENTION, ("slide", "tile", "attention"), tell_remedy(place))
    pictures = read_arrays(place / PICTURES, ("labels",), tell_remedy(place / PICTURES))
    found = {name: (values.shape, values.tobytes()) for name, values in pictures.items()}
    return _rows(study, CELL).to_csv(), looked.to_csv(), found


def _read_set(folder: Path) -> object:
    root = folder / SET
    if not is_kept(root, MANIFEST, "set"):
        return AGAIN
    tiles = read_set(root, 64)
    check_generator(root, {"S1": "P1", "S2": "P2"}, tiles)
    slides = [(slide, tiles.slides[slide].primary) for slide in tiles.slides]
    every = range(len(tiles))
    return slides, [(tiles.image(i).tobytes(), tiles.mask(i).tobytes()) for i in every]


def _read_encoder(folder: Path) -> object:
    if not is_kept(folder / ENCODER, "halves.json", embedded_key(_open(folder), "Val1")):
        return AGAIN
    found = open_encoder(_open(folder), "carcino", "Val1")
    assert isinstance(found, CrossEncoder)
    return dict(found.halves), [_weights(net) for net in found.nets]


def _read_features(folder: Path) -> object:
    place = folder / FEATURES
    begin_growing({place: "carcino"})
    if not (place / "S1.h5").exists():
        return AGAIN
    (bag,) = _open(folder).bags(
        CELL, "real", [Slide(slide_id="S1", patient_id="P1", primary=3, secondary=3)]
    )
    return bag.features.tobytes()


def _read_description(folder: Path) -> object:
    return _describe(_open(folder))


STUDY: dict[str, Reader] = {
    RECORD: _read_description,
    **{f"cells/{CELL.name}/{name}": _read_cell for name in (ROWS, PICTURES, ATTENTION)},
    f"cells/{CELL.name}/done.json": _read_cell,
    f"{SET}/{MANIFEST}": _read_set,
    f"{SET}/images/{TILE}.jpg": _read_set,
    f"{SET}/masks/{TILE}.png": _read_set,
    f"{SET}/wsi_labels.xlsx": _read_set,
    f"{ENCODER}/halves.json": _read_encoder,
    f"{ENCODER}/half0.safetensors": _read_encoder,
    f"{FEATURES}/S1.h5": _read_features,
    f"{FEATURES}/done.json": _read_features,
}
"""What `disc study` calls to read a file of a study again."""


def write_exported(out: Path) -> Path:
    """Weights of a tiny run with all that can be exported."""
    run = write_tiny_run(out / "run", replace(RUN, out=out), ("sd",))
    net = CarcinoNet(RUN.grade.carcino)
    save_weights(grader_path(Context(RUN, run), Configuration()), net)
    known = Calibration(
        **{"temperature": 1.5, "ece_before": 0.1, "ece_after": None, "num_slides": 2},
        **{"num_tiles": 4, "floors": (0.1, 0.1, 0.1), "heads": (0.5,) * 4, "far": 2.0},
        mean=np.zeros(3),
        whitening=np.eye(3),
    )
    shapes = np.zeros((2, 64, 64), np.uint8)
    shapes[1, :8] = 1
    source = Tile(name="a", slide_id="S1", image=Path("a.png"), mask=None, x=0, y=0)
    slide = Slide(slide_id="S1", patient_id="P1", primary=4, secondary=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "calibrate_alone", lambda *_: known)
        patch.setattr(Context, "book", ShapeBook(list(shapes), [source, source]))
        patch.setattr(Context, "latents", SimpleNamespace(known=lambda: [0, 1, 2, 3]))
        patch.setattr(TrainedWeights, "slides", [slide])
        export_run(ExportRequest(run=run, out=out / "exported"))
    return out / "exported"


def _read_facts(folder: Path) -> object:
    return asdict(open_exported(folder).facts)


def _read_variant(folder: Path) -> object:
    return [_weights(net) for net in open_exported(folder).sampler("sd").denoisers.values()]


def _read_shapes(folder: Path) -> object:
    found = open_exported(folder)
    shapes = [np.asarray(shape).tobytes() for shape in found.book.shapes]
    return shapes, list(found.known), found.slides, found.origin


def _read_calibration(folder: Path) -> object:
    found = asdict(open_exported(folder).calibration())
    return {name: np.asarray(value).tolist() for name, value in found.items()}


_WEIGHTS = "diffusion_pytorch_model.safetensors"
EXPORTED: dict[str, Reader] = {
    "disc.json": _read_facts,
    f"unet/{_WEIGHTS}": _read_variant,
    f"condition_encoder/{_WEIGHTS}": _read_variant,
    f"vqvae/{_WEIGHTS}": lambda folder: _weights(open_exported(folder)._autoencoder),
    "vqvae/config.json": lambda folder: open_exported(folder)._autoencoder.scale,
    "referee/model.safetensors": lambda folder: _weights(open_exported(folder).referee()),
    "grader/model.safetensors": lambda folder: _weights(open_exported(folder).pixel_grader()),
    "grader/calibration.json": _read_calibration,
    "grader/familiar.safetensors": _read_calibration,
    "shapes.npz": _read_shapes,
}
"""What `disc.load` and all that it offers call to read a file of exported weights."""


def write_graded(out: Path) -> Path:
    """A slide that was graded, by nobody."""
    (out / "S1.tiff").write_bytes(b"a slide")
    assert not _grade(out / "graded").failures
    return out / "graded"


def _grade(out: Path) -> GradeReport:
    def grade(path: Path, folder: Path) -> GradeRecord:
        write_record(folder, RECORDED)
        write_bytes(folder / "tiles.csv", b"x,y\n0,0\n")
        return RECORDED

    return grade_files([out.parent / "S1.tiff"], out, "key", grade)


def _read_graded(folder: Path) -> object:
    report = _grade(folder)
    if report.failures:
        raise BadInput(report.failures["S1"])
    assert list(report.before) == ["S1"]
    return read_record(folder / "S1").model_dump_json()


GRADED: dict[str, Reader] = {
    f"S1/{name}": _read_graded for name in ("done.json", "grade.json", "tiles.csv")
}
"""What `disc grade` calls to see that a slide was graded before."""
