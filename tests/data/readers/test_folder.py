"""LAPC and folders of images, as other sets come, written with Pillow, tifffile and h5py only."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.data.tiles.decoding import merge_raters
from disc.files import BadInput
from disc.labels import IGNORE

SIDE = 48


def save_image(path: Path, *, size: tuple[int, int] = (SIDE, SIDE), shade: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, shade, 160)).save(path)


def save_values(path: Path, values: np.ndarray, *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8))
    if palette:
        image = Image.fromarray(values.astype(np.uint8), mode=None).convert("P")
        image.putdata(values.ravel().tolist())
        image.putpalette([0, 255, 0, 0, 0, 255, 255, 255, 0, 255, 0, 0, 255, 255, 255])
    image.save(path)


def bands(*values: int, side: int = SIDE) -> np.ndarray:
    """Columns of equal width, one a value."""
    return np.repeat(np.repeat([values], side, 0), side // len(values), 1)


@pytest.fixture(params=["flat", "by patient"])
def lapc(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Two images of each of two patients."""
    for patient in ("P1", "P2"):
        for number in range(2):
            inner = patient if request.param == "by patient" else ""
            name = f"{patient}-{number}"
            save_image(tmp_path / "jpg_nameless" / inner / f"{name}.jpg", shade=60 * number)
            values = bands(0, 1, 2, 3, 4, 0)
            save_values(tmp_path / "mask_nameless" / inner / f"{name}.png", values)
    return tmp_path


def test_lapc(lapc: Path) -> None:
    tiles = read_source(Source(root=lapc, kind="lapc"))
    assert [tile.name for tile in tiles.tiles] == ["P1-0", "P1-1", "P2-0", "P2-1"]
    assert np.array_equal(tiles.mask(2), bands(1, 2, 3, 0, 0, 1))
    assert tiles.image(3).shape == (SIDE, SIDE, 3)
    patients = {tiles.slides[tile.slide_id].patient_id for tile in tiles.tiles}
    is_flat = (lapc / "jpg_nameless" / "P1-0.jpg").exists()
    assert patients == ({"P1-0", "P1-1", "P2-0", "P2-1"} if is_flat else {"P1", "P2"})
    assert any("counts as a patient of its own" in note for note in tiles.notes) == is_flat


def test_lapcs_values_are_an_option(lapc: Path) -> None:
    """One script of LAPC's swaps benign and stroma and merges grades; 255 only where allowed."""
    mask = next((lapc / "mask_nameless").rglob("P1-0.png"))
    save_values(mask, bands(0, 1, 2, 3, 5, 255))
    with pytest.raises(BadInput, match=r"found value 5 in .*expected 0, 1, 2, 3 or 4; explain"):
        read_source(Source(root=lapc, kind="lapc")).mask(0)
    values = {0: 3, 1: 4, 2: 0, 3: 0, 5: 255, 255: 255}
    own = read_source(Source(root=lapc, kind="lapc", values=values))
    assert np.array_equal(own.mask(0), bands(1, 2, 0, 0, 255, 255))


def test_lapc_is_resized_only_when_asked(lapc: Path) -> None:
    source = Source(root=lapc, kind="lapc", tile_px=24)
    with pytest.raises(BadInput, match=r"48 x 48 px; expected 24 x 24 px.*--fit resize"):
        read_source(source).image(0)
    small = read_source(Source(root=lapc, kind="lapc", tile_px=24, fit="resize", um_per_px=0.5))
    assert small.image(0).shape == (24, 24, 3)
    assert np.array_equal(small.mask(0), bands(1, 2, 3, 0, 0, 1, side=24))
    assert small.tiles[0].um_per_px == 1.0


def test_lapc_folders_missing_or_apart(lapc: Path, tmp_path: Path) -> None:
    (lapc / "mask_nameless").rename(lapc / "elsewhere")
    with pytest.raises(BadInput, match="has none of mask_nameless, masks, mask; name the folder"):
        read_source(Source(root=lapc, kind="lapc"))
    assert len(read_source(Source(root=lapc, kind="lapc", masks=("elsewhere",)))) == 4
    (lapc / "empty").mkdir()
    with pytest.raises(BadInput, match=r"empty: no mask of any image; expected P1-0\.png"):
        read_source(Source(root=lapc, kind="lapc", masks=("empty",)))


RATERS = {1: (0, 3, 4, 4), 3: (0, 3, 4, 5), 4: (1, 3, 6, 4), 5: (1, 6, 6, 5)}
"""Values that raters gave four bands of one core; 2 and 6 did not mark it."""
GLEASON2019 = {0: 255, 1: 0, 3: 3, 4: 4, 5: 5}


