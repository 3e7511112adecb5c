"""OME-TIFF as Bio-Formats and tifffile write it: levels in SubIFDs, resolution in XML."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from disc.data.wsi import ome
from disc.data.wsi.lengths import read_width
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from tests.data.scans import draw_mask, generate

PICTURE = generate(draw_mask()[:1024, :768])


def save_ome(path: Path, **facts: object) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        how = {"photometric": "rgb", "tile": (128, 128), "compression": "zlib"}
        writer.write(PICTURE, subifds=2, metadata={"axes": "YXS", **facts}, **how)
        for step in (4, 16):
            writer.write(PICTURE[::step, ::step], subfiletype=1, **how)


@pytest.mark.parametrize(("size", "unit"), [(0.25, "µm"), (250.0, "nm"), (0.00025, "mm")])
def test_levels_and_resolution(tmp_path: Path, size: float, unit: str) -> None:
    path = tmp_path / "a.ome.tif"
    sides = {f"PhysicalSize{axis}": size for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    save_ome(path, **sides, **units)
    scan = Scan(path, 7.0)
    assert scan.um_per_px == pytest.approx(0.25)
    assert (scan.width, scan.height) == PICTURE.shape[1::-1]
    assert scan.level_for(4.0) == (1, 4.0, (192, 256))
    assert np.array_equal(scan.read(64, 32, (50, 40), 1.0), PICTURE[32:72, 64:114])
    assert np.array_equal(scan.read(64, 32, (50, 40), 4.0), PICTURE[32:192:4, 64:264:4])


def test_one_that_does_not_say_its_resolution(tmp_path: Path) -> None:
    save_ome(tmp_path / "a.ome.tif")
    with pytest.raises(BadInput, match="does not say how wide its pixels are; give --mpp"):
        _ = Scan(tmp_path / "a.ome.tif").um_per_px
    assert Scan(tmp_path / "a.ome.tif", 0.5).um_per_px == 0.5


def state(
    path: Path, unit: str = "µm", size: str = "0.5", *, quote: str = '"', add: str = ""
) -> Path:
    """An OME-TIFF with any XML, of pixels half a micrometre wide unless that is changed."""
    sides = " ".join(f'PhysicalSize{a}="{size}" PhysicalSize{a}Unit="{unit}"' for a in "XY")
    xml = (
        f'<?xml version="1.0"?>{add}<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels DimensionOrder="XYCZT" ID="Pixels:0" {sides} '
        'SizeC="3" SizeT="1" SizeX="768" SizeY="1024" SizeZ="1" Type="uint8">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData/></Pixels></Image></OME>'
    ).replace('"', quote)
    how = {"photometric": "rgb", "tile": (256, 256), "metadata": None}
    tifffile.imwrite(path, PICTURE, description=xml.encode(), **how)
    return path


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        *(
            ("&#181;m", "0.5"),
            ("\u03bcm", "0.5"),
            ("um", ".5"),
            ("micron", "5e-1"),
            (" µm ", "0.5"),
        ),
        *(("in", str(0.5 / 25400)), ("pm", "500000"), ("\u00c5", "5000"), ("\u212b", "5000")),
        *(("cm", "0.00005"), ("m", "5E-7"), ("ft", str(0.5 / 304800)), ("fm", "5e8")),
    ],
)
def test_what_the_xml_says_wins_however_it_is_written(tmp_path: Path, unit: str, size: str) -> None:
    """A regular expression took most of these for nothing said, and --mpp won."""
    path = state(tmp_path / "a.ome.tiff", unit, size)
    assert Scan(path, 0.25).um_per_px == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        *((word, 1.0) for word in ("micrometers", "micrometres", "Micron", "MICRONS", "µM", "Um")),
        *(("millimeter", 1e3), ("Millimetres", 1e3), ("mm", 1e3), ("Mm", 1e12), ("meters", 1e6)),
        *(("nanometer", 1e-3), ("inches", 25400.0), ("Inch", 25400.0), ("Feet", 304_800.0)),
    ],
)
def test_words_for_units(unit: str, expected: float) -> None:
    assert read_width("1", unit, "") == pytest.approx(expected)


@pytest.mark.parametrize("unit", ["MM", "NM", "CM", "sec", "furlong"])
def test_symbols_in_another_case_are_not_guessed(unit: str) -> None:
    with pytest.raises(BadInput, match=f"a: size in '{unit}'; expected a unit of length"):
        read_width("1", unit, "a: size")


@pytest.mark.parametrize("size", ["nan", "inf", "-inf", "-0.5", "1e300000", "1e308"])
def test_sizes_that_no_pixel_has(tmp_path: Path, size: str) -> None:
    """They were dropped, and --mpp won."""
    path = state(tmp_path / "a.ome.tiff", "mm", size)
    with pytest.raises(BadInput, match=rf"PhysicalSizeX '{size}'; expected a number, finite and"):
        Scan(path, 0.25)


def test_single_quotes_and_a_declaration(tmp_path: Path) -> None:
    path = state(tmp_path / "a.ome.tiff", quote="'")
    assert Scan(path, 0.25).um_per_px == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "furlong"}, r"OME-XML has PhysicalSizeX in 'furlong'; expected a unit of length"),
        ({"size": "0,5"}, r"OME-XML has PhysicalSizeX '0,5'; expected a number"),
        ({"add": '<!DOCTYPE OME [<!ENTITY a "b">]>'}, "declares a DOCTYPE or entities"),
        ({"unit": "<"}, "its OME-XML cannot be read"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_not_taken_as_unsaid(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    path = state(tmp_path / "a.ome.tiff", **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=rf"a\.ome\.tiff: .*{message}"):
        Scan(path, 0.25)


def test_a_mask_needs_no_resolution(tmp_path: Path) -> None:
    path = state(tmp_path / "a.ome.tiff", "furlong")
    assert Scan(path, is_mask=True).width == 768


def test_a_mask_need_not_be_found_in_the_xml(tmp_path: Path) -> None:
    """Once the largest image is known, the XML is asked for the width of pixels alone."""
    path = tmp_path / "a.ome.tif"
    how = {"photometric": "rgb", "tile": (128, 128), "metadata": {"axes": "YXS"}}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(PICTURE[::8, ::4], **how)
        writer.write(PICTURE, **how)
    said = tifffile.tiffcomment(path)
    assert said.count('SizeX="768"') == 1
    tifffile.tiffcomment(path, said.replace('SizeX="768"', 'SizeX=" 768"').encode())
    with pytest.raises(BadInput, match="lists no image of 768 x 1024 px"):
        Scan(path, 0.25)
    assert (scan := Scan(path, is_mask=True)).width == 768
    assert np.array_equal(scan.read(64, 32, (50, 40), 1.0), PICTURE[32:72, 64:114])


def test_pixels_are_no_length(tmp_path: Path) -> None:
    assert Scan(state(tmp_path / "a.ome.tiff", "pixel"), 0.25).um_per_px == 0.25


def test_an_endless_xml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ome, "MAX_XML", 99)
    with pytest.raises(BadInput, match=r"its OME-XML has \d+ characters; expected at most 99"):
        Scan(state(tmp_path / "a.ome.tiff"))


def test_tags_say_it_where_the_xml_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    how = {"photometric": "rgb", "tile": (128, 128), "metadata": {"axes": "YXS"}}
    at = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, PICTURE, ome=True, **how, **at)
    assert Scan(path, 0.25).um_per_px == pytest.approx(0.5)


@pytest.mark.parametrize("has_overview", [False, True])
def test_the_slide_is_the_largest_image(tmp_path: Path, has_overview: bool) -> None:
    """The label came first, so its 20 µm were the slide's."""
    path = tmp_path / "a.ome.tif"
    how = {"photometric": "rgb", "tile": (128, 128), "compression": "zlib"}
    widths = [20.0, 0.5, 8.0][: 2 + has_overview]
    with tifffile.TiffWriter(path, ome=True) as writer:
        for pixels, um in zip(
            (PICTURE[::8, ::4], PICTURE, PICTURE[::4, ::4]), widths, strict=False
        ):
            sides = {f"PhysicalSize{axis}": um for axis in "XY"}
            levels = 1 if um == 0.5 else 0
            writer.write(pixels, subifds=levels, metadata={"axes": "YXS", **sides}, **how)
            if levels:
                writer.write(PICTURE[::4, ::4], subfiletype=1, **how)
    scan = Scan(path, 0.25)
    assert (scan.um_per_px, scan.width, scan.height) == (0.5, 768, 1024)
    assert np.array_equal(scan.read(64, 32, (50, 40), 1.0), PICTURE[32:72, 64:114])
    assert np.array_equal(scan.read(64, 32, (50, 40), 4.0), PICTURE[32:192:4, 64:264:4])


