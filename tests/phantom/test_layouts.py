"""PANDA's and LAPC's layouts, read with OpenSlide, tifffile, pandas and Pillow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from disc import cli, seeds
from disc.data.readers.sicapv2 import read_set
from disc.data.tiles.records import Slide
from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from disc.data.tiling.tissue import UM_PER_PX, find_tissue
from disc.data.wsi.scan import Scan
from disc.phantom.cases import draw_slides
from disc.phantom.drawing import Drawing
from disc.phantom.lapc import write_lapc_set
from disc.phantom.panda import PROVIDERS, RADBOUD, Provider, image_id, mask_values, write_panda_set
from disc.phantom.sets import Draw
from disc.settings.data import Data
from disc.settings.phantom import Phantom
from tests.phantom.test_sets import digests

COARSE = 4.0
"""Pixels of 2 µm: the layout does not depend on it, and drawing is quick."""
EXACT = Phantom(external_slides=(2, 1, 1, 0), core_um=(450.0, 1200.0), annotation_noise=0)


@pytest.fixture(scope="module")
def panda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("panda")
    write_panda_set(root, EXACT, coarsening=COARSE, num_unmasked=1)
    return root


@pytest.fixture(scope="module")
def table(panda: Path) -> pd.DataFrame:
    return pd.read_csv(panda / "train.csv").set_index("image_id")


def mask_of(root: Path, name: str) -> Path:
    return root / "train_label_masks" / f"{name}_mask.tiff"


def test_table_and_files(panda: Path, table: pd.DataFrame) -> None:
    assert list(table.columns) == ["data_provider", "isup_grade", "gleason_score"]
    assert list(table.data_provider.value_counts()) == [2, 2]
    assert table.index.str.fullmatch("[0-9a-f]{32}").all() and table.index.is_monotonic_increasing
    benign = table[table.isup_grade == 0]
    written = dict(zip(benign.data_provider, benign.gleason_score, strict=True))
    assert written == {"radboud": "negative", "karolinska": "0+0"}
    assert set(table.gleason_score) <= {"negative", "0+0", "3+3", "3+4", "4+3", "4+4", "4+5"}
    images = {path.stem for path in (panda / "train_images").iterdir()}
    masks = {path.stem for path in (panda / "train_label_masks").iterdir()}
    assert images == set(table.index)
    assert len(masks) == 3 and masks < {f"{name}_mask" for name in images}


def test_pyramids(panda: Path, table: pd.DataFrame) -> None:
    for name, row in table.iterrows():
        paths = [panda / "train_images" / f"{name}.tiff", mask_of(panda, str(name))]
        sizes = set()
        for path in filter(Path.exists, paths):
            with openslide.open_slide(path) as slide, tifffile.TiffFile(path) as pages:
                width, height = slide.dimensions
                steps = [np.ceil(np.array([width, height]) / step) for step in (1, 4, 16)]
                assert np.array_equal(slide.level_dimensions, steps)
                mpp = float(slide.properties["openslide.mpp-x"]) / COARSE
                expected = {"radboud": (0.48619,), "karolinska": (0.45202, 0.5032)}
                assert np.isclose(mpp, expected[row.data_provider]).any()
                assert all(page.is_tiled and page.shape[2] == 3 for page in pages.pages)
                sizes.add(slide.dimensions)
        assert len(sizes) == 1


@pytest.mark.parametrize("provider", PROVIDERS[:2], ids=lambda provider: provider.name)
def test_masks_say_what_was_drawn(provider: Provider) -> None:
    """Nuclei of a gland's lining lie on epithelium; lumina and clefts do not."""
    slide = Slide(slide_id="one", patient_id="1", primary=4, secondary=3)
    draw = Draw(name="panda", phantom=EXACT, data=Data(), scanner=provider.scanner)
    picture = draw.slide(1, slide).render(2.0)
    values = mask_values(picture, provider)
    assert ((values == 0) == ~picture.tissue).all()
    if provider.name == "karolinska":
        assert ((values == 2) == (picture.tissue & (picture.exact > 0))).all()
        return
    assert set(np.unique(values)) == {0, 1, 2, 3, 4}
    for value, label in ((2, 0), (3, 1), (4, 2)):
        assert (picture.exact[values == value] == label).all()
    bright = ndimage.uniform_filter(picture.image.min(axis=2).astype(float), 3) > 205
    inner = ndimage.binary_erosion(picture.tissue, iterations=8)
    is_epithelium = values >= 2
    assert is_epithelium[inner & bright].mean() < 0.1 < 0.25 < is_epithelium[inner & ~bright].mean()


def test_colours_are_those_drawn(panda: Path, table: pd.DataFrame) -> None:
    """JPEG's colour space is noted as OpenSlide understands it: glass is the scanner's white."""
    names = table.index[table.data_provider == "radboud"]
    with openslide.open_slide(panda / "train_images" / f"{names[0]}.tiff") as slide:
        corner = np.asarray(slide.read_region((2, 2), 0, (8, 8)))[..., :3].mean(axis=(0, 1))
    assert np.abs(corner - 255 * np.array(RADBOUD.scanner.white)).max() < 6


