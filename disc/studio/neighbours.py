"""The real training tile that looks most like a generated one, to judge copying."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.api import Model
from disc.asked import Tiles
from disc.data.pixels.images import encode_png
from disc.data.tiles.tile_set import TileSet
from disc.seeds import numpy_generator
from disc.studio.workshop import Task

MAX_HELD_OUT = 400
"""Test tiles that say how near a tile comes to the training tiles without being made of them."""
CHUNK = 32
Features = npt.NDArray[np.float64]


class Neighbours:
    """Features of real tiles, read when they are first asked for.

    What a deadline cuts short goes on at the next asking. Distances are between what the referee
    sees in tiles, every feature divided by its standard deviation over the training tiles. They say
    "alike to that network", and no more.
    """

    def __init__(self, model: Model) -> None:
        """Of a model's real tiles; nothing is read yet."""
        self.model = model
        self._parts: dict[str, list[Features]] = {"train": [], "test": []}
        self._sets: dict[str, TileSet] = {}
        self._nulls: Features | None = None

    def find(self, tile: Tiles, task: Task) -> dict[str, Any]:
        """The nearest training tile, and how many tiles of other patients come as near.

        Args:
            tile: uint8 [H, W, 3].
            task: is told of progress.

        Raises:
            BadInput: if there are no real tiles or there is no referee.
        """
        train, test = self._read("train", task), self._read("test", task)
        spread = np.maximum(train.std(axis=0), 1e-9)
        index, distance = _nearest(self.model.features(tile[None]) / spread, train / spread)
        if self._nulls is None:
            self._nulls = np.sort(_nearest(test / spread, train / spread)[1])
        found = int(index[0])
        return {
            "name": self._sets["train"].tiles[found].name,
            "distance": round(float(distance[0]), 4),
            "nearer": round(float((self._nulls <= distance[0]).mean()), 4),
            "median": round(float(np.median(self._nulls)), 4),
            "held_out": len(self._nulls),
            "of": len(train),
            "tile": base64.b64encode(encode_png(self._sets["train"].image(found))).decode(),
        }

    def _read(self, part: str, task: Task) -> Features:
        if part not in self._sets:
            tiles = self.model.real_tiles("train" if part == "train" else "test")
            if part == "test" and len(tiles) > MAX_HELD_OUT:
                order = numpy_generator(0, "held-out tiles").permutation(len(tiles))
                tiles = tiles.only(sorted(order[:MAX_HELD_OUT].tolist()))
            self._sets[part] = tiles
        tiles, done = self._sets[part], self._parts[part]
        what = "reading training tiles, once" if part == "train" else "reading tiles of others"
        while (start := sum(map(len, done))) < len(tiles):
            task.step(start, len(tiles), what)
            stop = min(start + CHUNK, len(tiles))
            images = np.stack([tiles.image(i) for i in range(start, stop)])
            done.append(self.model.features(images))
        if len(done) > 1:
            done[:] = [np.concatenate(done)]
        return done[0]


def _nearest(some: Features, others: Features) -> tuple[npt.NDArray[np.int64], Features]:
    """Of each of `some` [N, D], which of `others` [M, D] is nearest [N], and at what distance."""
    square = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    index = square.argmin(axis=1)
    return index, np.linalg.norm(some - others[index], axis=1)
