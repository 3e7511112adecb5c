"""The weights of a run, as its stages left them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet, PixelNet
from disc.pipeline.config_file import read_config
from disc.pipeline.configurations import Configuration
from disc.pipeline.context import Context
from disc.pipeline.stages.pixel_graders import grader_path, load_pixel_grader
from disc.pipeline.stages.referee import REFEREE, load_referee
from disc.pipeline.stages.synthesis import list_training
from disc.pipeline.weights.facts import NAME as FACTS
from disc.pipeline.weights.source import Beside, Part
from disc.processes import own_device
from disc.records.markers import check_files
from disc.sample.sampler import Sampler
from disc.sample.synthesis import ShapeBook
from disc.settings.sampling import Solver
from disc.settings.synthesis import Synthesis, Variant, weights_of


@dataclass(frozen=True)
class TrainedWeights:
    """The weights of a run."""

    context: Context

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.context.folder

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that are trained by now."""
        found = {path.parent.name for path in self.folder.glob("denoiser/*/denoiser.json")}
        return tuple(name for name in self.context.run.variants if weights_of(name) in found)

    @property
    def tile_px(self) -> int:
        """Side of tiles, in pixels."""
        return self.context.run.data.tile_px

    @property
    def um_per_px(self) -> float | None:
        """Width of a pixel in µm; None where nobody knows."""
        return self.context.um_per_px

    @property
    def is_simulated(self) -> bool:
        """Whether the run's data set is the phantom."""
        return self.context.is_simulated

    @cached_property
    def book(self) -> ShapeBook:
        """Shape maps of the training tiles.

        Raises:
            BadInput: if a file that the run's stage `data` left is not what it was.
        """
        check_files(self.folder / "data")
        return self.context.book

    @property
    def known(self) -> Collection[int]:
        """Labels of the training masks."""
        return self.context.latents.known()

    @property
    def lacking(self) -> Mapping[Beside, str]:
        """What the run has not made yet, or lost."""
        found: dict[Beside, str] = {}
        if not (self.folder / "referee" / REFEREE).is_file():
            found["referee"] = "this run has no trained referee yet; disc run trains it"
        if not (self.context.root / "images").is_dir():
            why = f"the run's data set is no longer at {self.context.root.name}"
            found |= {"tiles": why, "shapes": why}
        elif not (self.folder / "latents" / "latents.json").is_file():
            found["shapes"] = "this run has no latents of its training tiles; disc run makes them"
        return found

    def tiles(self, part: Part) -> TileSet:
        """Real tiles of the run's fold.

        Raises:
            BadInput: if the data set is gone.
        """
        if (why := self.lacking.get("tiles")) is not None:
            raise BadInput(f"{self.folder}: {why}; bring it back")
        split = self.context.split
        return split.train if part == "train" else split.test

    @property
    def slides(self) -> list[Slide]:
        """Training slides and their grades."""
        return list(self.context.split.train.slides.values())

    @property
    def synthesis(self) -> Synthesis:
        """How synthetic slides are made, as the run is configured."""
        return self.context.run.synthesis

    @property
    def origin(self) -> dict[str, str]:
        """Which slides the generator was trained on, as manifests say it."""
        return list_training(self.context)

    def solver_of(self, variant: Variant) -> Solver:
        """How tiles of a variant are drawn, as the run is configured."""
        return self.context.run.solver_of(variant)

    def sampler(self, variant: Variant) -> Sampler:
        """A sampler of one variant, with its own weights alone read."""
        return self.context.sampler(variant)

    def referee(self) -> CarcinoNet:
        """The run's referee."""
        return load_referee(self.context)

    def pixel_grader(self) -> PixelNet:
        """The pixel grader that the run trained on real tiles alone.

        Raises:
            BadInput: if it trained none.
        """
        if not self.has_grader:
            raise BadInput(f"{self.folder}: no trained pixel grader in it; run disc run on it")
        return load_pixel_grader(self.context, Configuration()).to(own_device()).eval()

    @property
    def has_grader(self) -> bool:
        """Whether the run has trained a pixel grader on real tiles alone."""
        return grader_path(self.context, Configuration()).is_file()


def open_run(folder: Path) -> TrainedWeights:
    """The weights of the run in a folder.

    Raises:
        FileNotFoundError: if there is no run.
        BadInput: if its configuration cannot be read, it has no trained denoiser, or these are
            exported weights.
    """
    if (folder / FACTS).is_file():
        raise BadInput(f"{folder}: exported weights; give the folder of the run that they are of")
    if not (folder / "config.json").is_file():
        found = "no config.json in it" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"{folder}: {found}; give the folder of a run (make demo leaves runs/demo)"
        )
    weights = TrainedWeights(Context(read_config(folder / "config.json"), folder))
    if not weights.variants:
        raise BadInput(f"{folder}: no trained denoiser in it; run disc run on it first")
    return weights
