"""What validation slides told of graders, and how it lies beside exported weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

from disc.files import BadInput, write_bytes, write_json
from disc.model.store import read_tensors
from disc.records.seal import seal
from disc.records.typed import Finite, Positive, read_record
from disc.slides.judging.rules import CANCER

Floats = npt.NDArray[np.float64]
_ARRAYS = ("mean", "whitening")
RECORD, FAMILIAR = "calibration.json", "familiar.safetensors"
VERSION = 1
REMEDY = "export the weights again"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was set on validation slides, but for the training tiles' features.

    Attributes:
        temperature: by which the pixel grader's logits are divided.
        ece_before: expected calibration error of pixels, without it.
        ece_after: with it, fitted on the other half of the patients; None: there is one patient.
        num_slides: validation slides.
        num_tiles: their tiles.
        floors: shares of tissue that GG3, GG4 and GG5 must reach to count.
        tile_floors: shares of tiles, each by its likeliest label, where features alone are known;
            None: there is no encoder, or no validation slide has a score.
        heads: thresholds of the slide graders' labels NC to GG5.
        far: median distance of a slide's windows beyond which it is unlike the training tiles.
        cancer_floor: share of the tissue from which cancer of all patterns is no error of the map;
            None: not known, of weights that were exported before it was set.
        focus_mm2: the same of a connected region of which graders are sure, in mm².
    """

    temperature: Positive
    ece_before: Finite
    ece_after: Finite | None
    num_slides: int
    num_tiles: int
    floors: tuple[Finite, Finite, Finite]
    heads: tuple[Finite, Finite, Finite, Finite]
    far: Positive
    tile_floors: tuple[Finite, Finite, Finite] | None = None
    cancer_floor: Finite | None = None
    focus_mm2: Finite | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Familiar:
    """Where the features of the training tiles lie.

    Attributes:
        mean: of the training tiles' features, [D].
        whitening: turns differences to it into numbers of standard deviation 1, [D, D].
    """

    mean: Floats
    whitening: Floats

    def distances(self, features: Floats) -> Floats:
        """How far features [n, D] are from the training tiles, [n], without a unit."""
        away = (features - self.mean) @ self.whitening
        found: Floats = np.sqrt((away**2).mean(1))
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration(Familiar, Settings):
    """What was set on validation slides."""

    @property
    def named_floors(self) -> dict[str, float]:
        """Floors by the names of their labels, and that of all cancer where it is known."""
        floors = dict(zip((label.name for label in CANCER), self.floors, strict=True))
        return floors if self.cancer_floor is None else {**floors, "cancer": self.cancer_floor}

    @property
    def facts(self) -> dict[str, Any]:
        """All but the training tiles' features."""
        return {name: value for name, value in vars(self).items() if name not in _ARRAYS}


@dataclass(frozen=True, kw_only=True)
class _Record:
    """`calibration.json`."""

    version: int
    settings: Settings


def save_calibration(calibration: Calibration, folder: Path) -> None:
    """Write `calibration.json`, and `familiar.safetensors`: mean and whitening of features."""
    values = asdict(calibration)
    arrays = {name: torch.from_numpy(values.pop(name)).float().contiguous() for name in _ARRAYS}
    write_json(folder / RECORD, {"version": VERSION, "settings": values})
    write_bytes(folder / FAMILIAR, seal(safetensors.torch.save(arrays, metadata={"format": "pt"})))


def load_calibration(folder: Path) -> Calibration:
    """Read what `save_calibration` wrote.

    Raises:
        FileNotFoundError: if a file is missing.
        BadInput: if one is damaged, or of another version.
    """
    record = read_record(folder / RECORD, _Record, REMEDY)
    path = folder / FAMILIAR
    if record.version != VERSION:
        raise BadInput(f"{folder / RECORD}: version {record.version}, expected {VERSION}; {REMEDY}")
    found = read_tensors(path)
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    num = shapes.get("mean", (0,))[0]
    if shapes != {"mean": (num,), "whitening": (num, num)} or num < 1:
        raise BadInput(f"{path}: damaged (arrays {shapes}); {REMEDY}")
    arrays = {name: value.double().numpy() for name, value in found.items()}
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise BadInput(f"{path}: damaged (a value is not finite); {REMEDY}")
    return Calibration(mean=arrays["mean"], whitening=arrays["whitening"], **vars(record.settings))
