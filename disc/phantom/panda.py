"""A simulated set in PANDA's layout: pyramids with resolution tags, masks of two kinds, a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from disc import seeds
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import Pixels
from disc.files import sync_all, write_bytes
from disc.labels import Label, isup_group
from disc.phantom.cases import draw_slides
from disc.phantom.drawing import Picture
from disc.phantom.sets import Draw, draw_each
from disc.phantom.stain import Scanner
from disc.settings.data import Data
from disc.settings.phantom import Phantom

COLUMNS = ("image_id", "data_provider", "isup_grade", "gleason_score")
_STEPS = (1, 4, 16)
"""How much coarser each level of a pyramid is than the first."""
_TILE = 256
_QUALITY = 90
_EPITHELIUM = np.array([2, 3, 4, 5], np.uint8)
"""Radboud's value of epithelium, by label."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A hospital and one of its scanners.

    Attributes:
        name: as in the table.
        um_per_px: of the scanner.
        scanner: how its slides look.
        benign: how the table writes a benign score.
    """

    name: str
    um_per_px: float
    scanner: Scanner
    benign: str


RADBOUD = Provider(
    name="radboud",
    um_per_px=0.48619,
    scanner=Scanner(
        white=(0.93, 0.90, 0.93), haematoxylin=0.85, eosin=1.2, tint=(0.02, 0.06, -0.05), noise=0.01
    ),
    benign="negative",
)
HAMAMATSU = Provider(
    name="karolinska",
    um_per_px=0.45202,
    scanner=Scanner(
        white=(0.97, 0.97, 0.95), haematoxylin=1.2, eosin=0.8, tint=(0.08, -0.05, 0.06), gamma=0.95
    ),
    benign="0+0",
)
APERIO = Provider(
    name="karolinska",
    um_per_px=0.5032,
    scanner=Scanner(
        white=(0.95, 0.94, 0.96), haematoxylin=1.05, eosin=0.9, blur_um=0.9, gamma=1.08, noise=0.012
    ),
    benign="0+0",
)
PROVIDERS = (RADBOUD, HAMAMATSU, RADBOUD, APERIO)
"""Whose slides follow each other."""


def write_panda_set(
    root: Path,
    phantom: Phantom,
    *,
    num_unmasked: int = 1,
    coarsening: float = 1.0,
    processes: int = 1,
) -> None:
    """Write `train_images/`, `train_label_masks/` and `train.csv`.

    Args:
        root: folder of the new set.
        phantom: what is drawn; `external_slides` says how many.
        num_unmasked: slides that get no mask, as some of PANDA's have none.
        coarsening: makes pixels so many times wider than the scanners' own, for smaller files.
        processes: as in `write_training_set`.
    """
    rng = seeds.numpy_generator(phantom.seed, "cases", "panda")
    slides = draw_slides(rng, phantom.external_slides, year=20, first_patient=9001)
    unmasked = frozenset(rng.permutation(len(slides))[:num_unmasked].tolist())
    writer = _Writer(root, phantom, unmasked, coarsening)
    rows = list(draw_each(writer.write, slides, "panda", processes))
    sync_all()
    write_bytes(root / "train.csv", _encode_rows(rows))


@dataclass(frozen=True)
class _Writer:
    """Writes slides; what it holds is as in `write_panda_set`."""

    root: Path
    phantom: Phantom
    unmasked: frozenset[int]
    coarsening: float

    def write(self, index: int, slide: Slide) -> dict[str, object]:
        """Write one slide, and its mask if it has one; its row of the table."""
        provider = PROVIDERS[index % len(PROVIDERS)]
        name = image_id(self.phantom.seed, index)
        draw = Draw(name="panda", phantom=self.phantom, data=Data(), scanner=provider.scanner)
        um_per_px = provider.um_per_px * self.coarsening
        picture = draw.slide(index, slide).render(um_per_px)
        image = _encode_pyramid(_average(picture.image), um_per_px, is_lossy=True)
        write_bytes(self.root / "train_images" / f"{name}.tiff", image, is_durable=False)
        if index not in self.unmasked:
            values = np.zeros_like(picture.image)
            values[..., 0] = mask_values(picture, provider)
            mask = _encode_pyramid([values[::s, ::s] for s in _STEPS], um_per_px, is_lossy=False)
            path = self.root / "train_label_masks" / f"{name}_mask.tiff"
            write_bytes(path, mask, is_durable=False)
        assert slide.primary is not None and slide.secondary is not None
        score = f"{slide.primary}+{slide.secondary}" if slide.primary else provider.benign
        isup = isup_group(slide.primary, slide.secondary)
        return dict(zip(COLUMNS, (name, provider.name, isup, score), strict=True))


def image_id(seed: int, index: int) -> str:
    """Name of a slide: 32 hexadecimal digits."""
    return seeds.numpy_generator(seed, "panda", "id", index).bytes(16).hex()


def mask_values(picture: Picture, provider: Provider) -> Pixels:
    """What a provider's mask holds, uint8 [H, W].

    Radboud: 0 glass, 1 stroma and lumina, 2 benign epithelium, 3 to 5 epithelium by grade.
    Karolinska: 0 glass, 1 benign tissue, 2 the territory of cancer, of whatever grade.
    """
    if provider.name == "radboud":
        values = np.where(picture.epithelium, _EPITHELIUM[picture.mask], 1)
    else:
        values = np.where(picture.mask == Label.NC, 1, 2)
    return np.where(picture.tissue, values, 0).astype(np.uint8)


def _average(image: Pixels) -> list[Pixels]:
    """An image at every level, averaged."""
    whole = Image.fromarray(image)
    return [np.asarray(whole.reduce(step)) for step in _STEPS]


def _encode_pyramid(levels: Sequence[Pixels], um_per_px: float, *, is_lossy: bool) -> bytes:
    """A tiled TIFF, a page for each level [H, W, 3]; resolution tags say how wide pixels are."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for number, (pixels, step) in enumerate(zip(levels, _STEPS, strict=True)):
            writer.write(
                pixels,
                photometric="rgb",
                compression="jpeg" if is_lossy else "lzw",
                compressionargs={"level": _QUALITY} if is_lossy else None,
                tile=(_TILE, _TILE),
                subfiletype=1 if number else 0,
                resolution=(1e4 / (um_per_px * step),) * 2,
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return buffer.getvalue()


def _encode_rows(rows: Sequence[dict[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: str(row["image_id"])))
    return text.getvalue().encode()
