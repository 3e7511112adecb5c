"""Reading by place and resolution, and tissue, against arrays that tifffile wrote."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.transform import downscale_local_mean

from disc.data.tiling.tissue import find_tissue
from disc.data.wsi.annotation import Annotation, Meaning
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from tests.data.scans import HEIGHT, UM, WIDTH, draw_mask, generate, save_pyramid

MEANING = Meaning({0: 0, 1: 0, 3: 3, 4: 4}, stroma=1)


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    """A picture that varies slowly, so that averages are known well."""
    y, x = np.mgrid[:1200, :900]
    waves = [128 + 100 * np.sin(x / a + y / b) for a, b in ((90, 70), (60, 200), (300, 50))]
    return np.stack(waves, -1).astype(np.uint8)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory, smooth: np.ndarray) -> Scan:
    path = tmp_path_factory.mktemp("scan") / "smooth.tiff"
    save_pyramid(path, smooth)
    return Scan(path)


def test_resolution_is_the_files(scan: Scan, smooth: np.ndarray) -> None:
    assert scan.um_per_px == pytest.approx(UM, rel=1e-4)
    assert (scan.width, scan.height) == smooth.shape[1::-1]


def test_level_0_is_exact(scan: Scan, smooth: np.ndarray) -> None:
    assert np.array_equal(scan.read(130, 270, (64, 32), 1.0), smooth[270:302, 130:194])


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_coarser_is_the_local_mean(scan: Scan, smooth: np.ndarray, scale: int) -> None:
    part = scan.read(64, 128, (40, 50), scale).astype(float)
    truth = smooth[128 : 128 + 50 * scale, 64 : 64 + 40 * scale]
    assert np.abs(part - downscale_local_mean(truth, (scale, scale, 1))).mean() < 4


def test_any_scale_shows_the_same_place(scan: Scan, smooth: np.ndarray) -> None:
    """Scales between levels: pixels are where they should be, to a fraction of a pixel."""
    for scale in (1.7, 3.9, 5.3):
        part = scan.read(101, 203, (64, 64), scale).astype(float)
        centres = (np.arange(64) + 0.5) * scale
        rows, columns = (203 + centres).astype(int), (101 + centres).astype(int)
        assert np.abs(part - smooth[np.ix_(rows, columns)]).mean() < 5


def test_mask_is_the_nearest_pixel(tmp_path: Path) -> None:
    mask = draw_mask()
    save_pyramid(tmp_path / "slide.tiff", generate(mask))
    slide = Scan(tmp_path / "slide.tiff")
    labels = np.array([0, 0, 255, 1, 2], np.uint8)
    # A pyramid's level 1 is read where it is fine enough.
    for name, step, scales in (("full", 1, {1.0: 1, 4.0: 4, 6.3: 4}), ("quarter", 4, {6.3: 4})):
        path = tmp_path / f"{name}.tiff"
        save_pyramid(path, mask[::step, ::step], um=None)
        annotation = Annotation(path, MEANING, slide)
        for scale, factor in scales.items():
            centres = (np.arange(64) + 0.5) * scale
            rows, columns = (900 + centres).astype(int), (500 + centres).astype(int)
            truth = mask[np.ix_(rows // factor * factor, columns // factor * factor)]
            assert np.array_equal(annotation.read(500, 900, (64, 64), scale), labels[truth])


def test_png_masks_are_read_too(tmp_path: Path) -> None:
    mask = draw_mask()
    save_pyramid(tmp_path / "slide.tiff", generate(mask))
    Image.fromarray(mask[::8, ::8]).save(tmp_path / "mask.png")
    read = Annotation(tmp_path / "mask.png", MEANING, Scan(tmp_path / "slide.tiff")).read
    assert np.array_equal(
        read(0, 0, (WIDTH // 8, HEIGHT // 8), 8.0),
        np.array([0, 0, 255, 1, 2], np.uint8)[mask[::8, ::8]],
    )


def test_labels_of_epithelium_reach_over_stroma(tmp_path: Path) -> None:
    """Every stroma pixel takes the nearest gland's label; by comparison with all gland pixels."""
    mask = np.ones((400, 400), np.uint8)
    mask[:, :100] = 0
    glands = {3: (150, 200), 4: (230, 210), 2: (200, 300), 5: (390, 90)}
    for value, (row, column) in glands.items():
        mask[row : row + 12, column : column + 12] = value
    save_pyramid(tmp_path / "slide.tiff", generate(mask))
    save_pyramid(tmp_path / "mask.tiff", mask, um=None)
    meaning = Meaning({0: 0, 1: 0, 2: 0, 3: 3, 4: 4, 5: 5}, stroma=1)
    slide = Scan(tmp_path / "slide.tiff")
    annotation = Annotation(tmp_path / "mask.tiff", meaning, slide, reach_um=30.0)
    found = annotation.read(150, 120, (128, 128), 1.0)
    places, num_sure = np.argwhere(mask > 1), 0
    for row, column in np.random.default_rng(0).integers(0, 128, (300, 2)):
        away = np.hypot(*(places - (row + 120, column + 150)).T)
        nearest = mask[tuple(places[away.argmin()])]
        others = away[mask[tuple(places.T)] != nearest].min()
        # Distances are measured in pixels of 4 µm, eight of the scan's: ties go either way.
        if abs(away.min() - 60) > 8 and others - away.min() > 16:
            assert found[row, column] == (max(0, int(nearest) - 2) if away.min() < 60 else 0)
            num_sure += 1
    assert num_sure > 150
    assert len(np.unique(found)) == 3
    assert not annotation.read(0, 0, (100, 300), 1.0).any(), "glass has no label"
    plain = Annotation(tmp_path / "mask.tiff", meaning, slide).read(150, 120, (128, 128), 1.0)
    assert (plain > 0).sum() == 2 * 144


