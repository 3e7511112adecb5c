"""What ImageJ says of the scale of an image that it saved as TIFF."""

from __future__ import annotations

from pathlib import Path

import tifffile

from disc.data.wsi.lengths import read_width


def read_imagej_scale(path: Path) -> tuple[float, float] | None:
    """Width and height of a pixel in micrometres; None: ImageJ did not save it, or does not say.

    ImageJ has its own word for the unit, in the description; the tag ResolutionUnit, which other
    programs read, knows inches and centimetres alone.

    Raises:
        BadInput: if its unit is unknown.
        Exception: of any kind, if the file is damaged.
    """
    with tifffile.TiffFile(path) as file:
        said = file.imagej_metadata
        tags = file.pages.first.tags
        counts = [tags.valueof(f"{axis}Resolution", default=(0, 1)) for axis in "XY"]
    if said is None or not all(pixels for pixels, _ in counts):
        return None
    across = str(said.get("unit", ""))
    units = across, str(said.get("yunit", across))
    where = f"{path}: ImageJ's description has its resolution"
    widths = [
        read_width(str(lengths / pixels), unit, where)
        for (pixels, lengths), unit in zip(counts, units, strict=True)
    ]
    return (widths[0], widths[1]) if all(widths) else None