@pytest.fixture
def gleason2019(tmp_path: Path) -> Path:
    save_image(tmp_path / "Train Imgs" / "slide001_core003.jpg")
    for rater, values in RATERS.items():
        name = "slide001_core003_classimg_nonconvex.png"
        save_values(tmp_path / f"Maps{rater}_T" / name, bands(*values))
    return tmp_path


@pytest.mark.parametrize(
    ("ties", "last", "third"), [("ignore", 255, 255), ("lower", 2, 0), ("higher", 3, 2)]
)
@pytest.mark.parametrize("six", [0, 255])
def test_several_raters(gleason2019: Path, ties: str, last: int, third: int, six: int) -> None:
    """Majority; ties and value 6 as said: benign makes the third band a tie. 0 is no vote."""
    third = third if six == 0 else 2
    masks = tuple(f"Maps{rater}_T/{{name}}_classimg_nonconvex.png" for rater in RATERS)
    source = Source(
        root=gleason2019,
        kind="folder",
        images="Train Imgs",
        masks=masks,
        values={**GLEASON2019, 6: six},
        ties=ties,  # type: ignore[arg-type]
    )
    tiles = read_source(source)
    assert np.array_equal(tiles.mask(0), bands(0, 1, third, last))
    assert any("Maps3_T/{name}_classimg_nonconvex.png 1" in note for note in tiles.notes)
    assert any(f"majority, ties: {ties}" in note for note in tiles.notes)
    masks = (*masks, "Maps2_T/{name}_classimg_nonconvex.png")
    with pytest.raises(BadInput, match=r"Maps2_T/\{name\}_classimg_nonconvex\.png: no mask of any"):
        read_source(Source(root=gleason2019, kind="folder", images="Train Imgs", masks=masks))


def test_majority_by_counting() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.choice([0, 1, 2, 3, IGNORE], (16, 16)).astype(np.uint8) for _ in range(5)]
    for ties in ("ignore", "lower", "higher"):
        merged = merge_raters(masks, ties)  # type: ignore[arg-type]
        for place in np.ndindex(16, 16):
            votes = [int(mask[place]) for mask in masks if mask[place] != IGNORE]
            counts = {label: votes.count(label) for label in votes}
            best = sorted(v for v in counts if counts[v] == max(counts.values())) or [IGNORE]
            tied = {"ignore": IGNORE, "lower": best[0], "higher": best[-1]}[ties]
            assert merged[place] == (best[0] if len(best) == 1 else tied)


def test_arvaniti_microarray(tmp_path: Path) -> None:
    """Palette PNG: 0 benign, 1 to 3 grades, 4 ignore; scores and parts in a table."""
    for name in ("ZT111_4_A_1_1", "ZT80_38_A_2_2"):
        save_image(tmp_path / "TMA_images" / f"{name}.jpg", size=(60, SIDE))
        values = np.pad(bands(0, 1, 2, 3, 4, 4), ((0, 0), (6, 6)))
        save_values(tmp_path / "Gleason_masks_train" / f"mask_{name}.png", values, palette=True)
    table = tmp_path / "scores.csv"
    rows = {
        "slide_id": ["ZT111_4_A_1_1", "ZT80_38_A_2_2"],
        "gleason_score": ["3+4", "0+0"],
        "patient_id": [12.0, 13.0],
        "split": ["train", "test"],
    }
    pd.DataFrame(rows).to_csv(table, index=False)
    source = Source(
        root=tmp_path,
        kind="folder",
        images="TMA_images",
        masks=("Gleason_masks_train/mask_{name}.png",),
        values={0: 0, 1: 3, 2: 4, 3: 5, 4: 255},
        slides=table,
        tile_px=SIDE,
        fit="crop",
    )
    tiles = read_source(source)
    assert np.array_equal(tiles.mask(0), bands(0, 1, 2, 3, 255, 255))
    slide = tiles.slides["ZT111_4_A_1_1"]
    assert (slide.primary, slide.secondary, slide.patient_id) == (3, 4, "12")
    assert [tile.split for tile in tiles.tiles] == ["train", "test"]
    with Image.open(tmp_path / "Gleason_masks_train" / "mask_ZT111_4_A_1_1.png") as mask:
        assert mask.mode == "P"


