"""The graders of a run or of exported weights, opened in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from disc.data.readers.sicapv2 import read_split
from disc.files import BadInput
from disc.grade.carcino import PixelNet, blank_carcino
from disc.grade.encoder import CrossEncoder, list_weights
from disc.grade.encoders.frozen import FrozenEncoder
from disc.grade.encoders.table import PUBLIC, require_weights
from disc.grade.encoders.weights import load_encoder
from disc.grade.mil.bag_grader import BagGrader
from disc.labels import NUM_LABELS
from disc.model.store import load_weights
from disc.pipeline.configurations import ENCODER, FEATURES
from disc.pipeline.context import Context
from disc.pipeline.stages.pixel_graders import FOLDER as PIXELS
from disc.pipeline.stages.pixel_graders import WEIGHTS
from disc.pipeline.weights.exported import ExportedWeights
from disc.pipeline.weights.facts import GRADER
from disc.pipeline.weights.heads import find_seeds, hash_files, hash_weights, list_heads
from disc.pipeline.weights.source import Weights
from disc.pipeline.weights.trained import TrainedWeights
from disc.processes import own_device
from disc.records.markers import check_files
from disc.slides.graders import Examples, Graders
from disc.slides.grading import Grading
from disc.slides.judging.calibrate import calibrate
from disc.slides.judging.calibration import Calibration

BESIDE = "or start disc grade in the folder in which disc run was started, if the path is relative"
"""What else helps where the weights of a run's encoder are not found."""


def open_grading(
    weights: Weights, name: str = "real", *, has_slide_graders: bool = True
) -> Grading:
    """The graders of a configuration, with all of their seeds, and what calibrates them.

    Args:
        weights: of a run, or exported ones, which have one grader.
        name: folder in graders/pixels.
        has_slide_graders: whether slide graders are opened too, where there are some.

    Raises:
        BadInput: if there are none, they do not tell all grades apart, or nothing is there to
            calibrate them.
    """
    if isinstance(weights, TrainedWeights):
        graders = _open_graders(weights.context, name, has_slide_graders=has_slide_graders)
        return Grading(graders, read_examples(weights.context))
    assert isinstance(weights, ExportedWeights)
    if name != "real":
        raise BadInput(f"{weights.folder}: no pixel grader '{name}' in it; it has real")
    known, um_per_px = weights.calibration(), weights.um_per_px
    assert um_per_px is not None  # without it, nothing was calibrated
    graders = Graders(
        folder=weights.folder,
        name=name,
        tile_px=weights.tile_px,
        um_per_px=um_per_px,
        pixel=(weights.pixel_grader(),),
        encoder=None,
        slide=(),
        hashes={GRADER.as_posix(): hash_weights(weights.folder / GRADER)},
        is_simulated=weights.is_simulated,
    )
    return Grading(graders, known)


def calibrate_alone(weights: TrainedWeights, net: PixelNet) -> Calibration:
    """What the run's validation slides tell of its pixel grader without the others.

    Args:
        weights: of the run.
        net: its pixel grader, as it is stored.

    Raises:
        BadInput: if nothing is there to calibrate on, or no slide could be graded with it.
    """
    context = weights.context
    graders = Graders(
        folder=context.folder,
        name="real",
        tile_px=weights.tile_px,
        um_per_px=_find_scale(context),
        pixel=(net,),
        encoder=None,
        slide=(),
        hashes={},
        is_simulated=weights.is_simulated,
    )
    return calibrate(graders, read_examples(context))


def _open_graders(context: Context, name: str, *, has_slide_graders: bool) -> Graders:
    places = find_seeds(context.folder / PIXELS, name, WEIGHTS)
    if not places:
        known = sorted(path.parent.name for path in (context.folder / PIXELS).glob(f"*/{WEIGHTS}"))
        advice = f"it has {', '.join(known)}" if known else "run disc run on it until graders"
        raise BadInput(f"{context.folder}: no pixel grader '{name}' in it; {advice}")
    by_slide = _open_slide_graders(context, name) if has_slide_graders else _SlideGraders()
    folder = context.folder / FEATURES
    files = [*places, *by_slide.files, *list_weights(folder)]
    return Graders(
        folder=context.folder,
        name=name,
        tile_px=context.run.data.tile_px,
        um_per_px=_find_scale(context),
        pixel=tuple(_load_pixel(context, path) for path in places),
        encoder=by_slide.embedded,
        public=by_slide.public,
        slide=by_slide.nets,
        hashes={**hash_files(context.folder, files), **by_slide.public_hash},
        is_simulated=context.is_simulated,
    )


@dataclass(frozen=True)
class _SlideGraders:
    """Slide graders, if there are any, with the encoder whose features they read."""

    files: tuple[Path, ...] = ()
    nets: tuple[BagGrader, ...] = ()
    embedded: CrossEncoder | None = None
    public: FrozenEncoder | None = None
    public_hash: Mapping[str, str] = field(default_factory=dict)


def _open_slide_graders(context: Context, name: str) -> _SlideGraders:
    """Those on the embedded encoder, or else on the run's first public one.

    Raises:
        BadInput: if that one's weights are not there.
    """
    folder, grade = context.folder / FEATURES, context.run.grade
    if (folder / "halves.json").is_file():
        embedded = CrossEncoder.load(folder, grade.carcino)
        heads = list_heads(context, name, ENCODER)
        return _SlideGraders(heads.files, heads.load(), embedded=embedded)
    for encoder in grade.encoders:
        heads = list_heads(context, name, encoder)
        if encoder in PUBLIC and heads.files:
            path = require_weights(grade.encoder_weights, encoder, BESIDE)
            network = load_encoder(path, encoder).to(own_device())
            return _SlideGraders(
                heads.files,
                heads.load(),
                public=FrozenEncoder(network),
                public_hash={encoder: hash_weights(path)},
            )
    return _SlideGraders()


def _find_scale(context: Context) -> float:
    """Width of a pixel of the tiles, of a run whose graders can grade slides."""
    if context.um_per_px is None:
        raise BadInput(
            f"{context.root}: nothing says how wide pixels of its tiles are, so no slide can be "
            "read at their scale; write um_per_px into its set.json"
        )
    if context.run.grade.carcino.classes != NUM_LABELS:
        raise BadInput(
            f"{context.folder}: its graders tell GG4 from GG5 nowhere (grade.carcino.classes 3), "
            "and a score needs both; give a run of 4 classes"
        )
    return context.um_per_px


def read_examples(context: Context) -> Examples:
    """Tiles to know what is familiar, and those of other slides to calibrate on."""
    check_files(context.folder / "data")
    try:
        split = read_split(context.root, context.run.data.fold, context.read(context.root))
        train, val = context.training_set, split.val
    except FileNotFoundError as error:
        raise BadInput(
            f"{context.folder}: the tiles that its graders were trained on are gone ({error}); "
            "bring them back: maps are calibrated on the validation slides among them"
        ) from error
    if not len(val):
        raise BadInput(
            f"{context.root}: no validation tiles in fold {context.run.data.fold}; maps are "
            "calibrated on them, so give a run whose partition has some"
        )
    return Examples(train=train, val=val)


def _load_pixel(context: Context, path: Path) -> PixelNet:
    net = blank_carcino(context.run.grade.carcino)
    load_weights(path, net)
    return net.to(own_device()).eval()
