"""What the stages of a run share: its configuration, its folder, and what earlier stages made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.files import BadInput, read_json
from disc.processes import own_device
from disc.settings.data import Fold
from disc.settings.run import Run
from disc.settings.synthesis import Variant, weights_of

if TYPE_CHECKING:
    from disc.data.tiles.split import Split
    from disc.data.tiles.tile_set import TileSet
    from disc.model.autoencoder import Autoencoder
    from disc.model.denoiser import Denoiser
    from disc.sample.sampler import Sampler
    from disc.sample.synthesis import ShapeBook, SlideRecipe
    from disc.train.latents.latent_set import LatentSet

FOLDS: tuple[Fold, ...] = ("Val1", "Val2")
"""The two folds of the paper."""
QUALITY = "quality.parquet"
"""Beside mask agreement: kernel distances, textures, standard deviation of the same tiles."""


@dataclass
class Context:
    """A run, and lazy access to the results of its stages.

    What reads them is loaded when it is asked for: the stages of a run are listed without torch.

    Attributes:
        run: the configuration.
        folder: the run's folder.
    """

    run: Run
    folder: Path

    @property
    def is_simulated(self) -> bool:
        """Whether the phantom stands in for real tiles."""
        return self.run.data.root is None

    @property
    def root(self) -> Path:
        """The data set in use."""
        return self.run.data.root or self.folder / "data" / "training"

    @property
    def external_root(self) -> Path | None:
        """The out-of-distribution test set, if there is one."""
        if self.run.data.external_root is not None:
            return self.run.data.external_root
        return self.folder / "data" / "shifted" if self.is_simulated else None

    def read(self, root: Path, masks: str = "masks") -> TileSet:
        """All tiles of a set in the SICAPv2 layout."""
        data = self.run.data
        source = Source(
            root=root, kind="sicapv2", tile_px=data.tile_px, fit=data.fit, masks=(masks,)
        )
        return read_source(source)

    def read_external(self, root: Path, masks: str = "masks") -> TileSet:
        """All tiles of the out-of-distribution test set, whatever its layout.

        Raises:
            BadInput: if it is a set of slides, from which no tiles were cut.
        """
        data = self.run.data
        source = Source(
            root=root,
            kind=data.external_kind,
            tile_px=data.tile_px,
            fit=data.fit,
            values=data.external_values,
            um_per_px=data.external_um_per_px,
            to_um_per_px=data.external_um_per_px and self._training_scale(),
        )
        # Simulated sets alone have a second folder of masks.
        tiles = read_source(replace(source, masks=() if masks == "masks" else (masks,)))
        if not len(tiles):
            raise BadInput(f"{root}: slides without tiles; cut them with disc tile, and give those")
        return tiles

    @cached_property
    def um_per_px(self) -> float | None:
        """Width of a pixel of training tiles in micrometres; None where nobody knows."""
        from disc.data.readers.set_scale import read_scale

        data = self.run.data
        if self.is_simulated:
            return data.um_per_px
        return read_scale(self.root, data.tile_px, data.fit) if self.root.exists() else None

    def _training_scale(self) -> float:
        """The same, where something depends on it."""
        if self.um_per_px is None:
            raise BadInput(
                f"{self.root}: nothing says how wide pixels of its tiles are, so data."
                "external_um_per_px has nothing to go by; write um_per_px into its set.json"
            )
        return self.um_per_px

    @cached_property
    def split(self) -> Split:
        """Training, validation and test tiles of the fold."""
        return self._read_split(self.run.data.fold)

    def _read_split(self, fold: Fold, masks: str = "masks") -> Split:
        from disc.data.readers.sicapv2 import read_split

        return read_split(self.root, fold, self.read(self.root, masks))

    @cached_property
    def training_set(self) -> TileSet:
        """Tiles that graders learn from: never validation tiles, whatever the generator saw."""
        if not self.split.val_is_seen:
            return self.split.train
        return self._read_split("Val1").train

    @cached_property
    def judged(self) -> TileSet:
        """Tiles that no generator saw, with the best masks there are: exact ones, or drawn ones."""
        masks = "masks_exact" if self.is_simulated else "masks"
        return self._read_split(self.run.data.fold, masks).test

    @cached_property
    def latents(self) -> LatentSet:
        """Latents of the training tiles, with the tiles' names and the labels of their slides."""
        from disc.train.latents.latent_set import label_slides, read_latents

        tiles = self.split.train
        latents = read_latents(self.folder / "latents", label_slides(tiles))
        return replace(latents, names=tuple(tile.name for tile in tiles.tiles))

    @cached_property
    def autoencoder(self) -> Autoencoder:
        """The autoencoder, with its measured scale."""
        from disc.model.autoencoder import Autoencoder

        return Autoencoder.load(self.folder / "latents" / "autoencoder").to(own_device())

    @cached_property
    def book(self) -> ShapeBook:
        """Shape maps of the training tiles: mapped, where the stage `data` wrote them."""
        from disc.sample.shape_store import INDEX, read_shapes
        from disc.sample.synthesis import collect_shapes

        folder, tiles = self.folder / "data" / "shapes", self.split.train
        if (folder / INDEX).exists():
            return read_shapes(folder, tiles, read_json(folder / INDEX))
        return collect_shapes(tiles)

    @cached_property
    def recipes(self) -> list[SlideRecipe]:
        """The run's synthetic slides before they are generated."""
        from disc.sample.synthesis import plan_slides

        slides = list(self.split.train.slides.values())
        return plan_slides(slides, self.book, self.latents.known(), self.run.synthesis)

    def denoiser(self, variant: Variant) -> Denoiser:
        """A trained denoiser."""
        from disc.model.denoiser import Denoiser

        folder = self.folder / "denoiser" / variant
        return Denoiser.load(folder, self.run.denoiser).to(own_device())

    def sampler(self, *variants: Variant) -> Sampler:
        """A sampler for some variants."""
        from disc.sample.sampler import Sampler

        wanted = {weights_of(variant) for variant in variants}
        denoisers: dict[Variant, Denoiser] = {
            name: self.denoiser(name) for name in self.run.variants if name in wanted
        }
        return Sampler(self.autoencoder, denoisers, self.run.sample, self.run.solvers)