def test_tissue_is_what_is_coloured() -> None:
    truth = draw_mask()[::16, ::16] > 0
    image = generate(draw_mask())[::16, ::16].astype(float)
    noisy = image + np.random.default_rng(0).normal(0, 2, image.shape)
    found = find_tissue(noisy.clip(0, 255).astype(np.uint8), 8.0)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95


def test_tissue_limits() -> None:
    glass = np.full((100, 80, 3), 243, np.uint8)
    assert not find_tissue(glass).any()
    grey = glass.copy()
    grey[20:60] = 90
    assert not find_tissue(grey).any(), "a shadow or a pen's black line is not tissue"
    dust = glass.copy()
    dust[50:55, 50:55] = (200, 60, 140)
    assert not find_tissue(dust).any()
    assert find_tissue(np.full((100, 80, 3), (200, 110, 160), np.uint8)).all()


@pytest.mark.parametrize(
    ("um", "message"),
    [(None, "does not say how wide its pixels are; give --mpp"), (350.0, "says that its pixels")],
)
def test_unknown_resolution(tmp_path: Path, um: float | None, message: str) -> None:
    path = tmp_path / "slide.tiff"
    save_pyramid(path, np.zeros((300, 300, 3), np.uint8), um=um)
    with pytest.raises(BadInput, match=f"{path}: {message}"):
        _ = Scan(path).um_per_px
    assert Scan(path, 0.25).um_per_px == 0.25


def test_not_a_slide(tmp_path: Path) -> None:
    path = tmp_path / "slide.tiff"
    with pytest.raises(BadInput, match=f"{path}: no such file"):
        Scan(path)
    path.write_bytes(b"II*\0 and then nothing")
    with pytest.raises(BadInput, match=f"{path}: not a slide"):
        Scan(path)


def test_damaged_slide(tmp_path: Path) -> None:
    path = tmp_path / "slide.tiff"
    save_pyramid(path, generate(draw_mask()))
    data = bytearray(path.read_bytes())
    data[2000:40000] = bytes(38000)
    path.write_bytes(data)
    with pytest.raises(BadInput, match=str(path)):
        Scan(path).read(0, 0, (WIDTH, HEIGHT), 1.0)


def test_mask_of_another_shape_or_meaning(tmp_path: Path) -> None:
    mask = draw_mask()
    save_pyramid(tmp_path / "slide.tiff", generate(mask))
    slide = Scan(tmp_path / "slide.tiff")
    save_pyramid(tmp_path / "short.tiff", mask[:2000], um=None)
    with pytest.raises(BadInput, match=r"short\.tiff: 1536 x 2000 px; expected the shape of"):
        Annotation(tmp_path / "short.tiff", MEANING, slide)
    save_pyramid(tmp_path / "seven.tiff", np.full_like(mask, 7), um=None)
    annotation = Annotation(tmp_path / "seven.tiff", MEANING, slide)
    with pytest.raises(
        BadInput, match=r"found value 7 in .*seven\.tiff; expected 0, 1, 3 or 4; explain"
    ):
        annotation.read(0, 0, (8, 8), 4.0)