def test_disc_tile_reads_it(panda: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    """Tissue is found where the mask has it, and labels are those of the phantom's territories."""
    request = TileRequest(
        slides=panda / "train_images",
        masks=panda / "train_label_masks",
        labels=panda / "train.csv",
        out=tmp_path / "set",
        tile_px=32,
        um_per_px=4.0,
    )
    report = tile_slides(request)
    assert report.num_slides == 4 and len(report.without_mask) == 1 and not report.without_score
    tiles, right = read_set(request.out, 32), []
    for name, drawing in radboud_drawings():
        picture = drawing.render(RADBOUD.um_per_px * COARSE)
        assert dice_of_tissue(panda / "train_images" / f"{name}.tiff", picture.tissue) >= 0.90
        for i in tiles.bag(name) if mask_of(panda, name).exists() else []:
            x, y = tiles.tiles[i].x, tiles.tiles[i].y
            at = ((np.arange(32) + 0.5) * 4.0 / (RADBOUD.um_per_px * COARSE)).astype(int)
            right.append(np.mean(picture.exact[np.ix_(y + at, x + at)] == tiles.mask(i)))
    print(f"{np.mean(right):.3f} of pixels in {len(right)} tiles")
    assert len(right) > 20 and np.mean(right) > 0.9


def radboud_drawings() -> Iterator[tuple[str, Drawing]]:
    """Name and drawing of the set's radboud slides, drawn anew."""
    rng = seeds.numpy_generator(EXACT.seed, "cases", "panda")
    slides = draw_slides(rng, EXACT.external_slides, year=20, first_patient=9001)
    draw = Draw(name="panda", phantom=EXACT, data=Data(), scanner=RADBOUD.scanner)
    for index in (0, 2):
        yield image_id(EXACT.seed, index), draw.slide(index, slides[index])


def dice_of_tissue(slide: Path, truth: np.ndarray) -> float:
    tissue = find_tissue(Scan(slide).read_whole(UM_PER_PX))
    rows, columns = (
        ((np.arange(n) + 0.5) * size / n).astype(int)
        for n, size in zip(tissue.shape, truth.shape, strict=True)
    )
    there = truth[np.ix_(rows, columns)]
    dice = float(2 * (tissue & there).sum() / (tissue.sum() + there.sum()))
    print(f"Dice of tissue: {dice:.3f}")
    return dice


def test_the_annotator_errs_here_too(tmp_path: Path) -> None:
    masks = []
    for noise in (0.0, 1.0):
        phantom = replace(EXACT, external_slides=(0, 0, 1, 0), annotation_noise=noise)
        write_panda_set(tmp_path / str(noise), phantom, coarsening=8.0, num_unmasked=0)
        (path,) = (tmp_path / str(noise)).glob("train_label_masks/*")
        masks.append(tifffile.imread(path, level=0)[..., 0])
    exact, drawn = masks
    assert np.array_equal(exact.clip(max=2), drawn.clip(max=2)), "epithelium is known"
    assert 0.05 < (exact != drawn)[exact >= 2].mean() < 0.4


def test_lapc(tmp_path: Path) -> None:
    phantom = Phantom(external_slides=(1, 1, 1, 1), annotation_noise=0)
    write_lapc_set(tmp_path / "one", phantom, side_px=300, num_patches=1)
    images = sorted((tmp_path / "one" / "jpg_nameless").glob("*/*.jpg"))
    assert len(images) == len(list((tmp_path / "one" / "mask_nameless").glob("*/*.png"))) == 4
    assert len({path.parent.name for path in images}) >= 3
    found = set()
    for path in images:
        mask = tmp_path / "one" / "mask_nameless" / path.parent.name / f"{path.stem}.png"
        with Image.open(path) as image, Image.open(mask) as values:
            assert image.size == values.size == (300, 300)
            assert (image.mode, values.mode) == ("RGB", "L")
            found |= set(np.unique(values))
    assert found >= {3, 4} and found & {0, 1, 2} and found <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("kind", ["sicapv2", "panda", "lapc"])
def test_command_and_same_seed_same_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("one", "two"):
        words = [
            "phantom",
            "--kind",
            kind,
            "--out",
            str(tmp_path / name),
            "--core-um",
            "300",
            "300",
        ]
        words += ["--slides", "1", "0", "0", "0", "--tile-px", "64"]
        assert cli.main(words) == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two") != {}


def test_command_refuses_a_folder_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.main(["phantom", "--kind", "lapc", "--out", str(tmp_path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert cli.main(["phantom", "--out", "x", "--slides", "0", "0", "0", "0"]) == 2
