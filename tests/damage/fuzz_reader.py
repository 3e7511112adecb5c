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

from disc.data.images import read_image, read_mask
from disc.data.panda import read_cases
from disc.data.sicapv2_tables import read_slides
from disc.data.slides import Scan
from disc.files import BadInput
from disc.grade.features import read_features

SIDE = 64


def read_scan(path: Path) -> tuple[float, bytes, bytes]:
    """Every pixel of a small slide, and values of a mask."""
    scan = Scan(path)
    places = (np.arange(min(64, scan.width)), np.arange(min(64, scan.height)))
    whole = scan.read_whole(4.0)
    return scan.um_per_px, whole.tobytes(), scan.values(*places).tobytes()


READERS: dict[str, Callable[[Path], object]] = {
    "jpg": lambda path: read_image(path, SIDE).tobytes(),
    "png": lambda path: read_mask(path, SIDE, of=path).tobytes(),
    "xlsx": read_slides,
    "csv": read_cases,
    "tiff": read_scan,
    "h5": lambda path: read_features(path).tobytes(),
}


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
