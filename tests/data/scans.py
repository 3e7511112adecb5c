"""A small generated slide with its mask, written with tifffile only."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile

UM = 0.5
"""Micrometres per level-0 pixel."""
WIDTH, HEIGHT = 1536, 3584
VALUES = {0: (244, 243, 244), 1: (225, 150, 190), 3: (150, 90, 180), 4: (190, 60, 120)}
"""Colour on the slide of every value in the mask: glass, stroma, GG3, GG4."""


@cache
def draw_mask() -> np.ndarray:
    """An oval core, 0.6 x 1.6 mm, of stroma with blocks of GG3 and GG4, uint8 [H, W]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    core = ((x - WIDTH / 2) / 600) ** 2 + ((y - HEIGHT / 2) / 1600) ** 2 < 1
    blocks = (x // 256 + y // 256) % 4
    mask = np.where(core, np.array([1, 3, 1, 4])[blocks], 0).astype(np.uint8)
    mask.flags.writeable = False
    return mask


def generate(mask: np.ndarray) -> np.ndarray:
    """The slide, uint8 [H, W, 3]: a colour for every value."""
    table = np.zeros((256, 3), np.uint8)
    for value, colour in VALUES.items():
        table[value] = colour
    return table[mask]


def save_pyramid(path: Path, image: np.ndarray, *, um: float | None = UM) -> None:
    """Levels 1, 1/4, as pages of a tiled TIFF; `um` goes into the resolution tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as writer:
        for level, pixels in enumerate((image, image[::4, ::4])):
            tags = {} if um is None else {"resolution": (1e4 / (um * 4**level),) * 2}
            writer.write(
                pixels,
                tile=(256, 256),
                photometric="rgb" if pixels.ndim == 3 else "minisblack",
                compression="lzw",
                subfiletype=level and 1,
                resolutionunit="CENTIMETER" if um else "NONE",
                **tags,
            )


def save_slide(root: Path, name: str, *, step: int = 1) -> None:
    """`slides/<name>.tiff` and `masks/<name>_mask.tiff`, the value in the first of 3 channels."""
    slide, mask = encode_slide(step)
    for path, data in ((f"slides/{name}.tiff", slide), (f"masks/{name}_mask.tiff", mask)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


@cache
def encode_slide(step: int) -> tuple[bytes, bytes]:
    """The files of a slide and its mask, made once: dozens of tests write the same ones."""
    mask = draw_mask()[::step, ::step]
    channels = np.stack([mask, np.zeros_like(mask), np.zeros_like(mask)], -1)
    with TemporaryDirectory() as folder:
        slide, labels = Path(folder) / "slide.tiff", Path(folder) / "mask.tiff"
        save_pyramid(slide, generate(mask), um=UM * step)
        save_pyramid(labels, channels, um=None)
        return slide.read_bytes(), labels.read_bytes()
