"""What the public door needs of trained weights, wherever they lie."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet, PixelNet
from disc.sample.sampler import Sampler
from disc.sample.synthesis import ShapeBook
from disc.settings.sampling import Solver
from disc.settings.synthesis import Synthesis, Variant

Beside = Literal["referee", "shapes", "tiles"]
"""What may lie beside a generator: its referee, shapes of training masks, and real tiles."""
Part = Literal["train", "test"]
"""Real tiles that it was trained on, or those of other patients."""


class Weights(Protocol):
    """Trained networks, and what is known of them; each is read when it is asked for."""

    @property
    def folder(self) -> Path:
        """Where they lie."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that can be sampled."""

    @property
    def tile_px(self) -> int:
        """Side of tiles, in pixels."""

    @property
    def um_per_px(self) -> float | None:
        """Width of a pixel in µm; None where nobody knows."""

    @property
    def is_simulated(self) -> bool:
        """Whether they have seen simulated tissue alone."""

    @property
    def book(self) -> ShapeBook:
        """Shape maps of the training masks."""

    @property
    def known(self) -> Collection[int]:
        """Labels of the training masks."""

    @property
    def lacking(self) -> Mapping[Beside, str]:
        """What does not lie beside the generator, and a sentence that says why."""

    def tiles(self, part: Part) -> TileSet:
        """Real tiles.

        Raises:
            BadInput: if there are none.
        """

    @property
    def slides(self) -> Sequence[Slide]:
        """Training slides and their grades."""

    @property
    def synthesis(self) -> Synthesis:
        """How synthetic slides are made, and how many, unless something else is asked for."""

    @property
    def origin(self) -> dict[str, str]:
        """Which slides the generator was trained on, as manifests say it."""

    def solver_of(self, variant: Variant) -> Solver:
        """How tiles of a variant are drawn unless something else is asked for."""

    def sampler(self, variant: Variant) -> Sampler:
        """A sampler of one variant, with its own weights alone read."""

    def referee(self) -> CarcinoNet:
        """The independent evaluation network."""

    def pixel_grader(self) -> PixelNet:
        """The pixel grader that was trained on real tiles alone.

        Raises:
            BadInput: if there is none.
        """


def find_variant(weights: Weights, name: str) -> Variant:
    """The variant of a name.

    Raises:
        BadInput: if the weights have none of that name.
    """
    for variant in weights.variants:
        if variant == name:
            return variant
    known = ", ".join(weights.variants)
    raise BadInput(f"{weights.folder}: no variant '{name}' in it; it has {known}")
