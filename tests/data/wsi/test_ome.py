"""OME-TIFF as Bio-Formats and tifffile write it: levels in SubIFDs, resolution in XML."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

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
