"""Pictures as files that say what they are: a PNG with text, and a zip to keep."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import disc
from disc.data.pixels.images import encode_mask
from disc.labels import GRADES, IGNORE, NAMES
from disc.studio.pictures import Picture, judge

SYNTHETIC = "Synthetic: generated from a mask, of no patient. Not for diagnosis."
_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Of all files in a zip, so that the same picture gives the same bytes."""


def pack_tile(picture: Picture) -> bytes:
    """The tile as PNG, whose text says that it is synthetic, and how it was made."""
    text = PngInfo()
    text.add_text("Software", f"disc-gleason {disc.__version__}")
    text.add_text("Description", SYNTHETIC)
    text.add_text("Comment", json.dumps(picture.facts))
    buffer = io.BytesIO()
    Image.fromarray(picture.tile).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def pack_picture(picture: Picture, um_per_px: float | None) -> bytes:
    """A zip: the tile, its mask in SICAPv2's values, and what both are."""
    stem = name_picture(picture)
    files = {
        f"{stem}/images/{stem}.png": pack_tile(picture),
        f"{stem}/masks/{stem}.png": encode_mask(picture.mask),
        f"{stem}/{stem}.json": (
            json.dumps(_describe(picture, um_per_px), indent=2) + "\n"
        ).encode(),
    }
    if picture.reading is not None:
        files[f"{stem}/readings/{stem}.png"] = encode_mask(picture.reading)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), data)
    return buffer.getvalue()


def name_picture(picture: Picture) -> str:
    """A file's stem that tells pictures apart."""
    plan = picture.facts["plan"].replace("@", "-").replace(":", "-")
    return f"{picture.facts['variant']}_{plan}_seed{picture.facts['seed']}"


def encode_labels(labels: npt.NDArray[np.uint8] | None) -> bytes:
    """Labels as raw bytes, row by row; none where there are none."""
    return b"" if labels is None else np.ascontiguousarray(labels).tobytes()


def _describe(picture: Picture, um_per_px: float | None) -> dict[str, Any]:
    values = {str(grade): NAMES[label] for label, grade in GRADES.items()}
    return {
        "about": SYNTHETIC,
        "disc": disc.__version__,
        **picture.facts,
        "tile_px": len(picture.mask),
        "um_per_px": um_per_px,
        "mask_values": {**values, str(IGNORE): "unknown"},
        "referee": judge(picture),
    }
