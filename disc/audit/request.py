"""What `disc audit` is asked to do; light, so that the command line can show it at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from disc.data.readers.source import KindOrAuto
from disc.files import BadInput, require
from disc.settings.grading import PublicEncoder

Part = Literal["asked", "look", "new", "seams"]
AuditEncoder = Literal["embedded", "texture", PublicEncoder]
MANIFOLD = ("precision", "recall-of-real", "density", "coverage")
OF_ENCODERS = ("kid", "frechet", *MANIFOLD)
"""Those whose second word is an encoder."""
FIGURES: Mapping[Part, tuple[str, ...]] = {
    "asked": (
        *("agreement", "recall", "size", "boundary", "confusion", "accuracy"),
        *("train-synthetic", "train-real"),
    ),
    "look": (
        *OF_ENCODERS,
        "probe",
        *("gradient", "spectrum", "coherence", "stain", "tissue", "nuclei"),
        *("stain-mean", "stain-deviation"),
    ),
    "new": ("copies", "power", "false-alarms", "copied-tiles", "copied-patients"),
    "seams": ("seam", "step", "lattice"),
}
"""First words of the names of each part's figures."""
NAMES = tuple(name for names in FIGURES.values() for name in names)
_LIMIT = re.compile(r"([a-z][a-z-]*(?:\.[\w:/+<>%-]+?)?)(>=|<=)([-+]?[\d.]+(?:e-?\d+)?)")


@dataclass(frozen=True)
class Limit:
    """What a figure must be."""

    name: str
    is_least: bool
    value: float

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.name}{'>=' if self.is_least else '<='}{self.value:g}"

    @classmethod
    def parse(cls, text: str) -> Limit:
        """A limit such as agreement>=.5 or kid.texture<=2.

        Raises:
            BadInput: if it is none.
        """
        match = _LIMIT.fullmatch(text.replace(" ", ""))
        try:
            value = float(match[3]) if match else 0.0
        except ValueError:
            match = None
        if match is None or match[1].partition(".")[0] not in NAMES:
            raise BadInput(
                f"--limit '{text}': expected a figure, >= or <=, and a number, as in "
                f"agreement>=.5 or kid.texture<=2; figures: {', '.join(NAMES)}"
            )
        return cls(match[1], match[2] == ">=", value)


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """Which synthetic set is held beside which real one, and where what is found goes."""

    real: Annotated[Path, tyro.conf.Positional]
    """Folder of the real set."""
    synthetic: Annotated[Path, tyro.conf.Positional]
    """Folder of the synthetic set."""
    kinds: Annotated[tuple[KindOrAuto, ...], tyro.conf.arg(name="kind")] = ("auto",)
    """How they are laid out: one word for both, or one for each; `auto`: recognised by their files
    (never `folder`)."""
    images: str = ""
    """folder, lapc: folder of the images in the set."""
    masks: tuple[str, ...] = ()
    """folder, lapc: folder(s) of the masks in the set, or paths with {name}."""
    values: Mapping[int, int] = field(default_factory=dict)
    """folder, lapc: mask value to grade 0 (Non-Cancer), 3, 4, 5, or 255 (unknown)."""
    slides: Path | None = None
    """folder, lapc: CSV of slides, with patients."""
    tile_px: int | None = None
    """Side that the tiles of both sets are read with; None: that of their files."""
    fit: Literal["exact", "resize", "crop"] = "exact"
    """With --tile-px, images of another size: refused; squares resized; central squares resized."""
    um_per_px: float | None = None
    """Width of a pixel of both sets in micrometres, where they do not say; None: as they say."""
    parts: tuple[Part, ...] = ("asked", "look", "new", "seams")
    """Questions to answer: `asked` (masks followed), `look` (real), `new` (copies), `seams`."""
    encoders: tuple[AuditEncoder, ...] = ("embedded", "texture")
    """Encoders of `look`: `embedded` (trained here on the real set), `texture` (fixed filters), or
    public ones (extra `encoders`)."""
    encoder_weights: Path = Path("encoders")
    """Folder of the weight files of public encoders, named after them: `lunit-dino.torch`."""
    segmenter_steps: int = 200
    """Training steps of each of the segmenters that read the tiles."""
    limits: Annotated[tuple[str, ...], tyro.conf.arg(name="limit")] = ()
    """What figures must be, as in agreement>=.5 kid.texture<=2; exit code 1 if one is not."""
    page: Path | None = Path("audit.html")
    """The page; None: no page."""
    table: Path | None = None
    """Table of all figures: a CSV or, by its ending, a parquet; None: none."""
    json: Path | None = None
    """File for everything that was found, for programs; `-`: standard output."""
    seed: int = 0
    """Seed of networks, samples and planted copies."""

    def __post_init__(self) -> None:
        """Check what can be checked before anything is read.

        Raises:
            BadInput: if an option cannot be.
        """
        require(self.segmenter_steps >= 1, "--segmenter-steps must be 1 or more")
        require(bool(self.parts), "--parts has nothing to answer; give asked, look, new or seams")
        require(len(self.kinds) in {1, 2}, "--kind takes one word for both sets, or one for each")
        require(self.tile_px is None or self.tile_px >= 32, "--tile-px must be 32 or more")
        is_width = self.um_per_px is None or 0 < self.um_per_px < math.inf
        require(is_width, f"--um-per-px {self.um_per_px}: must be > 0, and finite")
        for path in (self.json, self.page, self.table):
            if path is not None and path.is_dir():
                raise BadInput(f"{path}: is a folder; name the file to write")
        require(
            self.table is None or self.table.suffix in {".csv", ".parquet"},
            f"--table {self.table}: expected a name that ends in .csv or .parquet",
        )
        for limit in self.parsed_limits:
            first, _, rest = limit.name.partition(".")
            require(
                first not in OF_ENCODERS or rest in self.encoders,
                f"--limit {limit}: {first} is measured in {', '.join(self.encoders)}; name one of "
                f"them ({first}.{self.encoders[0]}), or another encoder with --encoders",
            )
            (part,) = (part for part, names in FIGURES.items() if first in names)
            require(
                part in self.parts,
                f"--limit {limit}: {first} is a figure of {part}, which --parts leaves out; name "
                f"{part} there, too",
            )

    @property
    def parsed_limits(self) -> tuple[Limit, ...]:
        """The limits.

        Raises:
            BadInput: if one cannot be understood.
        """
        return tuple(Limit.parse(text) for text in self.limits)
