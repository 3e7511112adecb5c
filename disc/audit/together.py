"""Whether two sets can be compared: sides, scales and masks, before their pixels are read."""

from __future__ import annotations

import math
from pathlib import Path

from disc.audit.request import AuditRequest
from disc.data.readers.sicapv2 import find_root, read_facts
from disc.data.readers.source import Kind
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput

NO_MASKS = "add masks, or ask only what needs none: --parts look new"
"""What to do without masks."""
_TOLERANCE = 0.02
"""Of scales, as the logarithm of their ratio."""
_REMEDY = "bring them to one scale (disc convert), or textures cannot be compared"


def needs_masks(request: AuditRequest) -> bool:
    """Whether a question is asked that masks answer."""
    return bool({"asked", "seams"} & set(request.parts))


def find_scale(tiles: TileSet) -> float | None:
    """Width of a pixel in micrometres; None where it is not said of every tile."""
    scales = [tile.um_per_px for tile in tiles.tiles]
    return None if None in scales else scales[0]


def says_scale(root: Path, kind: Kind, um_per_px: float | None) -> bool:
    """Whether a set says itself how wide its pixels are.

    Args:
        root: of the set.
        kind: how it is laid out.
        um_per_px: of `--um-per-px`.

    Raises:
        BadInput: if the set says otherwise.
    """
    if um_per_px is None or kind != "sicapv2":
        return False
    path = find_root(root) / "set.json"
    said = read_facts(path.parent).get("um_per_px")
    if said is not None and _is_apart(said, um_per_px):
        raise BadInput(
            f"{path}: says {said:g} µm per pixel, and --um-per-px {um_per_px:g}; leave the option "
            "out (it is for sets that do not say), or correct the file"
        )
    return said is not None


def refuse_apart(
    roots: tuple[Path, Path], sets: tuple[TileSet, TileSet], request: AuditRequest
) -> None:
    """Refuse sets that cannot be compared.

    Raises:
        BadInput: which, and why.
    """
    sides = [tiles.tile_px for tiles in sets]
    if sides[0] != sides[1]:
        raise BadInput(
            f"{roots[1]}: tiles of {sides[1]} px beside {sides[0]} px in {roots[0]}; give "
            f"--tile-px {min(sides)} --fit resize if their scales are the same then"
        )
    _refuse_scales(roots, sets)
    for root, tiles in zip(roots, sets, strict=True):
        bare = [tile for tile in tiles.tiles if tile.mask is None]
        if bare and needs_masks(request):
            raise BadInput(
                f"{root}: {len(bare)} of {len(tiles)} tiles have no mask, first {bare[0].name}; "
                f"{NO_MASKS}"
            )


def _refuse_scales(roots: tuple[Path, Path], sets: tuple[TileSet, TileSet]) -> None:
    """Every tile's scale counts, where it is known."""
    known = []
    for root, tiles in zip(roots, sets, strict=True):
        scales = {tile.um_per_px: tile.name for tile in tiles.tiles if tile.um_per_px is not None}
        if scales and _is_apart(min(scales), max(scales)):
            raise BadInput(
                f"{root}: {min(scales):g} µm per pixel ({scales[min(scales)]}) beside "
                f"{max(scales):g} ({scales[max(scales)]}); {_REMEDY}"
            )
        known += [min(scales)] if scales else []
    if len(known) == 2 and _is_apart(*known):
        raise BadInput(
            f"{roots[1]}: {known[1]:g} µm per pixel beside {known[0]:g} in {roots[0]}; {_REMEDY}"
        )


def _is_apart(one: float, other: float) -> bool:
    return abs(math.log(one / other)) > _TOLERANCE
