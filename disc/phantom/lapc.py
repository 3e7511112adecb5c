"""A simulated set in the layout of LAPC (Cedars-Sinai): patches and masks, a folder a patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from disc import seeds
from disc.data.pixels.images import encode_jpeg, encode_png
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import Pixels
from disc.files import sync_all, write_bytes
from disc.phantom.cases import draw_slides
from disc.phantom.core import MARGIN_UM
from disc.phantom.drawing import Picture, draw_slide
from disc.phantom.sets import draw_each
from disc.phantom.stain import Scanner
from disc.settings.phantom import Phantom

UM_PER_PX = 0.5
SIDE_PX = 1200
SCANNER = Scanner(
    white=(0.94, 0.94, 0.92), haematoxylin=0.9, eosin=0.95, tint=(-0.04, 0.03, 0.04), blur_um=0.8
)
"""The laboratory: bluer haematoxylin, a warm lamp."""
_GLANDS = np.array([3, 0, 1, 2], np.uint8)
"""Value of a gland (with its lumen), by label."""
_STROMA = 4
_CLEAR_UM = 60.0
"""Tissue kept around a patch: the edge of a block waves."""


def write_lapc_set(
    root: Path,
    phantom: Phantom,
    *,
    side_px: int = SIDE_PX,
    num_patches: int = 2,
    processes: int = 1,
) -> None:
    """Write `jpg_nameless/<patient>/<stem>.jpg` and `mask_nameless/<patient>/<stem>.png`.

    Args:
        root: folder of the new set.
        phantom: what is drawn; `external_slides` says of how many slides.
        side_px: side of a patch.
        num_patches: patches of a slide, side by side.
        processes: as in `write_training_set`.
    """
    rng = seeds.numpy_generator(phantom.seed, "cases", "lapc")
    slides = draw_slides(rng, phantom.external_slides, year=21, first_patient=1)
    writer = _Writer(root, phantom, side_px, num_patches)
    list(draw_each(writer.write, slides, "lapc", processes))
    sync_all()


@dataclass(frozen=True)
class _Writer:
    """Writes patches; what it holds is as in `write_lapc_set`."""

    root: Path
    phantom: Phantom
    side_px: int
    num_patches: int

    def write(self, index: int, slide: Slide) -> None:
        """Draw a block of tissue that holds all patches of a slide, and write them."""
        assert slide.primary is not None and slide.secondary is not None
        side = self.side_px * UM_PER_PX
        # A core is at least .85 as wide and .80 as long as requested.
        block = (side + 2 * _CLEAR_UM) / 0.85, (self.num_patches * side + 2 * _CLEAR_UM) / 0.80
        drawing = draw_slide(
            seeds.numpy_generator(self.phantom.seed, "slide", "lapc", index),
            (slide.primary, slide.secondary),
            core_um=block,
            annotation_noise=self.phantom.annotation_noise,
            scanner=SCANNER,
        )
        patient = f"patient{int(slide.patient_id):03d}"
        for number in range(self.num_patches):
            place = MARGIN_UM + _CLEAR_UM, MARGIN_UM + _CLEAR_UM + number * side
            picture = drawing.render(UM_PER_PX, (*place, side, side))
            path = Path(patient) / f"{patient}_{index:03d}_{number:02d}"
            image, mask = encode_jpeg(picture.image), encode_png(mask_values(picture))
            image_path = self.root / "jpg_nameless" / path.with_suffix(".jpg")
            write_bytes(image_path, image, is_durable=False)
            mask_path = self.root / "mask_nameless" / path.with_suffix(".png")
            write_bytes(mask_path, mask, is_durable=False)


def mask_values(picture: Picture) -> Pixels:
    """0 GG3, 1 GG4, 2 GG5, 3 benign gland, 4 stroma and everything else: uint8 [H, W]."""
    return np.where(picture.gland, _GLANDS[picture.mask], _STROMA).astype(np.uint8)
