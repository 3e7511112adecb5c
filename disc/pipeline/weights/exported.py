"""Weights that were exported to a folder."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.model.autoencoder import Autoencoder
from disc.model.denoiser import Denoiser
from disc.model.store import load_weights
from disc.pipeline.weights.facts import REFEREE, SHAPES, Facts, read_facts
from disc.pipeline.weights.source import Beside, Part
from disc.processes import own_device
from disc.sample.sampler import Sampler
from disc.sample.synthesis import ShapeBook
from disc.settings.sampling import Solver
from disc.settings.synthesis import STUDENT, Variant, weights_of


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
        """Shape maps of the training masks.

        Raises:
            BadInput: if they were left out.
        """
        shapes = self._shapes["shapes"]
        return ShapeBook([shapes[i] for i in self._shapes["tiles"]], [])

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

    def solver_of(self, variant: Variant) -> Solver:
        """How tiles of a variant are drawn, as the run was configured."""
        return self.facts.solver_of(variant)

    def sampler(self, variant: Variant) -> Sampler:
        """A sampler of one variant, with its own weights alone read."""
        name = weights_of(variant)
        solvers = {STUDENT: self.facts.student.solver}
        return Sampler(
            self._autoencoder, {name: self._load_denoiser(name)}, self.facts.sample, solvers
        )

    def referee(self) -> CarcinoNet:
        """The run's referee."""
        referee = CarcinoNet(self.facts.referee)
        load_weights(self.folder / REFEREE, referee)
        return referee.to(own_device()).eval()

    def _load_denoiser(self, name: Variant) -> Denoiser:
        denoiser = Denoiser(self.facts.denoiser)
        for part, module in (("unet", denoiser.unet), ("condition_encoder", denoiser.encode)):
            load_weights(self.folder / self.facts.place_weights(part, name), module)
        return denoiser.to(own_device()).eval()

    @cached_property
    def _autoencoder(self) -> Autoencoder:
        return Autoencoder.load(self.folder / "vqvae").to(own_device())

    @cached_property
    def _shapes(self) -> dict[str, npt.NDArray[np.uint8]]:
        path = self.folder / SHAPES
        if not path.is_file():
            raise BadInput(
                f"{self.folder}: exported without shapes of training masks, so that no recipe can "
                "be drawn; draw it with the run itself, or export that with --shapes"
            )
        try:
            with np.load(path, allow_pickle=False) as found:
                return {name: found[name] for name in ("shapes", "tiles", "known")}
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(f"{path}: damaged ({error}); export the weights again") from error


def open_exported(folder: Path) -> ExportedWeights:
    """The exported weights in a folder.

    Raises:
        FileNotFoundError: if there are none.
        BadInput: if what they say of themselves is damaged.
    """
    return ExportedWeights(folder, read_facts(folder))
