"""Settings of the graders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disc.settings.checks import require, require_distinct, require_least
from disc.settings.synthesis import Variant
from disc.settings.training import Optim

Head = Literal["sigmoids", "ordinal"]
PublicEncoder = Literal[
    "resnet50-imagenet",
    "lunit-mocov2",
    "lunit-dino",
    "uni",
    "uni2-h",
    "virchow2",
    "h-optimus-0",
    "gigapath",
]
EncoderName = Literal["carcino", PublicEncoder, "files"]
GIVEN: Literal["files"] = "files"
"""Encoder whose features another program wrote."""
SlideGrader = Literal["transmil", "nystrom", "nystrom-0.0.9", "abmil", "mean", "mixed-supervision"]


@dataclass(frozen=True, kw_only=True)
class CarcinoNet:
    """Carcino-Net: architecture of the pixel-level grader, the referee and the embedded encoder."""

    width: int = 16
    """Feature channels at full resolution."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks of the encoder per resolution, finest first."""
    architecture: Literal["own", "public"] = "own"
    """`own`: of `width` and `blocks`; `public`: as in the public implementation, with a ResNet-50
    and 311 M weights."""
    encoder_weights: Path | None = None
    """Of a ResNet-50 as torchvision names them, to start a `public` one from; None: random."""
    classes: Literal[4, 3] = 4
    """4: Non-Cancer, GG3, GG4, GG5; 3 (as on LAPC): Non-Cancer, GG3, and GG4 with GG5."""
    validate_every: int = 100
    """Steps between validations, where `patience` asks for any."""
    patience: int = 0
    """Validations in a row without a better one after which training ends, with the best weights;
    0: no validation, all steps."""
    optim: Optim = field(default_factory=lambda: Optim(steps=200, lr=1e-3, decay="cosine"))
    """Training of the network."""

    def __post_init__(self) -> None:
        is_public = self.architecture == "public"
        require(
            is_public or self.encoder_weights is None,
            "carcino.encoder_weights are a ResNet-50's; set carcino.architecture public too",
        )
        require_least("carcino", 1, width=self.width, blocks=self.blocks)
        require(self.validate_every >= 1, "carcino.validate_every must be >= 1")
        require(self.patience >= 0, "carcino.patience must be >= 0")


@dataclass(frozen=True, kw_only=True)
class TransMIL:
    """TransMIL, and every other slide-level grader: sizes, outputs, training."""

    width: int = 64
    """Channels of a token."""
    heads: int = 4
    """Attention heads."""
    dropout: float = 0.1
    """Dropout rate after attention, in [0, 1)."""
    head: Head = "sigmoids"
    """Outputs: the paper's four `sigmoids`, or beside them the two grades in their order,
    `ordinal`, from which ISUP groups and their kappa follow."""
    optim: Optim = field(
        default_factory=lambda: Optim(
            steps=120, batch=8, lr=5e-4, weight_decay=1e-4, decay="cosine", warmup=10
        )
    )
    """Training of the grader; `batch` counts bags, the tiles of one slide each."""

    def __post_init__(self) -> None:
        require_least("transmil", 1, width=self.width, heads=self.heads)
        require(0 <= self.dropout < 1, "transmil.dropout must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Graders, trained on real tiles and on real + synthetic tiles."""

    carcino: CarcinoNet = CarcinoNet()
    """Pixel-level grader and embedded encoder."""
    transmil: TransMIL = TransMIL()
    """Sizes and training of slide-level graders."""
    encoders: tuple[EncoderName, ...] = ("carcino",)
    """Encoders of tiles for slide-level graders: the embedded one, `carcino`, trained on the run's
    own masks; public ones by name; or `files`, features that other programs wrote."""
    encoder_weights: Path = Path("encoders")
    """Folder of the weight files of public encoders, named after them: `lunit-dino.torch`."""
    download: bool = False
    """Fetch weight files that are missing, under the licence that is shown."""
    feature_files: Path | None = None
    """Folder of features for the encoder `files`: `<slide>.h5` of CLAM or TRIDENT, in subfolders
    `real`, `shifted` and one for each variant."""
    slide_graders: tuple[SlideGrader, ...] = ("transmil",)
    """Slide-level graders: TransMIL with exact attention, `transmil`, or with that of its official
    code, `nystrom` and `nystrom-0.0.9`; attention pooling, `abmil`; the `mean`; and
    `mixed-supervision`."""
    balance_weights: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Balance weights of the slide-level grader: weight of the synthetic loss (lambda of Eq. 4),
    each in (0, 1); 0, real tiles only, is always run."""
    pixel_balance_weight: float = 0.3
    """Balance weight of the pixel-level grader, in (0, 1)."""
    pixel_variants: tuple[Variant, ...] | None = None
    """Variants that pixel-level graders are trained with; None: all of `synthesis.variants`."""
    seeds: int = 2
    """Number of seeds with which each grader is trained."""

    def __post_init__(self) -> None:
        require_least("grade", 1, seeds=self.seeds)
        width, heads = self.transmil.width, self.transmil.heads
        has_heads = bool({"transmil", "nystrom", "nystrom-0.0.9"} & set(self.slide_graders))
        divides = not has_heads or width % heads == 0
        require(divides, f"transmil.width {width}: no multiple of transmil.heads {heads}")
        require_distinct("grade.balance_weights", self.balance_weights)
        require_distinct("grade.pixel_variants", self.pixel_variants or ())
        weights = (*self.balance_weights, self.pixel_balance_weight)
        require(
            all(0 < w < 1 for w in weights),
            "grade.balance_weights and pixel_balance_weight must be in (0, 1)",
        )
        for name, chosen in (("encoders", self.encoders), ("slide_graders", self.slide_graders)):
            is_set = bool(chosen) and len(set(chosen)) == len(chosen)
            require(is_set, f"grade.{name}: name at least one, and none twice")
        require(
            (GIVEN in self.encoders) == (self.feature_files is not None),
            "grade.encoders files and grade.feature_files need each other",
        )
        reads_pixels = "mixed-supervision" in self.slide_graders
        require(
            not reads_pixels or GIVEN not in self.encoders,
            "grade.slide_graders mixed-supervision cuts superpixels from pixels: not with "
            "grade.encoders files",
        )