@pytest.mark.parametrize(("unit", "expected"), [("micron", 0.5), ("\\u00B5m", 0.5), ("mm", 500)])
def test_imagej_says_its_unit_in_words(tmp_path: Path, unit: str, expected: float) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PICTURE, imagej=True, resolution=(2, 2), metadata={"unit": unit})
    assert read_width("0.5", unit, "") == expected
    if expected == 0.5:
        assert Scan(path, 0.25).um_per_px == 0.5
        assert np.array_equal(Scan(path).read(64, 32, (50, 40), 1.0), PICTURE[32:72, 64:114])
    else:
        with pytest.raises(BadInput, match="pixels are 500 x 500 µm; expected squares"):
            _ = Scan(path).um_per_px


def test_imagej_without_a_unit_or_with_an_unknown_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for unit in ("pixel", "Pixels", "", "sec", "second", "furlong"):
        tifffile.imwrite(path, PICTURE, imagej=True, resolution=(2, 2), metadata={"unit": unit})
        assert Scan(path, 0.25).um_per_px == 0.25
        with pytest.raises(BadInput, match="does not say how wide its pixels are; give --mpp"):
            _ = Scan(path).um_per_px


def test_a_stack_of_imagej_is_refused_in_words(tmp_path: Path) -> None:
    path, stack = tmp_path / "a.tif", np.stack([PICTURE[:64, :64]] * 3)
    how = {"imagej": True, "resolution": (2, 2)}
    tifffile.imwrite(path, stack, metadata={"unit": "micron", "axes": "ZYXS"}, **how)
    with pytest.raises(BadInput, match=r"a\.tif: a stack of 3 images .* expected one image"):
        Scan(path, 0.25)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_densities_for_printers_say_nothing_of_tissue(tmp_path: Path, name: str) -> None:
    Image.fromarray(PICTURE).save(tmp_path / name, dpi=(50_800, 50_800))
    assert Scan(tmp_path / name, 0.25).um_per_px == 0.25
