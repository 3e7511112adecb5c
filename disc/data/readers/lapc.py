"""LAPC (Cedars-Sinai) as it is handed out: JPEG images and PNG masks of equal stem."""

from __future__ import annotations

from dataclasses import replace

from disc.data.pixels.mask_values import LAPC
from disc.data.readers.folder import gather
from disc.data.readers.source import LAPC_IMAGES, LAPC_MASKS, Source
from disc.data.tables.image_files import list_images
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput

_IMAGES = (LAPC_IMAGES, "images", "jpg")
_MASKS = (LAPC_MASKS, "masks", "mask")


def read_lapc(source: Source) -> TileSet:
    """Every image with its mask, listed; nothing is opened but a table, if one is given.

    Images are in one folder, or in a subfolder for each patient. Copies differ in what their
    values mean (0 is GG3, not background); `values` says so where it is not LAPC's.

    Args:
        source: `images` and `masks` name the two folders; none: those of the delivery.

    Raises:
        FileNotFoundError: if a folder is missing.
        BadInput: if there is no image, or no mask of any.
    """
    images = source.images or _first_folder(source, _IMAGES, "--images")
    masks = (source.masks or (_first_folder(source, _MASKS, "--masks"),))[0]
    listing = list_images(source.root / images, {".jpg", ".jpeg"}, deep=True)
    drawn = list_images(source.root / masks, {".png"}, deep=True).images
    if not listing.images:
        raise BadInput(f"{source.root / images}: no images in it; expected .jpg, .jpeg")
    if not drawn.keys() & listing.images.keys():
        first = next(iter(listing.images))
        raise BadInput(f"{source.root / masks}: no mask of any image; expected {first}.png")
    known = source if source.values else replace(source, values=LAPC.grades)
    notes = listing.notes() if images != masks else []
    return gather(known, source.root / images, listing.images, {masks: drawn}, notes)


def _first_folder(source: Source, names: tuple[str, ...], option: str) -> str:
    for name in names:
        if (source.root / name).is_dir():
            return name
    raise BadInput(f"{source.root}: has none of {', '.join(names)}; name the folder with {option}")
