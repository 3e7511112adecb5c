"""The two sets of an audit: read once, measured at full resolution, kept small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.audit.facts import Facts, join, measure_tiles
from disc.audit.manifest import MANIFEST, find_owners, read_manifest
from disc.audit.request import AuditRequest
from disc.audit.together import NO_MASKS, find_scale, needs_masks, refuse_apart, says_scale
from disc.data.readers.read import read_source, recognise
from disc.data.readers.source import Source
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.labels import IGNORE
from disc.processes import num_cores
from disc.progress import Bar
from disc.seeds import numpy_generator

KEPT_PX = 128
"""Largest side with which tiles are kept for networks and the search for copies."""
_MULTIPLE = 32
_CHUNK = 64
Pixels = npt.NDArray[np.uint8]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditSet:
    """A set as an audit holds it; arrays have a row a tile.

    Attributes:
        name: of the set, for people.
        images: uint8 [N, P, P, 3], P at most 128 and a multiple of 32.
        masks: uint8 [N, P, P]; 255 everywhere where the set has none.
        facts: measured at full resolution.
        names: of the tiles.
        slides: of the tiles.
        patients: of the tiles, which are resampled together.
        tile_px: side of the tiles as they were read.
        seen: slides that the generator was trained on; None: nobody says.
        um_per_px: width of a pixel in micrometres; None: nobody says.
        is_generated: whether a generator's manifest lies in its folder, of a real set alone.
        num_guessed: tiles whose mask was drawn on a tile that the real set lacks: what stands
            before the underscore of its name goes for a patient.
    """

    name: str
    images: Pixels
    masks: Pixels
    facts: Facts
    names: Names
    slides: Names
    patients: Names
    tile_px: int
    um_per_px: float | None = None
    seen: frozenset[str] | None = None
    is_generated: bool = False
    num_guessed: int = 0

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.images)

    def take(self, indices: npt.NDArray[np.int64]) -> AuditSet:
        """Some of the tiles."""
        held = {
            name: getattr(self, name)[indices]
            for name in ("images", "masks", "names", "slides", "patients")
        }
        return replace(self, **held, facts=self.facts.take(indices))

    @property
    def num_patients(self) -> int:
        """Patients that the tiles come from."""
        return len(set(self.patients))

    def find_unseen(self, real: AuditSet) -> npt.NDArray[np.int64]:
        """Real tiles of patients of whom the generator saw no slide; none where nobody says."""
        if self.seen is None:
            return np.arange(0)
        patients = set(real.patients[np.isin(real.slides, sorted(self.seen))])
        return np.flatnonzero(~np.isin(real.patients, sorted(patients)))


def read_sets(request: AuditRequest) -> tuple[AuditSet, AuditSet]:
    """The real and the synthetic set.

    Raises:
        FileNotFoundError: if a folder is missing.
        BadInput: if a set cannot be read or has no masks, or the two do not fit together.
    """
    real, synthetic = (_list(request, number) for number in (0, 1))
    roots = request.real, request.synthetic
    refuse_apart(roots, (real, synthetic), request)
    patients = {slide.patient_id for slide in real.slides.values()}
    if len(patients) < 2:
        raise BadInput(
            f"{roots[0]}: {len(patients)} patient; an audit tells patients apart, so give real "
            "tiles of 2 or more (of a folder: --slides with a column patient_id)"
        )
    sources, seen = read_manifest(roots[1], real, synthetic)
    owners, num_guessed = find_owners(sources, real)
    first = hold(str(roots[0]), real, {}, seed=request.seed)
    _refuse_unlabelled(first, request)
    second = hold(str(roots[1]), synthetic, owners, seed=request.seed)
    _refuse_unlabelled(second, request)
    first = replace(first, is_generated=(roots[0] / MANIFEST).exists())
    return first, replace(second, seen=seen, num_guessed=num_guessed)


def _refuse_unlabelled(held: AuditSet, request: AuditRequest) -> None:
    """Masks of 255 alone are no masks."""
    if len(find_labelled(held)) or not needs_masks(request):
        return
    raise BadInput(
        f"{held.name}: no pixel of {len(held)} tiles has a label, their masks are 255 everywhere; "
        f"{NO_MASKS}"
    )


def hold(
    name: str, tiles: TileSet, sources: dict[str, str] | None = None, *, seed: int = 0
) -> AuditSet:
    """Read all tiles of a set, in an order of the seed, and measure them.

    Args:
        name: of the set, for people.
        tiles: the set.
        sources: by name of a tile, what it is resampled with in place of its patient.
        seed: of the order; neighbours in it lie under each other's masks.

    Raises:
        BadInput: if a tile or a mask is damaged.
    """
    order = numpy_generator(seed, "audit", len(tiles)).permutation(len(tiles))
    records = [tiles.tiles[i] for i in order]
    scale = find_scale(tiles)

    def read(index: int) -> tuple[Pixels, Pixels]:
        image = tiles.image(index)
        has_mask = tiles.tiles[index].mask is not None
        return image, tiles.mask(index) if has_mask else np.full(image.shape[:2], IGNORE, np.uint8)

    parts = list(_measure(name, [int(i) for i in order], read, scale))
    owners = {record.name: _patient(tiles.slides, record) for record in records}
    owners |= {key: value for key, value in (sources or {}).items() if key in owners}
    return AuditSet(
        name=name,
        images=np.concatenate([part[0] for part in parts]),
        masks=np.concatenate([part[1] for part in parts]),
        facts=join([part[2] for part in parts]),
        names=np.array([record.name for record in records]),
        slides=np.array([record.slide_id for record in records]),
        patients=np.array([owners[record.name] for record in records]),
        tile_px=tiles.tile_px,
        um_per_px=scale,
    )


def hold_arrays(
    name: str, images: Pixels, masks: Pixels, patients: Sequence[str], um_per_px: float | None
) -> AuditSet:
    """A set of tiles uint8 [N, H, H, 3] with masks [N, H, H] that are in memory."""
    parts = list(
        _measure(name, list(range(len(images))), lambda i: (images[i], masks[i]), um_per_px)
    )
    owners = np.array([str(patient) for patient in patients])
    return AuditSet(
        name=name,
        images=np.concatenate([part[0] for part in parts]),
        masks=np.concatenate([part[1] for part in parts]),
        facts=join([part[2] for part in parts]),
        names=np.array([f"{name} {i}" for i in range(len(images))]),
        slides=owners,
        patients=owners,
        tile_px=images.shape[1],
        um_per_px=um_per_px,
    )


def _measure(
    name: str,
    order: Sequence[int],
    read: Callable[[int], tuple[Pixels, Pixels]],
    um_per_px: float | None,
) -> Iterator[tuple[Pixels, Pixels, Facts]]:
    """Tiles and masks as they are kept, and facts, chunk by chunk; files are decoded by threads."""
    bar = Bar(f"reading {Path(name).name}", total=len(order), unit="tile")
    with ThreadPoolExecutor(num_cores()) as pool:
        # even chunks: the border of a tile that is alone in one could be laid on no other
        for chunk in np.array_split(order, -(-len(order) // _CHUNK)):
            images, masks = (np.stack(part) for part in zip(*pool.map(read, chunk), strict=True))
            yield (*shrink(images, masks), measure_tiles(images, masks, um_per_px))
            bar.advance(len(chunk))
    bar.close()


def shrink(images: Pixels, masks: Pixels) -> tuple[Pixels, Pixels]:
    """Tiles [N, H, H, 3] and masks [N, H, H] , at most 128 px, a multiple of 32."""
    side = images.shape[1]
    kept = min(KEPT_PX, side // _MULTIPLE * _MULTIPLE)
    if kept == side:
        return images, masks
    small = F.interpolate(
        torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32)), (kept, kept), mode="area"
    )
    places = np.floor((np.arange(kept) + 0.5) * side / kept).astype(np.int64)
    shrunk = small.round().clamp(0, 255).numpy().transpose(0, 2, 3, 1).astype(np.uint8)
    return shrunk, masks[:, places][:, :, places]


def _list(request: AuditRequest, number: int) -> TileSet:
    root = (request.real, request.synthetic)[number]
    word = request.kinds[number % len(request.kinds)]
    kind = recognise(root) if word == "auto" else word
    given: dict[str, Any] = {"images": request.images, "masks": request.masks}
    given |= {"values": request.values, "slides": request.slides}
    if kind not in ("folder", "lapc"):
        given = {}
    given = {key: value for key, value in given.items() if value}
    fit: dict[str, Any] = {} if kind == "panda" else {"fit": request.fit}
    scale = None if says_scale(root, kind, request.um_per_px) else request.um_per_px
    source = Source(root=root, kind=kind, tile_px=request.tile_px, um_per_px=scale, **given, **fit)
    tiles = read_source(source)
    if not len(tiles):
        raise BadInput(f"{root}: no tiles in it (of slides, cut them first with disc tile)")
    if tiles.tile_px < _MULTIPLE:
        raise BadInput(f"{root}: tiles of {tiles.tile_px} px; expected {_MULTIPLE} px or more")
    return tiles


def _patient(slides: Mapping[str, Slide], record: Tile) -> str:
    return slides[record.slide_id].patient_id


def main_labels(facts: Facts, least: float = 0.8) -> npt.NDArray[np.int64]:
    """The label that covers most of each tile, [N]; -1 where none covers `least` of it."""
    best = facts.fractions.argmax(axis=1)
    has = facts.fractions[np.arange(len(best)), best] >= least
    return np.where(has, best, -1)


def find_unscaled(real: AuditSet, synthetic: AuditSet) -> str:
    """Name of the set whose scale nobody says, where that of the other one is known; else ""."""
    unknown = [held.name for held in (real, synthetic) if held.um_per_px is None]
    return unknown[0] if len(unknown) == 1 else ""


def find_labelled(held: AuditSet) -> npt.NDArray[np.int64]:
    """Indices of the tiles of which a pixel has a label."""
    return np.flatnonzero(held.facts.area_px.any(axis=1))
