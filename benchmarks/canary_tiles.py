"""Tiles that a network is trained on more than once, to see whether they come out of it again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import torch

from disc.data.tiles.records import Tile
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.agreement import label_fractions
from disc.files import BadInput
from disc.pipeline.context import Context
from disc.processes import own_device
from disc.seeds import numpy_generator
from disc.train.draws import transform
from disc.train.latents.latent_set import LatentSet, label_slides

Labels = Literal["several", "one"]
TIMES = (1, 10, 100)
"""How often a canary is repeated among the training tiles."""
_LEAST = 0.15
"""Of the tile, that two labels of a canary each cover."""
_MOST = 0.98
"""That the label of a canary of one label covers at least."""
_BESIDE = (0.4, 0.9)
"""Of a mask that such a canary is looked for in: the share of its label."""


@dataclass(frozen=True)
class Canaries:
    """Tiles of patients whom no training tile shows, and how often each is trained on."""

    tiles: TileSet
    chosen: list[int]
    times: list[int]

    @classmethod
    def choose(cls, context: Context, num: int, labels: Labels) -> Canaries:
        """Some tiles for each number of repetitions, of as many patients as can be.

        Raises:
            BadInput: if the test slides have too few tiles of several labels, or of one.
        """
        is_wanted = _has_several if labels == "several" else _has_one
        tiles, wanted = context.split.test, num * len(TIMES)
        order = numpy_generator(context.run.seed, "canaries").permutation(len(tiles))
        found = [int(i) for i in order if is_wanted(tiles.mask(int(i)))]
        seen: dict[str, int] = {}
        ranks = []
        for index in found:
            patient = tiles.slides[tiles.tiles[index].slide_id].patient_id
            seen[patient] = ranks_of = seen.get(patient, -1) + 1
            ranks.append(ranks_of)
        if len(found) < wanted:
            raise BadInput(f"{len(found)} test tiles of {labels} label(s); expected {wanted}")
        chosen = [found[i] for i in np.argsort(ranks, kind="stable")[:wanted]]
        return cls(tiles, chosen, [time for time in TIMES for _ in range(num)])

    def find_masks(self, label: int, num: int, number: int) -> np.ndarray:
        """Masks of test tiles that hold a label beside others, [num, H, W]; some more than once."""
        low, high = _BESIDE
        order = numpy_generator(number, "beside").permutation(len(self.tiles))
        masks = (self.tiles.mask(int(i)) for i in order)
        found = list(
            islice((m for m in masks if low <= label_fractions(m[None])[0, label] <= high), num)
        )
        if not found:
            raise BadInput(f"no test tile holds label {label} beside others")
        return np.stack([found[i % len(found)] for i in range(num)])

    def add_to(self, latents: LatentSet, context: Context) -> LatentSet:
        """The training latents with those of every canary, as often as it is repeated."""
        num, versions = latents.latents.shape[:2]
        at = torch.arange(num).repeat_interleave(versions), torch.arange(versions).repeat(num)
        stored, masks = latents.latents[at], latents.masks[at]
        more, more_masks = [], []
        for index in self.chosen:
            image, mask = self.tiles.image(index), self.tiles.mask(index)
            turned = np.stack([transform(image, v) for v in range(versions)])
            more.append(encode(context, turned).to("cpu", stored.dtype))
            more_masks.append(
                torch.from_numpy(np.stack([transform(mask, v) for v in range(versions)]))
            )
        times = torch.tensor(self.times)
        tiles: list[Tile] = [self.tiles.tiles[i] for i in self.chosen]
        slides = label_slides(replace(self.tiles, tiles=tuple(tiles)))
        return LatentSet(
            latents=torch.cat(
                [
                    stored.view(num, versions, *stored.shape[1:]),
                    torch.stack(more).repeat_interleave(times, dim=0),
                ]
            ),
            masks=torch.cat(
                [
                    masks.view(num, versions, *masks.shape[1:]),
                    torch.stack(more_masks).repeat_interleave(times, dim=0),
                ]
            ),
            labels=np.concatenate([latents.labels, np.full(int(times.sum()), -1)]),
            slides=torch.cat([latents.slides, slides.repeat_interleave(times, dim=0)]),
        )


def encode(context: Context, images: np.ndarray) -> torch.Tensor:
    """Latents of images by the run's autoencoder."""
    return context.autoencoder.encode(torch.from_numpy(images).to(own_device()))


def _has_several(mask: np.ndarray) -> bool:
    return bool((label_fractions(mask[None])[0] >= _LEAST).sum() > 1)


def _has_one(mask: np.ndarray) -> bool:
    """A label alone, of cancer: tiles of stroma look much alike."""
    return bool(label_fractions(mask[None])[0][1:].max() >= _MOST)
