"""How the files of a set become tiles and masks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from disc.data.pixels.boundary_artefacts import clean_artefacts
from disc.data.pixels.images import Fit, Pixels, open_image, read_image, read_mask
from disc.data.pixels.mask_values import SICAPV2, Meaning
from disc.data.pixels.strict import find_orientation
from disc.data.wsi.annotation import Annotation
from disc.data.wsi.scan import Scan
from disc.files import BadInput, read_bytes
from disc.labels import IGNORE, NUM_LABELS

if TYPE_CHECKING:
    from disc.data.tiles.records import Tile

Ties = Literal["ignore", "lower", "higher"]
"""Label of a pixel on which raters are divided evenly."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the files of a set become tiles and masks; one for the whole set."""

    meaning: Meaning = SICAPV2
    """What values in masks mean."""
    by_provider: Mapping[str, Meaning] = field(default_factory=dict)
    """The same, where it depends on who annotated a slide."""
    layers: Mapping[str, int] = field(default_factory=dict)
    """For sets with one file a class: from a file's stem to the grade of what is not 0 in it."""
    ties: Ties = "ignore"
    """Label of a pixel on which raters are divided evenly."""
    fit: Fit = "exact"
    """What is done with files of another size than requested."""
    square_px: int = 0
    """Side of the central square of a file that becomes a tile, in pixels; 0: as `fit` says."""
    artefact_px: int = 0
    """Max width of boundary artefacts that are cleaned, in pixels; 0: masks stay as they are."""
    reach_um: float = 0.0
    """How far labels drawn on epithelium alone reach over stroma, in micrometres."""

    def image(self, tile: Tile, tile_px: int) -> Pixels:
        """A tile, uint8 [tile_px, tile_px, 3].

        Raises:
            BadInput: if its file is missing, damaged, or of a size that does not fit.
        """
        if tile.box_px is None:
            return read_image(tile.image, tile_px, self.square_px or self.fit)
        scan = _open_scan(tile.image, _level0_um(tile, tile_px), _stamp(tile.image))
        if tile.x >= scan.width or tile.y >= scan.height:
            raise BadInput(
                f"{tile.image}: {scan.width} x {scan.height} px, and a place at ({tile.x}, "
                f"{tile.y}); give the coordinates of this slide"
            )
        return scan.read(tile.x, tile.y, (tile_px, tile_px), tile.box_px / tile_px)

    def jpeg(self, tile: Tile, tile_px: int) -> bytes | None:
        """The file of a tile that `image` read, if it is a JPEG of its very pixels.

        Raises:
            BadInput: if it cannot be read.
        """
        if tile.box_px is not None or self.square_px not in (0, tile_px):
            return None
        with open_image(tile.image) as image:
            is_same = image.size == (tile_px, tile_px) and find_orientation(image) == 1
            return read_bytes(tile.image) if image.format == "JPEG" and is_same else None

    def mask(self, tile: Tile, provider: str, tile_px: int) -> Pixels:
        """Its mask, uint8 [tile_px, tile_px]: 0 NC, 1 GG3, 2 GG4, 3 GG5, 255 ignore.

        Args:
            tile: of the set.
            provider: who annotated its slide; "" in most sets.
            tile_px: side of the mask.

        Raises:
            BadInput: if there is none, it is damaged, or holds a value without a meaning.
        """
        mask = self._merge(tile, self.by_provider.get(provider, self.meaning), tile_px)
        return clean_artefacts(mask, self.artefact_px) if self.artefact_px else mask

    def _merge(self, tile: Tile, meaning: Meaning, tile_px: int) -> Pixels:
        """What all mask files of a tile say together."""
        if tile.mask is None or not (tile.more_masks or self.layers):
            return self._read(tile, tile.mask, meaning, tile_px)
        paths = [tile.mask, *tile.more_masks]
        if self.layers:
            return stack_layers([self._read(tile, p, self._layer(p), tile_px) for p in paths])
        return merge_raters([self._read(tile, p, meaning, tile_px) for p in paths], self.ties)

    def _layer(self, path: Path) -> Meaning:
        return Meaning({0: IGNORE, **dict.fromkeys(range(1, 256), self.layers[path.stem])})

    def _read(self, tile: Tile, path: Path | None, meaning: Meaning, tile_px: int) -> Pixels:
        if tile.box_px is None:
            fit = self.square_px or self.fit
            return read_mask(path, tile_px, tile.image, meaning=meaning, fit=fit)
        if path is None:
            raise BadInput(f"{tile.image}: has no mask; leave out its tiles, or add one")
        slide = tile.image, _level0_um(tile, tile_px), _stamp(tile.image)
        annotation = _open_annotation(path, meaning, self.reach_um, slide, stamp=_stamp(path))
        return annotation.read(tile.x, tile.y, (tile_px, tile_px), tile.box_px / tile_px)


def merge_raters(masks: Sequence[Pixels], ties: Ties) -> Pixels:
    """Label that most raters gave each pixel, uint8 [H, W]; 255 where no rater gave one.

    Args:
        masks: one a rater, uint8 [H, W], 0..3 and 255, which is no vote.
        ties: what a pixel becomes on which they are divided evenly.
    """
    votes = np.stack([np.sum([mask == label for mask in masks], 0) for label in range(NUM_LABELS)])
    is_first = votes == votes.max(0)
    lowest = is_first.argmax(0).astype(np.uint8)
    highest = (NUM_LABELS - 1 - is_first[::-1].argmax(0)).astype(np.uint8)
    merged: Pixels = highest if ties == "higher" else lowest
    if ties == "ignore":
        merged[lowest != highest] = IGNORE
    merged[votes.max(0) == 0] = IGNORE
    return merged


def stack_layers(masks: Sequence[Pixels]) -> Pixels:
    """One mask of masks with one class each, uint8 [H, W]; where two overlap, the later counts."""
    stacked = masks[0].copy()
    for mask in masks[1:]:
        np.copyto(stacked, mask, where=mask != IGNORE)
    return stacked


def _level0_um(tile: Tile, tile_px: int) -> float | None:
    if tile.um_per_px is None or tile.box_px is None:
        return None
    return tile.um_per_px * tile_px / tile.box_px


Stamp = tuple[int, int]


def _stamp(path: Path) -> Stamp:
    """Process and version of a file that an open slide is good for: forks share a file's place."""
    return os.getpid(), path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=8)
def _open_scan(path: Path, um_per_px: float | None, stamp: Stamp) -> Scan:
    return Scan(path, um_per_px)


@lru_cache(maxsize=8)
def _open_annotation(
    path: Path,
    meaning: Meaning,
    reach_um: float,
    slide: tuple[Path, float | None, Stamp],
    *,
    stamp: Stamp,
) -> Annotation:
    return Annotation(path, meaning, _open_scan(*slide), reach_um=reach_um)
