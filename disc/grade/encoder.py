"""The embedded feature encoder: two Carcino-Nets, each for the slides that it did not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from disc.data.pixels.images import Pixels
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput, write_json
from disc.grade.carcino import PixelNet, blank_carcino
from disc.grade.encoders.frozen import SharedEncoder, TileEncoder
from disc.grade.features import describe_posteriors, write_features
from disc.grade.pixels import read_chunks, train_pixel_grader
from disc.grade.pool import Tiles, as_pool
from disc.grade.superpixels import cut_superpixels, cut_windows
from disc.model.store import REMEDY, load_weights, save_weights
from disc.processes import Share, own_share
from disc.progress import Bar
from disc.records.typed import read_record
from disc.seeds import derive, numpy_generator
from disc.settings.grading import CarcinoNet as CarcinoNetSettings

WEIGHTS = ("half0.safetensors", "half1.safetensors")
"""Files of the two networks."""
JOINED = 512
"""Tiles of several slides that are read as one; more, where a slide has more."""


@dataclass(frozen=True)
class CrossEncoder:
    """A pair of networks trained on the two halves of the training slides.

    A grader that trained on features of a network that has seen their tiles would learn from
    features that are too good, and meet worse ones in new slides.

    Attributes:
        nets: network k was trained on half k.
        halves: half of every training slide, 0 or 1.
    """

    nets: tuple[PixelNet, PixelNet]
    halves: Mapping[str, int]

    def choose(self, slide_id: str) -> int:
        """The network for a slide: the one that did not see it; if both did not, by its name."""
        if slide_id in self.halves:
            return 1 - self.halves[slide_id]
        return derive("encoder", slide_id) % 2

    def read(self, slide_id: str, images: Iterator[Pixels]) -> npt.NDArray[np.float32]:
        """Features [N, 72] of tiles uint8 [H, W, 3] of one slide."""
        chunks = read_chunks(self.nets[self.choose(slide_id)], images)
        return np.concatenate([describe_posteriors(chunk) for chunk in chunks])

    def save(self, folder: Path) -> None:
        """Write both networks and the halves."""
        for name, net in zip(WEIGHTS, self.nets, strict=True):
            save_weights(folder / name, net)
        write_json(folder / "halves.json", dict(self.halves))

    @classmethod
    def load(cls, folder: Path, net: CarcinoNetSettings) -> CrossEncoder:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if a file is missing.
            BadInput: if one is damaged or of another network.
        """
        nets = (blank_carcino(net), blank_carcino(net))
        for name, one in zip(WEIGHTS, nets, strict=True):
            load_weights(folder / name, one)
            one.eval()  # whoever reads with it must not read by the batch's own statistics
        halves = read_record(folder / "halves.json", dict[str, Literal[0, 1]], REMEDY)
        return cls(nets, halves)


def list_weights(folder: Path) -> list[Path]:
    """The files of both networks of an embedded encoder, those that are there."""
    return [folder / name for name in WEIGHTS if (folder / name).exists()]


def train_encoder(net: CarcinoNetSettings, train: Tiles, folder: Path, seed: int) -> CrossEncoder:
    """Train both networks on real tiles.

    Args:
        net: sizes and optimisation of each.
        train: training tiles with masks.
        folder: of checkpoints and logs, one sub-folder a network.
        seed: of halves, weights and batches.

    Raises:
        BadInput: if all slides are of one patient.
    """
    pool = as_pool(train)
    halves = split_halves(pool.tiles.slides, seed)
    nets = [
        train_pixel_grader(
            net=replace(net, patience=0),
            real=pool.only(
                i for i, tile in enumerate(pool.tiles.tiles) if halves[tile.slide_id] == half
            ),
            synthetic=None,
            balance_weight=0,
            folder=folder / f"half{half}",
            seed=derive(seed, "encoder", half),
        )
        for half in range(2)
    ]
    return CrossEncoder((nets[0], nets[1]), halves)


