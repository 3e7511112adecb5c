"""What exported weights say of themselves: `disc.json`, and where the other files are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from disc.files import BadInput, as_json_bytes, read_json
from disc.model.store import DIFFUSERS_WEIGHTS
from disc.pipeline.config_file import tell_fault
from disc.pipeline.weights.request import Dtype
from disc.settings.checks import require
from disc.settings.denoiser import Denoiser
from disc.settings.distillation import Student, own_solvers
from disc.settings.grading import CarcinoNet
from disc.settings.sampling import Sample, Solver
from disc.settings.synthesis import STUDENT, VARIANTS, Synthesis, Variant, weights_of

NAME = "disc.json"
SHAPES = "shapes.npz"
REFEREE = Path("referee", "model.safetensors")
GRADER = Path("grader", "model.safetensors")
VERSION = 1
"""Of `disc.json`."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Exported weights: all that is needed to build and sample them; no path of any machine."""

    version: int = VERSION
    """Of this file."""
    name: str
    """Of the run."""
    weights: tuple[Variant, ...]
    """Variants with weights of their own; the first one's files are named without a variant."""
    dtype: Dtype
    """How weights are stored."""
    tile_px: int
    """Side of tiles, in pixels."""
    um_per_px: float | None
    """Width of a pixel in µm; None where nobody knows."""
    data_set: str | None
    """Name of the training set; None: simulated tissue."""
    fold: str
    """Whose training tiles it was trained on."""
    num_slides: int | None
    """Training slides; None: not recorded."""
    num_patients: int | None
    """Training patients; None: not recorded."""
    denoiser: Denoiser
    """U-Net and condition."""
    sample: Sample
    """How tiles are drawn."""
    student: Student
    """How those of the student are."""
    referee: CarcinoNet
    """The evaluation network."""
    synthesis: Synthesis = field(default_factory=Synthesis)
    """How synthetic slides are made."""
    grader: CarcinoNet | None = None
    """The pixel grader that was trained on real tiles alone; None: there is none."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every other file by its path, and of the rest of this one; none of weights that
    older versions exported."""

    def __post_init__(self) -> None:
        require(len(self.weights) > 0, "weights: none of any variant")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that can be sampled."""
        return tuple(name for name in (*VARIANTS, STUDENT) if weights_of(name) in self.weights)

    def solver_of(self, variant: str) -> Solver:
        """How tiles of a variant are drawn."""
        return self.solvers.get(variant, self.sample.solver)

    @property
    def solvers(self) -> dict[str, Solver]:
        """Of variants that are not drawn by the sampling's."""
        return own_solvers(self.sample.solver, self.student)

    def place_weights(self, part: str, variant: Variant) -> Path:
        """Where in the folder the weights of a variant's `unet` or `condition_encoder` are.

        Named as diffusers' `from_pretrained(..., variant=...)` looks for them.
        """
        stem, suffix = DIFFUSERS_WEIGHTS.rsplit(".", 1)
        end = "" if variant == self.weights[0] else f".{variant}"
        return Path(part, f"{stem}{end}.{suffix}")

    def scheduler_folder(self, variant: Variant) -> str:
        """Which folder holds the scheduler of a variant."""
        is_usual = self.solver_of(variant) == self.solver_of(self.weights[0])
        return "scheduler" if is_usual else f"scheduler-{variant}"


def as_values(facts: Facts) -> Any:
    """Facts as JSON holds them."""
    return TypeAdapter(Facts).dump_python(facts, mode="json")


def sign(values: Any) -> Any:
    """The same with a hash of itself, among those of the other files."""
    return {**values, "files": {**values["files"], NAME: _hash(values)}}


def _is_unchanged(values: Any) -> bool:
    """Whether facts have the hash that they say; those from before they said one may have any."""
    rest = dict(values.get("files", {}))
    said = rest.pop(NAME, None)
    return said is None or said == _hash({**values, "files": rest})


def _hash(values: Any) -> str:
    return hashlib.sha256(as_json_bytes(values)).hexdigest()


def read_facts(folder: Path) -> Facts:
    """Read the `disc.json` of exported weights.

    Raises:
        FileNotFoundError: if there is none.
        BadInput: if it is damaged, or of another version.
    """
    path = folder / NAME
    values = read_json(path, "export the weights again")
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        raise BadInput(f"{path}: version {version}, expected {VERSION}; export the weights again")
    try:
        facts = TypeAdapter(Facts).validate_json(json.dumps(values), extra="forbid")
    except ValidationError as error:
        fault = tell_fault(error.errors()[0])
        raise BadInput(f"{path}: {fault}; export the weights again") from error
    if not _is_unchanged(values):
        raise BadInput(
            f"{path}: not what was exported (another hash than when it was written); export the "
            "weights again, or copy them again"
        )
    return facts
