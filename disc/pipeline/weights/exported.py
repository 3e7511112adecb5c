"""Weights that were exported to a folder."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.data.tiles.names import join_ids
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet, PixelNet, blank_carcino
from disc.model.autoencoder import Autoencoder
from disc.model.denoiser import Denoiser
from disc.model.store import DIFFUSERS_WEIGHTS, load_weights
from disc.pipeline.weights.facts import GRADER, REFEREE, SHAPES, Facts, read_facts
from disc.pipeline.weights.source import Beside, Part
from disc.processes import own_device
from disc.sample.sampler import Sampler
from disc.sample.synthesis import ShapeBook
from disc.settings.sampling import Solver
from disc.settings.synthesis import Synthesis, Variant, weights_of
from disc.slides.judging.calibration import FAMILIAR, RECORD, Calibration, load_calibration

_ARRAYS = ("shapes", "tiles", "known", "names", "of_slides", "slides", "scores")


@dataclass(frozen=True)
class ExportedWeights:
    """What `disc export` wrote; loaded as float32, however it is stored."""

    folder: Path
    facts: Facts

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that were exported."""
        return self.facts.variants

    @property
    def tile_px(self) -> int:
        """Side of tiles, in pixels."""
        return self.facts.tile_px

    @property
    def um_per_px(self) -> float | None:
        """Width of a pixel in µm; None where nobody knows."""
        return self.facts.um_per_px

    @property
    def is_simulated(self) -> bool:
        """Whether they were trained on the phantom."""
        return self.facts.data_set is None

    @cached_property
    def book(self) -> ShapeBook:
        """Shape maps of the training masks, and the names of tiles and slides.

        Raises:
            BadInput: if they were left out.
        """
        shapes = self._shapes["shapes"]
        named = zip(self._shapes["names"].tolist(), self._shapes["of_slides"].tolist(), strict=True)
        tiles = [
            Tile(name=name, slide_id=slide, image=self.folder, mask=None, x=0, y=0)
            for name, slide in named
        ]
        return ShapeBook([shapes[i] for i in self._shapes["tiles"]], tiles)

    @property
    def known(self) -> Collection[int]:
        """Labels of the training masks."""
        known: list[int] = self._shapes["known"].tolist()
        return known

    @property
    def lacking(self) -> Mapping[Beside, str]:
        """Real tiles, which are never exported, and what else was left out."""
        found: dict[Beside, str] = {
            "tiles": "exported weights come without real tiles; open the run itself"
        }
        if not (self.folder / REFEREE).is_file():
            found["referee"] = "these weights were exported without a referee"
        if not (self.folder / SHAPES).is_file():
            found["shapes"] = "these weights were exported without shapes of training masks"
        return found

    def tiles(self, part: Part) -> TileSet:
        """There are none.

        Raises:
            BadInput: always.
        """
        raise BadInput(f"{self.folder}: {self.lacking['tiles']} for {part} tiles")

    @cached_property
    def slides(self) -> list[Slide]:
        """Training slides and their grades; to a patient of its own each, since none is named."""
        found = zip(self._shapes["slides"].tolist(), self._shapes["scores"].tolist(), strict=True)
        grades = [(name, [None if g < 0 else g for g in score]) for name, score in found]
        return [
            Slide(slide_id=name, patient_id=name, primary=primary, secondary=secondary)
            for name, (primary, secondary) in grades
        ]

    @property
    def synthesis(self) -> Synthesis:
        """How synthetic slides are made, as the run was configured."""
        return self.facts.synthesis

    @property
    def origin(self) -> dict[str, str]:
        """Which slides the generator was trained on, as manifests say it."""
        names = sorted(slide.slide_id for slide in self.slides)
        return {"training_slides": join_ids(names), "fold": self.facts.fold}

    def solver_of(self, variant: Variant) -> Solver:
        """How tiles of a variant are drawn, as the run was configured."""
        return self.facts.solver_of(variant)

    def sampler(self, variant: Variant) -> Sampler:
        """A sampler of one variant, with its own weights alone read."""
        name = weights_of(variant)
        denoisers = {name: self._load_denoiser(name)}
        return Sampler(self._autoencoder, denoisers, self.facts.sample, self.facts.solvers)

    def referee(self) -> CarcinoNet:
        """The run's referee."""
        referee = CarcinoNet(self.facts.referee)
        load_weights(self._find(REFEREE), referee)
        return referee.to(own_device()).eval()

    def pixel_grader(self) -> PixelNet:
        """The run's pixel grader, trained on real tiles alone.

        Raises:
            BadInput: if the run had none when it was exported.
        """
        if self.facts.grader is None:
            raise BadInput(f"{self.folder}: exported without a pixel grader")
        grader = blank_carcino(self.facts.grader)
        load_weights(self._find(GRADER), grader)
        return grader.to(own_device()).eval()

    def calibration(self) -> Calibration:
        """What validation slides told of the pixel grader.

        Raises:
            BadInput: if they could not be asked when it was exported.
        """
        names = [GRADER.parent / name for name in (RECORD, FAMILIAR)]
        if not all((self.folder / name).is_file() for name in names):
            raise BadInput(
                f"{self.folder}: exported without a calibrated pixel grader, so that no slide can "
                "be graded with it; give the run itself, or export it again"
            )
        for name in names:
            self._find(name)
        return load_calibration(self.folder / GRADER.parent)

    def _load_denoiser(self, name: Variant) -> Denoiser:
        denoiser = Denoiser(self.facts.denoiser)
        for part, module in (("unet", denoiser.unet), ("condition_encoder", denoiser.encode)):
            load_weights(self._find(self.facts.place_weights(part, name)), module)
        return denoiser.to(own_device()).eval()

    @cached_property
    def _autoencoder(self) -> Autoencoder:
        for name in ("config.json", DIFFUSERS_WEIGHTS):
            self._find(Path("vqvae", name))
        return Autoencoder.load(self.folder / "vqvae").to(own_device())

    @cached_property
    def _shapes(self) -> dict[str, npt.NDArray[Any]]:
        path = self.folder / SHAPES
        if not path.is_file():
            raise BadInput(
                f"{self.folder}: exported without shapes of training masks, so that no recipe can "
                "be drawn; draw it with the run itself, or export that with --shapes"
            )
        self._find(Path(SHAPES))
        try:
            with np.load(path, allow_pickle=False) as found:
                return {name: found[name] for name in _ARRAYS}
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(f"{path}: damaged ({error}); export the weights again") from error

    def _find(self, name: Path) -> Path:
        """A file's path, once its content is known to be what was exported."""
        path, expected = self.folder / name, self.facts.files.get(name.as_posix())
        if expected is not None and path.is_file() and hash_file(path) != expected:
            raise BadInput(
                f"{path}: not what was exported (its SHA-256 is not that of disc.json); export the "
                "weights again, or copy them again"
            )
        return path


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_exported(folder: Path) -> ExportedWeights:
    """The exported weights in a folder.

    Raises:
        FileNotFoundError: if there are none.
        BadInput: if what they say of themselves is damaged.
    """
    return ExportedWeights(folder, read_facts(folder))
