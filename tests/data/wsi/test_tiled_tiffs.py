"""Plain tiles decoded without OpenSlide, against OpenSlide itself on the same files."""

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from disc.data.wsi.tiled_tiffs import TiledTiff

HEIGHT, WIDTH, STEP = 200, 264, 4
Region = tuple[tuple[int, int], int, tuple[int, int]]
REGIONS: list[Region] = [
    ((0, 0), 0, (64, 64)),
    ((37, 21), 0, (150, 101)),
    ((WIDTH - 30, HEIGHT - 20), 0, (30, 20)),
    ((40, 80), 1, (25, 30)),
]
"""A tile, parts of several, the corner where tiles are cut off, and a part of the coarser level."""
BEYOND: list[Region] = [
    ((-8, 4), 0, (32, 32)),
    ((WIDTH - 16, HEIGHT - 16), 0, (32, 32)),
    ((41, 80), 1, (8, 8)),
]
"""Outside of the slide, and between the pixels of the coarser level."""
PLAIN = {
    "none": {},
    "lzw": {"compression": "lzw"},
    "deflate": {"compression": "adobe_deflate"},
    "jpeg": {"compression": "jpeg"},
    "jpeg of RGB": {"compression": "jpeg", "compressionargs": {"outcolorspace": "rgb"}},
    "grey": {"compression": "lzw", "photometric": "minisblack"},
    "white is 0": {"compression": "lzw", "photometric": "miniswhite"},
    "predictor": {"compression": "lzw", "predictor": True},
    "on its side": {"extratags": [(274, 3, 1, 3, True)]},
}
ODD = {"white is 0", "predictor", "on its side"}
"""What is left to OpenSlide."""


def save(path: Path, **how: object) -> Path:
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    picture = np.kron(steps, np.ones((8, 8, 1), np.uint8))
    if how.get("photometric"):
        picture = picture[..., 0]
    with tifffile.TiffWriter(path) as writer:
        for step in (1, STEP):
            kind = {"photometric": "rgb", "subfiletype": int(step > 1), **how}
            writer.write(np.ascontiguousarray(picture[::step, ::step]), tile=(64, 64), **kind)
    return path


def read(slide: openslide.OpenSlide, region: Region) -> np.ndarray | str:
    """Pixels with their transparency, or that there are none."""
    try:
        return np.asarray(slide.read_region(*region).convert("RGBA"))
    except openslide.OpenSlideError:
        return "damaged"


@pytest.mark.parametrize("kind", PLAIN)
def test_the_same_pixels(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / "a.tiff", **PLAIN[kind])
    ours, theirs = TiledTiff(path), openslide.OpenSlide(path)
    assert ours.level_count == 2
    for region in [*REGIONS, *BEYOND]:
        assert np.array_equal(read(ours, region), read(theirs, region)), region
    is_own = ours.read_region(*REGIONS[0]).mode != "RGBA"
    assert is_own == (kind not in ODD)
    assert ours.read_region(*BEYOND[0]).mode == "RGBA"


@pytest.mark.parametrize("kind", ["lzw", "deflate", "jpeg"])
def test_damage_is_found_where_openslide_finds_it(tmp_path: Path, kind: str) -> None:
    """Bytes of tiles overwritten, one place after the other; OpenSlide has the last word."""
    path = save(tmp_path / "a.tiff", **PLAIN[kind])
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        starts, counts = page.dataoffsets, page.databytecounts
    sound, rng, found = path.read_bytes(), np.random.default_rng(1), []
    for _ in range(40):
        tile = int(rng.integers(len(starts)))
        place = starts[tile] + int(rng.integers(counts[tile] - 4))
        path.write_bytes(sound[:place] + rng.bytes(4) + sound[place + 4 :])
        whole: Region = ((0, 0), 0, (WIDTH, HEIGHT))
        theirs = read(openslide.OpenSlide(path), whole)
        found.append(isinstance(theirs, str))
        assert np.array_equal(read(TiledTiff(path), whole), theirs)
    assert any(found)


def test_missing_tiles_are_openslides(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", **PLAIN["lzw"])
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages.first.tags
        for name in ("TileByteCounts", "TileOffsets"):
            tags[name].overwrite((0, *tags[name].value[1:]))
    slides = TiledTiff(path), openslide.OpenSlide(path)
    ours, theirs = (read(slide, REGIONS[0]) for slide in slides)
    assert np.array_equal(ours, theirs)
    assert slides[0].read_region((64, 64), 0, (64, 64)).mode == "RGB"
