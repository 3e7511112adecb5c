"""The process that the fuzzer feeds: `kind<tab>path` in, one line of JSON out, until it is killed.

JSON: what became of the file (`read`, `refused`, `failed`), and what was read (a digest) or said.
"""

import hashlib
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from disc.data.pixels.images import read_image, read_mask
from disc.data.pixels.mask_values import RADBOUD
from disc.data.readers.sicapv2_tables import read_partition, read_slides
from disc.data.readers.slide_table import read_slide_table
from disc.data.wsi.annotation import Annotation
from disc.data.wsi.coordinates import read_coordinates
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.grade.features import read_features

SIDE = 64
SLIDE = "slide-one.tiff"
"""What masks of slides were drawn on; it stays sound."""


def read_scan(path: Path) -> tuple[float, bytes, bytes, bytes]:
    """Every pixel of a small slide, a box on it, and values of a mask."""
    scan = Scan(path)
    places = (np.arange(min(64, scan.width)), np.arange(min(64, scan.height)))
    whole, box = scan.read_whole(4.0), scan.read(40, 60, (SIDE, SIDE), 2.5)
    return scan.um_per_px, whole.tobytes(), box.tobytes(), scan.values(*places).tobytes()


def read_drawing(path: Path) -> bytes:
    """Labels of a box, stroma given to epithelium."""
    beside = path.parent / SLIDE
    slide = Scan(beside if beside.exists() else path.parent / "sound" / SLIDE)
    return Annotation(path, RADBOUD, slide, reach_um=50).read(0, 0, (150, 125), 4.0).tobytes()


def read_places(path: Path) -> tuple[str, bytes, float]:
    """Squares on a slide; the digest is of their values, not of the object."""
    found = read_coordinates(path)
    return found.slide, found.xy.tobytes(), found.side


READERS: dict[str, Callable[[Path], object]] = {
    "tile": lambda path: read_image(path, SIDE).tobytes(),
    "mask": lambda path: read_mask(path, SIDE, of=path).tobytes(),
    "scores": read_slides,
    "labels": read_partition,
    "cases": read_slide_table,
    "table": read_slide_table,
    "slide": read_scan,
    "drawing": read_drawing,
    "features": lambda path: read_features(path).tobytes(),
    "places": read_places,
}
"""By what is before the dash in a file's name."""


def read(kind: str, path: Path) -> tuple[str, str]:
    """What the command makes of a file; it prints the errors below as one line, exit code 2."""
    try:
        found = READERS[kind](path)
    except (BadInput, OSError) as error:
        is_one_line = path.name in str(error) and "\n" not in str(error)
        return ("refused" if is_one_line else "failed"), str(error)
    except Exception:
        return "failed", traceback.format_exc()
    return "read", hashlib.sha256(repr(found).encode()).hexdigest()


def main() -> None:
    """Answer until standard input ends."""
    for line in sys.stdin:
        kind, path = line.rstrip("\n").split("\t")
        print(json.dumps(read(kind, Path(path))), flush=True)


if __name__ == "__main__":
    main()
