"""Regions: which labels a mask holds, what the network is asked for each, and how it is fused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch

from disc.labels import IGNORE, NUM_LABELS


def shrink_masks(masks: torch.Tensor, latent_px: int) -> torch.Tensor:
    """Masks [B, H, W] at latent size [B, h, w], nearest neighbour.

    Paper: Sec. 2.3.
    """
    small = torch.nn.functional.interpolate(
        masks[:, None].float(), size=(latent_px, latent_px), mode="nearest-exact"
    )
    return small[:, 0].to(masks.dtype)


def pick_pixels(rows: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Of rows [R, C, h, w], at each pixel the one that chosen [N, h, w] names: [N, C, h, w]."""
    y, x = (torch.arange(side, device=rows.device) for side in rows.shape[-2:])
    return rows.movedim(1, -1)[chosen, y[:, None], x].movedim(-1, 1)


def beside_borders(small: torch.Tensor, width: int) -> torch.Tensor:
    """Which pixels of masks [N, h, w] are within `width` pixels of another label: bool."""
    values = small.float()[:, None]
    width = min(width, max(small.shape[1:]))  # which is all of a tile
    size = 2 * width + 1
    # a pixel's neighbourhood holds another value if its greatest or least is not its own
    greatest, negated = (
        torch.nn.functional.max_pool2d(v, size, stride=1, padding=width) for v in (values, -values)
    )
    return ((greatest != values) | (-negated != values))[:, 0]


@dataclass(frozen=True)
class Rows:
    """Evaluations of the network: which latent, under which condition.

    Attributes:
        sources: index of a latent, int64 [R].
        conditions: index of a condition, int64 [R].
    """

    sources: torch.Tensor
    conditions: torch.Tensor

    def __len__(self) -> int:
        """How many."""
        return len(self.sources)

    def to(self, device: torch.device) -> Rows:
        """The same on a device."""
        return Rows(self.sources.to(device), self.conditions.to(device))

    def split(self, size: int) -> Iterator[Rows]:
        """Pieces of at most `size` rows."""
        pieces = (torch.split(index, size) for index in (self.sources, self.conditions))
        return (Rows(*pair) for pair in zip(*pieces, strict=True))


@dataclass(frozen=True)
class Regions:
    """Tiles whose labels are denoised apart.

    Attributes:
        rows: each tile under its whole mask, [N], then each tile of several labels under each of
            them, [R - N].
        chosen: index into `rows` for each pixel, int64 [N, h, w]; tiles of one label, and pixels
            without one, have the row of the whole mask.
        separate: the rows that some pixel has chosen, and no other.
        chosen_separate: `chosen` as index into `separate`.
        has_several: whether a tile is under more than one label, bool [N].
        near: pixels beside a border, as asked for, bool [N, h, w].
    """

    rows: Rows
    chosen: torch.Tensor
    separate: Rows
    chosen_separate: torch.Tensor
    has_several: torch.Tensor
    near: torch.Tensor

    @property
    def joint(self) -> Rows:
        """Each tile under its whole mask."""
        num = len(self.chosen)
        return Rows(self.rows.sources[:num], self.rows.conditions[:num])

    def part(self, tiles: torch.Tensor) -> Regions:
        """Some tiles under their whole masks."""
        every = torch.arange(len(tiles), device=tiles.device)
        rows = Rows(every, self.rows.conditions[tiles])
        chosen = every[:, None, None].expand(-1, *self.chosen.shape[1:])
        has_several = torch.zeros_like(every, dtype=torch.bool)
        return Regions(rows, chosen, rows, chosen, has_several, self.near[tiles])

    def to(self, device: torch.device) -> Regions:
        """The same on a device."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        return Regions(**moved)


@dataclass(frozen=True)
class Wanted:
    """Conditions to encode, each once: masks uint8 [C, H, W] and slides uint8 [C, 4] or None."""

    masks: torch.Tensor
    slides: torch.Tensor | None


def find_regions(
    masks: torch.Tensor,
    slides: torch.Tensor | None,
    latent_px: int,
    *,
    separates: bool = True,
    hides_rest: bool = False,
    band: int = 0,
) -> tuple[Regions, Wanted]:
    """Take masks apart.

    Args:
        masks: uint8 [N, H, W], labels or 255, on the CPU.
        slides: labels of the slides, uint8 [N, 4], or None.
        latent_px: h = w of the latents.
        separates: whether labels are denoised apart at all.
        hides_rest: whether a label is asked for with the rest of its tile unknown, and not
            everywhere.
        band: width of what counts as near a border, in latent pixels; 0: all of a tile.

    Returns:
        What to evaluate, and the conditions that it names.
    """
    small, num = shrink_masks(masks, latent_px), len(masks)
    has_several = (masks != masks[:, :1, :1]).flatten(1).any(1) & separates
    chosen = torch.arange(num)[:, None, None].repeat(1, latent_px, latent_px)
    tiles, asked = list(range(num)), list(masks)
    for tile in torch.nonzero(has_several).flatten().tolist():
        for label in [k for k in np.unique(small[tile]).tolist() if k < NUM_LABELS]:
            chosen[tile][small[tile] == label] = len(tiles)
            tiles.append(tile)
            asked.append(_ask_alone(masks[tile], label, hides_rest))
    sources = torch.tensor(tiles)
    conditions, wanted = _encode_once(asked, None if slides is None else slides[sources])
    used, compact = np.unique(chosen, return_inverse=True)
    regions = Regions(
        rows=Rows(sources, conditions),
        chosen=chosen,
        separate=Rows(sources[used], conditions[used]),
        chosen_separate=torch.from_numpy(compact).view_as(chosen),
        has_several=has_several,
        near=beside_borders(small, band) if band else torch.ones_like(small, dtype=torch.bool),
    )
    return regions, wanted


def _ask_alone(mask: torch.Tensor, label: int, hides_rest: bool) -> torch.Tensor:
    if hides_rest:
        return torch.where(mask == label, label, IGNORE).to(mask.dtype)
    return torch.full_like(mask, label)


def _encode_once(
    masks: list[torch.Tensor], slides: torch.Tensor | None
) -> tuple[torch.Tensor, Wanted]:
    """Index of each row's condition among the different ones, and these."""
    places: dict[tuple[bytes, bytes], int] = {}
    firsts: list[int] = []
    index = []
    for row, mask in enumerate(masks):
        bits = b"" if slides is None else slides[row].numpy().tobytes()
        place = places.setdefault((mask.numpy().tobytes(), bits), len(places))
        index.append(place)
        if place == len(firsts):
            firsts.append(row)
    chosen = None if slides is None else slides[firsts]
    return torch.tensor(index), Wanted(torch.stack([masks[row] for row in firsts]), chosen)