def save_layers(folder: Path, layers: Mapping[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for name, values in layers.items():
        tifffile.imwrite(folder / f"{name}.tif", values.astype(np.uint8) * 255, tile=(256, 256))


def test_aggc_has_a_file_for_each_class(tmp_path: Path) -> None:
    """Whole slides, one binary TIFF a class, not every class in every slide; tiles by HDF5."""
    side = 512
    areas = bands(9, 0, 3, 4, side=side)
    save_layers(
        tmp_path / "annotations" / "Subset1_Train_1",
        {"Stroma_Mask": areas == 0, "G3_Mask": areas == 3, "G4_Mask": areas == 4},
    )
    (tmp_path / "slides").mkdir()
    image = np.full((side, side, 3), 220, np.uint8)
    tifffile.imwrite(tmp_path / "slides" / "Subset1_Train_1.tiff", image, tile=(256, 256))
    with h5py.File(tmp_path / "Subset1_Train_1.h5", "w") as file:
        placed = file.create_dataset("coords", data=np.array([[64, 0], [256, 256]]))
        placed.attrs["patch_size_level0"] = 256
    classes = {"Stroma_Mask": 0, "Normal_Mask": 0, "G3_Mask": 3, "G4_Mask": 4, "G5_Mask": 5}
    present = [name for name in classes if name not in ("Normal_Mask", "G5_Mask")]
    tiles = read_source(
        Source(
            root=tmp_path,
            kind="folder",
            images="slides",
            masks=tuple(f"annotations/{{name}}/{name}.tif" for name in present),
            layers=classes,
            coordinates=tmp_path,
            tile_px=64,
        )
    )
    assert len(tiles) == 2 and tiles.image(0).shape == (64, 64, 3)
    label = np.array([0, 255, 255, 1, 2, 255, 255, 255, 255, 255])
    for index, (x, y) in enumerate([(64, 0), (256, 256)]):
        expected = label[areas[y + 2 : y + 256 : 4, x + 2 : x + 256 : 4]]
        assert np.array_equal(tiles.mask(index), expected)


def test_sicap_mil_finds_slides_in_names(tmp_path: Path) -> None:
    """Tiles named after their slide, scores in an .xlsx with its own column names."""
    for slide in ("16B0001", "16B0002A"):
        for column in range(2):
            save_image(tmp_path / "patches" / f"{slide}_{column}_{column}.jpg")
            save_values(tmp_path / "m" / f"{slide}_{column}_{column}.png", bands(0, 3, 4, 5))
    rows = {
        "slide_name": ["16B0001", "16B0002A"],
        "Partition": ["train", "test"],
        "G3": [1, 0],
        "Primary": [3, 0],
        "Secondary": [4, 0],
    }
    pd.DataFrame(rows).to_excel(tmp_path / "gt_global_slides.xlsx", index=False)
    source = Source(
        root=tmp_path,
        kind="folder",
        images="patches",
        masks=("m",),
        slides=tmp_path / "gt_global_slides.xlsx",
    )
    tiles = read_source(source)
    assert [tile.slide_id for tile in tiles.tiles] == ["16B0001"] * 2 + ["16B0002A"] * 2
    assert [tile.split for tile in tiles.tiles] == ["train"] * 2 + ["test"] * 2
    assert (tiles.slides["16B0001"].primary, tiles.slides["16B0001"].secondary) == (3, 4)
    assert np.array_equal(tiles.mask(0), bands(0, 1, 2, 3))
    unmasked = read_source(replace(source, masks=()))
    assert len(unmasked) == 4 and any("4 without a mask" in note for note in unmasked.notes)
    with pytest.raises(BadInput, match="has no mask"):
        unmasked.mask(0)


def test_wrong_tables(tmp_path: Path) -> None:
    save_image(tmp_path / "images" / "a.png")
    save_values(tmp_path / "masks" / "a.png", bands(0, 3))
    table = tmp_path / "slides.csv"
    source = Source(root=tmp_path, kind="folder", slides=table)
    with pytest.raises(FileNotFoundError, match=r"slides\.csv: no such"):
        read_source(source)
    table.write_text("slide_id,gleason_score\na,3+7\n")
    with pytest.raises(BadInput, match=r"slides\.csv: a: '3\+7' is not a Gleason score"):
        read_source(source)
    table.write_text("slide_id,gleason_score\na,3+3\na,3+4\n")
    with pytest.raises(BadInput, match="a is listed twice with different facts"):
        read_source(source)
    table.write_text("case,score\na,3+3\n")
    with pytest.raises(BadInput, match="no column gleason_score, image_id"):
        read_source(source)
