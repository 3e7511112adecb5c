"""Which files are opened, by which reader, and what is refused by its header."""

import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from disc.data.wsi.formats import open_pyramid
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from tests.data.scans import draw_mask, generate, save_pyramid

PICTURE = generate(draw_mask())[::8, ::8]
GIGABYTES_2 = 2 * 2**30


def save_tiff(path: Path, pixels: np.ndarray, **how: object) -> None:
    kind = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"}
    tifffile.imwrite(path, pixels, **{**kind, **how})


def save_png(path: Path, header: tuple[int, ...], rows: bytes) -> None:
    """A PNG with any header: width, height, bits, kind, and three zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    pieces = chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    pieces += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + pieces)


def claim(path: Path, **sizes: int) -> None:
    """Change what a TIFF says of itself."""
    if not sizes:
        return
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for name, size in sizes.items():
            entry = file.pages.first.tags[name]
            struct.pack_into("<HIL", data, entry.offset + 2, 4, 1, size)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "how", "kind"),
    [
        ("a.tiff", {"tile": (64, 64)}, "TiledTiff"),
        ("a.tif", {"rowsperstrip": 16}, "TiffSlide"),
        ("a.png", {}, "_PlainSlide"),
        ("a.jpg", {"quality": 100, "subsampling": 0}, "_PlainSlide"),
    ],
)
def test_every_reader_shows_the_same(
    tmp_path: Path, name: str, how: dict[str, object], kind: str
) -> None:
    path = tmp_path / name
    if path.suffix in (".png", ".jpg"):
        Image.fromarray(PICTURE).save(path, **how)
    else:
        save_tiff(path, PICTURE, **how)
    opened = open_pyramid(path)
    assert type(opened).__name__ == kind
    scan = Scan(path, 4.0)
    found = scan.read(16, 24, (64, 48), 1.0).astype(int)
    assert np.abs(found - PICTURE[24:72, 16:80]).max() <= (12 if name == "a.jpg" else 0)
    beyond = scan.read(scan.width - 8, scan.height - 8, (16, 16), 1.0)
    assert (beyond[:, 8:] == 255).all() and (beyond[8:] == 255).all(), "outside is white"
    assert (scan.width, scan.height) == PICTURE.shape[1::-1]
    with pytest.raises(BadInput, match="give --mpp"):
        _ = Scan(path).um_per_px


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    alpha = np.full((*PICTURE.shape[:2], 1), 255, np.uint8)
    alpha[:40] = 0
    Image.fromarray(np.concatenate([PICTURE, alpha], -1)).save(tmp_path / "a.png")
    found = Scan(tmp_path / "a.png", 4.0).read(0, 0, PICTURE.shape[1::-1], 1.0)
    assert (found[:40] == 255).all() and np.array_equal(found[40:], PICTURE[40:])


def test_palette_of_a_mask_is_its_indices(tmp_path: Path) -> None:
    mask = draw_mask()[::8, ::8]
    image = Image.fromarray(mask)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    assert image.mode == "P"
    image.save(tmp_path / "mask.png")
    scan = Scan(tmp_path / "mask.png", is_mask=True)
    assert np.array_equal(scan.values(np.arange(scan.width), np.arange(scan.height)), mask)


def save_odd(folder: Path, what: str) -> Path:
    """Something that is not a slide of 8-bit colours."""
    grey = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    image = Image.fromarray(PICTURE)
    kind = what.split()[-1].lower()
    path = folder / f"a.{kind if kind in ('png', 'jpeg') else 'tiff'}"
    tiffs = {
        "16-bit TIFF": (np.repeat(grey[..., None], 3, -1), {}),
        "16-bit grey TIFF": (grey, {}),
        "grey TIFF": (PICTURE[..., 0], {}),
        "CMYK TIFF": (np.tile(PICTURE[..., :1], 4), {"photometric": "separated"}),
        "enormous tiles": (PICTURE[:64, :64], {}),
        "enormous strips": (PICTURE, {"tile": None, "rowsperstrip": PICTURE.shape[0]}),
    }
    modes = {"palette TIFF": "P", "palette PNG": "P", "grey PNG": "L", "CMYK JPEG": "CMYK"}
    if what in tiffs:
        pixels, how = tiffs[what]
        save_tiff(path, pixels, **{"tile": (64, 64), **how})
    elif what in modes:
        image.convert(modes[what]).save(path)
    elif what == "16-bit PNG":
        Image.fromarray(grey).save(path)
    elif what == "enormous PNG":
        save_png(path, (100_000, 100_000, 8, 2, 0, 0, 0), bytes(10**6))
    elif what == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"II*\0" if what == "cut header" else b"")
    claim(path, **CLAIMS.get(what, {}))
    return path


CLAIMS = {
    "enormous tiles": {"TileWidth": 16384, "TileLength": 16384},
    "enormous strips": {"ImageWidth": 9000, "ImageLength": 9000, "RowsPerStrip": 9000},
}
ODD = {
    "16-bit TIFF": "16-bit pixels; expected 8-bit",
    "16-bit grey TIFF": "16-bit pixels; expected 8-bit",
    "grey TIFF": "pixels are MINISBLACK; expected RGB or YCbCr",
    "CMYK TIFF": "pixels are SEPARATED; expected RGB",
    "palette TIFF": "pixels are PALETTE; expected RGB",
    "16-bit PNG": "16-bit pixels; expected 8-bit",
    "palette PNG": "pixels of mode P; expected RGB",
    "grey PNG": "pixels of mode L; expected RGB",
    "CMYK JPEG": "pixels of mode CMYK; expected RGB",
    "enormous strips": "tiles or strips have 81,000,000 px; expected at most",
    "enormous tiles": "tiles or strips have 268,435,456 px; expected at most",
    "enormous PNG": "its header claims an enormous image",
    "folder": "is a folder; expected the file of a slide or mask",
    "cut header": "not a slide that OpenSlide, tiffslide or Pillow reads",
    "empty": "not a slide that OpenSlide, tiffslide or Pillow reads",
}


@pytest.mark.parametrize("what", ODD)
def test_odd_files_are_refused_by_name(tmp_path: Path, what: str) -> None:
    path = save_odd(tmp_path, what)
    with pytest.raises(BadInput) as caught:
        Scan(path)
    assert str(caught.value).startswith(f"{path}: ") and ODD[what] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("what", ["16-bit grey TIFF", "palette TIFF", "16-bit PNG", "CMYK JPEG"])
def test_masks_with_other_values_than_they_seem_to_have(tmp_path: Path, what: str) -> None:
    with pytest.raises(BadInput, match="expected"):
        Scan(save_odd(tmp_path, what), is_mask=True)


def test_pixels_of_16_bits_that_pillow_hides(tmp_path: Path) -> None:
    """Pillow opens a 16-bit colour PNG as RGB of 8 bits."""
    path = tmp_path / "a.png"
    save_png(path, (8, 8, 16, 2, 0, 0, 0), bytes(8 * (1 + 6 * 8)))
    with Image.open(path) as image:
        assert image.mode == "RGB"
    with pytest.raises(BadInput, match="16-bit pixels"):
        Scan(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_permissions(tmp_path: Path) -> None:
    save_tiff(tmp_path / "a.tiff", PICTURE, tile=(64, 64))
    (tmp_path / "a.tiff").chmod(0)
    with pytest.raises(BadInput, match="may not be read; correct its permissions"):
        Scan(tmp_path / "a.tiff")


def test_a_header_of_100_000_px_takes_little_memory(tmp_path: Path) -> None:
    """A slide that says it is 100,000 x 100,000 px, without coarser levels; in 2 GiB in all."""
    path = tmp_path / "a.tiff"
    save_tiff(path, np.full((256, 256, 3), 200, np.uint8), tile=(256, 256))
    claim(path, ImageWidth=100_000, ImageLength=100_000)
    code = (
        "import sys; from pathlib import Path; from disc.data.wsi.scan import Scan\n"
        "try:\n    Scan(Path(sys.argv[1]), 0.5).read_whole(8.0)\n"
        "except ValueError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES_2, GIGABYTES_2)),
    )
    assert done.stdout.startswith(f"{path}: ") and len(done.stdout.splitlines()) == 1
    assert not done.stderr


@pytest.mark.parametrize("compression", ["lzw", "jpeg"])
def test_damaged_pyramids_are_refused_or_read(tmp_path: Path, compression: str) -> None:
    """Cut short, or with bits flipped: one line, or pixels; no other error."""
    whole, path = tmp_path / "whole.tiff", tmp_path / "a.tiff"
    save_tiff(whole, PICTURE, tile=(64, 64), compression=compression)
    sound, rng, num_refused = whole.read_bytes(), np.random.default_rng(0), 0
    with tifffile.TiffFile(whole) as file:
        tags = file.pages.first.tags
        first, last = min(t.offset for t in tags), max(t.offset for t in tags) + 12
    for number in range(24):
        data = bytearray(sound)
        if number % 4 == 0:
            data = data[: rng.integers(len(data))]
        else:
            # Half of the flips hit the header, where they do most harm.
            low, high = (first, last) if number % 2 else (0, len(data))
            data[rng.integers(low, high)] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            scan = Scan(path, 4.0)
            pixels = scan.read(0, 0, (min(scan.width, 512), min(scan.height, 512)), 1.0)
            assert pixels.dtype == np.uint8 and pixels.shape[-1] == 3
        except BadInput as error:
            num_refused += 1
            assert str(error).startswith(f"{path}: ")
    assert num_refused >= 6


def test_openslide_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiffslide, which brings zarr, is not imported for what OpenSlide reads."""
    save_pyramid(tmp_path / "a.tiff", PICTURE)
    monkeypatch.setitem(sys.modules, "tiffslide", None)
    assert isinstance(open_pyramid(tmp_path / "a.tiff"), openslide.OpenSlide)