def split_halves(slides: Mapping[str, Slide], seed: int) -> dict[str, int]:
    """Halves of the slides: patients stay together, primary grades are shared out evenly.

    Raises:
        BadInput: if all slides are of one patient.
    """
    by_patient: dict[str, list[Slide]] = defaultdict(list)
    for slide in slides.values():
        by_patient[slide.patient_id].append(slide)
    if len(by_patient) < 2:
        raise BadInput(
            f"{len(by_patient)} patient in the training slides; features for slide grading need "
            "two halves without a common patient, so give slides of at least 2 patients"
        )
    names = sorted(by_patient)
    shuffled = [names[i] for i in numpy_generator(seed, "halves").permutation(len(names))]
    # Highest grades, the rarest, first; then alternate.
    ordered = sorted(shuffled, key=lambda name: -max(s.primary or 0 for s in by_patient[name]))
    return {
        slide.slide_id: place % 2
        for place, name in enumerate(ordered)
        for slide in by_patient[name]
    }


def encode_slides(
    encoder: TileEncoder, tiles: TileSet, folder: Path, share: Share | None = None
) -> None:
    """Write the features of every slide, `<slide>.h5`; those that stand are kept.

    Slides are shared out over the processes, or are those of a share. Those that an encoder
    reads alike are read as one, so that no batch is half empty.
    """

    def write(slides: Mapping[Path, list[int]]) -> None:
        joined = [i for indices in slides.values() for i in indices]
        read = encoder.read(next(iter(slides)).stem, (tiles.image(i) for i in joined))
        ends = np.cumsum([len(indices) for indices in slides.values()])[:-1]
        for (path, indices), features in zip(slides.items(), np.split(read, ends), strict=True):
            coords = np.array([(tiles.tiles[i].x, tiles.tiles[i].y) for i in indices], np.int64)
            side = tiles.tiles[indices[0]].box_px
            write_features(path, features, coords, tiles.tile_px, level0_px=side)

    waiting: dict[int, dict[Path, list[int]]] = defaultdict(dict)

    def gather(path: Path, slide_id: str, indices: list[int]) -> None:
        kind = encoder.choose(slide_id) if isinstance(encoder, SharedEncoder) else 0
        waiting[kind][path] = indices
        is_full = sum(map(len, waiting[kind].values())) >= JOINED
        if is_full or not isinstance(encoder, SharedEncoder):
            write(waiting.pop(kind))

    _write_slides(tiles, folder, "features", gather, share)
    for slides in waiting.values():
        write(slides)


def encode_superpixels(
    encoder: TileEncoder, tiles: TileSet, folder: Path, share: Share | None = None
) -> None:
    """Write features, centres and labels of the superpixels of every slide, `<slide>.h5`.

    Features of a superpixel are the mean over its windows, its centre is that in its own tile, as
    the places of a synthetic slide's tiles are made up. Else as `encode_slides`.
    """

    def write(path: Path, slide_id: str, indices: list[int]) -> None:
        parts = {i: cut_superpixels(tiles.image(i), tiles.mask(i)) for i in indices}
        windows = (window for i in indices for window in cut_windows(tiles.image(i), parts[i]))
        read = encoder.read(slide_id, windows)
        found = [(tiles.tiles[i], part) for i in indices for part in parts[i]]
        counts = np.array([len(part.windows) for _, part in found])
        starts = np.concatenate([[0], counts.cumsum()[:-1]])
        features = np.add.reduceat(read, starts, axis=0) / counts[:, None]
        scales = [(tile.box_px or tiles.tile_px) / tiles.tile_px for tile, _ in found]
        coords = [
            (scale * part.centre[0], scale * part.centre[1])
            for (_, part), scale in zip(found, scales, strict=True)
        ]
        labels = np.array([part.label for _, part in found], np.uint8)
        places = np.rint(coords).astype(np.int64)
        side = tiles.tiles[indices[0]].box_px
        write_features(path, features, places, tiles.tile_px, labels, level0_px=side)

    _write_slides(tiles, folder, "superpixels", write, share)


def _write_slides(
    tiles: TileSet,
    folder: Path,
    what: str,
    write: Callable[[Path, str, list[int]], None],
    share: Share | None = None,
) -> None:
    share = share or own_share()
    bags: dict[str, list[int]] = defaultdict(list)
    for index, tile in enumerate(tiles.tiles):
        bags[tile.slide_id].append(index)
    bar = Bar(what, total=len(bags), unit="slide", shown=share.is_first)
    for number, (slide_id, indices) in enumerate(bags.items()):
        path = folder / f"{slide_id}.h5"
        if share.has(number) and not path.exists():
            write(path, slide_id, indices)
        bar.advance()
    bar.close()
