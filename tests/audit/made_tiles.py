"""Stained texture for tests of the audit: large fields, one a patient, cut with half overlap."""

from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from disc.audit.sets import AuditSet, hold_arrays
from disc.data.tiles.records import Slide
from disc.data.writing.set_writer import SetWriter, format_name

SIDE = 64


@cache
def draw_field(seed, side=256):
    """A field uint8 [side, side, 3] and its labels, which say how coarse its texture is."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(side, side)), 24, mode="wrap")
    order = np.argsort(np.argsort(smooth.ravel())).reshape(smooth.shape)
    labels = (4 * order // smooth.size).astype(np.uint8)
    density = np.zeros((side, side))
    for label, deviation in enumerate((1.0, 1.6, 2.4, 3.4)):
        noise = ndimage.gaussian_filter(rng.normal(size=(side, side)), deviation, mode="wrap")
        # labels fade into each other: a hard border would be a seam
        share = ndimage.gaussian_filter((labels == label).astype(float), 3, mode="wrap")
        density += share * noise / noise.std()
    density = 0.3 + 0.1 * density[..., None] * (1.0, 1.3, 0.8)
    # what differs between the stains, as in tissue
    density += 0.01 * rng.normal(size=density.shape)
    light = 255 * 10 ** -density.clip(0.01, 1.5)
    return np.rint(light).astype(np.uint8), labels


def cut(field, px=SIDE):
    """Tiles of a field that overlap by half."""
    places = range(0, len(field) - px + 1, px // 2)
    return np.stack([field[y : y + px, x : x + px] for y in places for x in places])


def make_tiles(patients, start=0, side=256, px=SIDE):
    """Tiles, masks and patients."""
    drawn = [draw_field(start + number, side) for number in range(patients)]
    images, masks = (np.concatenate([cut(field[k], px) for field in drawn]) for k in (0, 1))
    owners = np.repeat([f"P{start + n}" for n in range(patients)], len(images) // patients)
    return images, masks, owners


def make_set(name, patients, start=0, side=256) -> AuditSet:
    """The same as an audit holds it."""
    return hold_arrays(name, *make_tiles(patients, start, side=side), 4.0)


def write_set(root: Path, images, masks, owners, um_per_px=4.0) -> Path:
    """The same as a data set in the SICAPv2 layout; every patient has one slide."""
    writer = SetWriter(root, um_per_px=um_per_px)
    names = []
    for number, (image, mask, owner) in enumerate(zip(images, masks, owners, strict=True)):
        names.append(format_name(owner, (0, number), 256 * number, 0))
        writer.add(names[-1], image, mask)
    slides = [
        Slide(slide_id=o, patient_id=o, primary=3, secondary=3) for o in dict.fromkeys(owners)
    ]
    writer.finish(slides, {"Test/Train": [slide.slide_id for slide in slides]}, {})
    return root
