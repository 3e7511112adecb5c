"""A run's slide graders on an encoder: which there are, and their networks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from disc.files import MAX_WEIGHTS, BadInput, digest, read_bytes
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.build import build_grader
from disc.model.store import load_weights, open_tensors, read_shapes
from disc.pipeline.context import Context
from disc.pipeline.stages.slide_graders import folder_of
from disc.processes import own_device
from disc.settings.grading import EncoderName, SlideGrader, TransMIL
from disc.settings.run import Run

SLIDES = "graders/slides"


@dataclass(frozen=True)
class Heads:
    """Slide graders of one kind and configuration.

    Attributes:
        kind: of grader.
        settings: of their networks.
        files: of their weights, one a seed.
    """

    kind: SlideGrader
    settings: TransMIL
    files: tuple[Path, ...]

    def load(self) -> tuple[BagGrader, ...]:
        """Their networks.

        Raises:
            BadInput: if weights are damaged or of another network.
        """
        return tuple(self._load(path) for path in self.files)

    def _load(self, path: Path) -> BagGrader:
        # of a file without it, `load_weights` says so
        num_features, *_ = read_shapes(open_tensors(path)).get("mean", (1,))
        net = build_grader(self.kind, self.settings, num_features)
        load_weights(path, net)
        return net.to(own_device()).eval()


def list_heads(context: Context, name: str, encoder: EncoderName) -> Heads:
    """The slide graders of a configuration, such as `real`, on an encoder; there may be none.

    TransMIL where the run has it, else its first grader that reads tiles, not superpixels.
    """
    kinds = _list_kinds(context.run)
    kind = kinds[0] if kinds and "transmil" not in kinds else "transmil"
    folder = context.folder / SLIDES / folder_of(kind, encoder)
    files = find_seeds(folder, name, f"{kind}.safetensors")
    return Heads(kind, context.run.grade.transmil, tuple(files))


def find_heads(context: Context, name: str, encoder: EncoderName) -> Heads:
    """The same, where there are some.

    Raises:
        BadInput: if there are none.
    """
    heads = list_heads(context, name, encoder)
    if heads.files:
        return heads
    folder = context.folder / SLIDES / folder_of(heads.kind, encoder)
    known = sorted({path.parent.name for path in folder.glob(f"*/{heads.kind}.safetensors")})
    advice = f"it has {', '.join(known)}" if known else "run disc run on it until graders"
    if not _list_kinds(context.run):
        advice = "its slide graders read superpixels, and features are of tiles: give the slide"
    raise BadInput(f"{context.folder}: no slide graders '{name}' on {encoder} in it; {advice}")


def _list_kinds(run: Run) -> list[SlideGrader]:
    """Kinds of the run's slide graders that read tiles."""
    return [kind for kind in run.grade.slide_graders if kind != "mixed-supervision"]


def find_seeds(folder: Path, name: str, file: str) -> list[Path]:
    """Files of a configuration's seeds: of `NAME`, or of `NAME seed 0`, `NAME seed 1` ..."""
    wanted = re.compile(rf"{re.escape(name)}(?: seed (\d+))?")
    found = [(wanted.fullmatch(path.parent.name), path) for path in folder.glob(f"*/{file}")]
    seeds = [(int(match[1] or 0), path) for match, path in found if match]
    return [path for _, path in sorted(seeds)]


def hash_files(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """Hashes of files of weights, by their paths within a folder."""
    return {path.relative_to(folder).as_posix(): hash_weights(path) for path in files}


def hash_weights(path: Path) -> str:
    """Of a file of weights."""
    return digest(read_bytes(path, MAX_WEIGHTS))
