"""What ImageJ says of the scale of an image that it saved as TIFF."""

from __future__ import annotations

from pathlib import Path

import tifffile

from disc.data.wsi.lengths import is_known, read_width
from disc.files import BadInput


def read_imagej_scale(path: Path) -> tuple[float, float] | None:
    """Width and height of a pixel in micrometres; None: ImageJ did not save it, or does not say.

    ImageJ has its own word for the unit, in the description, and people type what they like there:
    what is no length ("sec") says nothing. The tag ResolutionUnit, which other programs read,
    knows inches and centimetres alone.

    Raises:
        BadInput: if a stack says so: it is no slide.
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
    if not all(map(is_known, units)):
        return None
    where = f"{path}: ImageJ's description has its resolution"
    widths = [
        read_width(str(lengths / pixels), unit, where)
        for (pixels, lengths), unit in zip(counts, units, strict=True)
    ]
    if not all(widths):
        return None
    # One image of colours has no count.
    if (num_images := int(said.get("images", 1))) > 1:
        raise BadInput(
            f"{path}: a stack of {num_images} images that ImageJ saved; expected one image, the "
            "slide; save that alone"
        )
    return widths[0], widths[1]
