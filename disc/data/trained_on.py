"""Which slides a generator was trained on: a record beside its weights, for `disc check`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from disc.data.tiles.records import Slide
from disc.files import write_json
from disc.records.typed import read_record

NAME = "trained_on.json"


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """The slides, and their patients, that a generator was trained on."""

    protocol: str
    """`one-fold` or `paper`."""
    fold: str
    """Whose training tiles they are; `All`: of every fold."""
    slides: tuple[str, ...]
    """Ids, in order; those that its autoencoder was trained on, too."""
    patients: tuple[str, ...]
    """Ids, in order."""


def list_trained_on(slides: list[Slide], *, protocol: str, fold: str) -> TrainedOn:
    """The record of some slides."""
    return TrainedOn(
        protocol=protocol,
        fold=fold,
        slides=tuple(sorted({slide.slide_id for slide in slides})),
        patients=tuple(sorted({slide.patient_id for slide in slides})),
    )


def write_trained_on(folder: Path, seen: TrainedOn) -> None:
    """Write `trained_on.json` into the folder of a denoiser."""
    write_json(folder / NAME, asdict(seen))


def read_trained_on(folder: Path) -> TrainedOn:
    """Read what `write_trained_on` wrote.

    Raises:
        FileNotFoundError: if there is no record.
        BadInput: if it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; give the folder of a denoiser that disc run trained "
            "(RUN/denoiser/sd, for one)"
        )
    return read_record(path, TrainedOn, "train the denoiser again")
