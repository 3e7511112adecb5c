"""The map as an OME-TIFF with coarser copies, as Bio-Formats and QuPath read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from disc.data.pixels.mask_colours import colour_table
from disc.labels import IGNORE, NUM_LABELS, Label
from disc.slides.reading.canvas import Canvas
from disc.slides.reading.map_grid import Box

TILE_PX = 256
_BIG_BYTES = 2**31
Pixels = npt.NDArray[np.uint8]


def write_map(path: Path, levels: Sequence[Canvas], um_per_px: float, identity: str) -> None:
    """Write two images: probabilities, a channel a label, 0 to 255; and labels with a palette.

    Nothing is scaled to what a slide happens to hold: 255 is a probability of 1 everywhere. In the
    labels 255 is what has no tissue, or could not be read.

    Args:
        path: of the file.
        levels: the map, finest first.
        um_per_px: width of its pixels.
        identity: UUID of the file, for tifffile's own differs each time.
    """
    size = {
        "PhysicalSizeX": um_per_px,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": um_per_px,
        "PhysicalSizeYUnit": "µm",
    }
    names = [f"probability {label.name}" for label in Label]
    is_big = levels[0].width * levels[0].height * (NUM_LABELS + 1) > _BIG_BYTES
    with tifffile.TiffWriter(path, ome=True, bigtiff=is_big) as writer:
        _write_image(
            writer,
            levels,
            range(NUM_LABELS),
            {
                **size,
                "UUID": identity,  # the first image's metadata are the file's, too
                "axes": "CYX",
                "Name": "probabilities",
                "Channel": {"Name": names},
            },
            "minisblack",
        )
        _write_image(
            writer,
            levels,
            range(NUM_LABELS, NUM_LABELS + 1),
            {**size, "axes": "YX", "Name": "labels"},
            "palette",
        )


def palette() -> npt.NDArray[np.uint16]:
    """Colours of the label map as TIFF has them, uint16 [3, 256]; no tissue is white."""
    table = colour_table().astype(np.uint16)
    table[IGNORE] = 255
    return np.ascontiguousarray(table.T * np.uint16(257))


def _write_image(
    writer: tifffile.TiffWriter,
    levels: Sequence[Canvas],
    planes: range,
    metadata: dict[str, object],
    photometric: str,
) -> None:
    colours = {"colormap": palette()} if photometric == "palette" else {}
    for number, level in enumerate(levels):
        shape = (level.height, level.width)
        writer.write(
            _tiles(level, planes),
            shape=shape if len(planes) == 1 else (len(planes), *shape),
            dtype=np.uint8,
            tile=(TILE_PX, TILE_PX),
            photometric=photometric,
            compression="zlib",
            subfiletype=1 if number else 0,
            subifds=None if number else len(levels) - 1,
            metadata=None if number else metadata,
            **colours,
        )


def _tiles(level: Canvas, planes: range) -> Iterator[Pixels]:
    for plane in planes:
        for y in range(0, level.height, TILE_PX):
            for x in range(0, level.width, TILE_PX):
                width, height = min(TILE_PX, level.width - x), min(TILE_PX, level.height - y)
                tile = np.full((TILE_PX, TILE_PX), 0 if plane < NUM_LABELS else IGNORE, np.uint8)
                tile[:height, :width] = level.read(Box(x, y, width, height))[plane]
                yield tile
