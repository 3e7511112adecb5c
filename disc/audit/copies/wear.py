"""Planted copies, worn as a generator would wear them: softened, flipped, restained, in part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from disc.audit.copies.pictures import NUM_VERSIONS, Tiles
from disc.data.pixels.images import encode_jpeg
from disc.evaluate.gradients import LUMINANCE
from disc.seeds import numpy_generator
from disc.train.draws import transform

Pixels = npt.NDArray[np.uint8]
WEARS = ("flipped", "restained", "shifted", "half", "quarter", "moved")
"""Kinds of planted copies: a whole tile turned; with another stain; shifted by a quarter or half;
one half in another tile; a window of half the side in another tile; shifted by any number of pixels
up to half, mostly off the grid that is searched."""
TEXTS = {
    "flipped": "whole tiles, flipped or rotated",
    "restained": "whole tiles, with another stain",
    "shifted": "tiles shifted by a quarter or half, the rest of another tile",
    "half": "half of a tile in another",
    "quarter": "a quarter of a tile in another",
    "moved": "tiles shifted by any number of pixels up to half, the rest of another tile",
}
MAX_SOFTNESS = 4.0
_SAMPLE = 200


def energy(images: Pixels) -> float:
    """Mean squared difference of neighbouring grey values of tiles uint8 [N, H, W, 3]."""
    grey = images @ LUMINANCE
    return float(np.square(np.diff(grey, axis=1)).mean() + np.square(np.diff(grey, axis=2)).mean())


def find_softness(real: Tiles, synthetic: Tiles, *, seed: int) -> float:
    """Deviation in pixels of the blur that makes real tiles as soft as synthetic ones; 0: none."""
    rng = numpy_generator(seed, "softness")
    some, others = (
        part[rng.choice(len(part), min(_SAMPLE, len(part)), replace=False)]
        for part in (real, synthetic)
    )
    wanted, low, high = energy(others), 0.0, MAX_SOFTNESS
    if energy(some) <= wanted:
        return 0.0
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if energy(soften(some, middle)) > wanted else (low, middle)
    return (low + high) / 2


def soften(images: Pixels, deviation: float) -> Pixels:
    """Tiles uint8 [N, H, W, 3] blurred by a Gaussian of a deviation in pixels."""
    if deviation <= 0:
        return images
    blurred = ndimage.gaussian_filter(images.astype(np.float32), (0, deviation, deviation, 0))
    result: Pixels = np.rint(blurred).clip(0, 255).astype(np.uint8)
    return result


def plant(
    kind: str, images: Pixels, hosts: Pixels, softness: float, rng: np.random.Generator
) -> Pixels:
    """Copies of tiles uint8 [N, H, W, 3], or of parts of them in host tiles, worn and compressed.

    Args:
        kind: of `WEARS`.
        images: to be copied.
        hosts: other tiles, [N, H, W, 3], of which parts remain.
        softness: deviation in pixels of a blur.
        rng: of turns, places and stain.
    """
    soft, around = soften(images, softness), soften(hosts, softness)
    worn = []
    for image, host in zip(soft, around, strict=True):
        turned = transform(image, int(rng.integers(NUM_VERSIONS)))
        if kind == "restained":
            turned = _restain(turned, rng)
        elif kind != "flipped":
            turned = _join(kind, turned, host, rng)
        worn.append(recompress(turned))
    return np.stack(worn)


def recompress(image: Pixels) -> Pixels:
    """A tile as it is after it was written and read."""
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(encode_jpeg(np.ascontiguousarray(image)))))


def _restain(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Every channel's optical density times a factor of its own."""
    factor = np.exp(rng.normal(0, 0.15, 3))
    light = np.maximum(image, 1) / 255
    result: Pixels = np.rint(255 * light**factor).astype(np.uint8)
    return result


def _join(kind: str, image: Pixels, host: Pixels, rng: np.random.Generator) -> Pixels:
    """Part of a tile in another."""
    joined, px = host.copy(), len(host)
    if kind in ("shifted", "moved"):
        steps = rng.integers(1, px // 2 + 1, 2) if kind == "moved" else _shift(rng) * px // 4
        down, across = (int(part) for part in steps)
        joined[down:, across:] = image[: px - down, : px - across]
    elif kind == "half":
        joined[: px // 2] = image[: px // 2]
    else:
        y, x = (int(part) for part in rng.choice([0, px // 2], 2))
        joined[y : y + px // 2, x : x + px // 2] = image[y : y + px // 2, x : x + px // 2]
    return joined


def _shift(rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Quarters of a tile, down and across; not both 0."""
    shift = rng.integers(0, 3, 2)
    return shift if shift.any() else _shift(rng)
