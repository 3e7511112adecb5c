"""PANDA as it was downloaded, in a small copy that tifffile, h5py and pandas wrote."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.data.writing.request import SelectRequest
from disc.data.writing.select import select_slides
from disc.files import BadInput
from tests.data.scans import VALUES, draw_mask, generate, save_pyramid

WRONG = "b0a92a74cb53899311acc30b7405e101"
"""The one row of PANDA's table whose ISUP group contradicts its score."""
ROWS = [
    ("0005f7aaab2800f6170c399693a96917", "karolinska", 0, "0+0"),
    ("006f6aa35a78965c92fffd1fbd53a058", "radboud", 3, "4+3"),
    ("007433133235efc27a39f11df6940829", "radboud", 0, "negative"),
    (WRONG, "karolinska", 2, "4+3"),
    ("f0000000000000000000000000000000", "radboud", 1, "3+3"),
]
RADBOUD, KAROLINSKA = ROWS[1][0], ROWS[0][0]
BOX = 256
PLACES = [(512, 1024), (640, 1536), (512, 1024)]
"""The last repeats the first."""


@pytest.fixture(scope="module")
def panda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides with masks, one without, one image missing and one not listed."""
    root = tmp_path_factory.mktemp("panda")
    table = pd.DataFrame(ROWS, columns=["image_id", "data_provider", "isup_grade", "gleason_score"])
    table.to_csv(root / "train.csv", index=False)
    drawn = draw_mask()
    for name, *_ in [*ROWS[:4], ("e" * 32,)]:
        save_pyramid(root / "train_images" / f"{name}.tiff", generate(drawn))
    binary = np.where(drawn > 1, 2, np.minimum(drawn, 1)).astype(np.uint8)
    for name, values in ((RADBOUD, drawn), (KAROLINSKA, binary)):
        channels = np.stack([values, values * 0, values * 0], -1)
        save_pyramid(root / "train_label_masks" / f"{name}_mask.tiff", channels, um=None)
    return root


@pytest.fixture(scope="module")
def coordinates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coordinates")
    for name in (f"{RADBOUD}_patches", KAROLINSKA):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            placed = file.create_dataset("coords", data=np.array(PLACES, np.int64))
            placed.attrs["patch_size"] = BOX
            placed.attrs["patch_level"] = 0
    return folder


def test_slides(panda: Path) -> None:
    found = read_source(Source(root=panda))
    assert not found.tiles and len(found.slides) == 4
    one = found.slides[RADBOUD]
    assert (one.primary, one.secondary, one.provider) == (4, 3, "radboud")
    assert one.image == panda / "train_images" / f"{RADBOUD}.tiff"
    assert one.mask == panda / "train_label_masks" / f"{RADBOUD}_mask.tiff"
    for benign in (ROWS[0][0], ROWS[2][0]):
        assert (found.slides[benign].primary, found.slides[benign].secondary) == (0, 0)
    assert found.slides[ROWS[2][0]].mask is None
    assert found.slides[WRONG].primary is None
    notes = "\n".join(found.notes)
    assert f"1 row(s) are about no file: {'f' + '0' * 31}" in notes
    assert f"1 file(s) have no row: {'e' * 32}" in notes
    assert f"2 slide(s) without a mask, first {ROWS[2][0]}" in notes
    assert (f"1 slide(s) whose isup_grade contradicts their score, so not scored: {WRONG}") in notes


def test_tiles_are_boxes_on_slides(panda: Path, coordinates: Path) -> None:
    tiles = read_source(
        Source(root=panda, coordinates=coordinates, tile_px=64, reach_um=0, um_per_px=0.5)
    )
    assert len(tiles) == 4 and len({tile.name for tile in tiles.tiles}) == 4
    tile = tiles.tiles[tiles.bag(RADBOUD)[0]]
    assert (tile.x, tile.y, tile.box_px, tile.um_per_px) == (512, 1024, BOX, 2.0)
    values = draw_mask()[1024 + 2 : 1024 + BOX : 4, 512 + 2 : 512 + BOX : 4]
    label = {0: 0, 1: 0, 3: 1, 4: 2}
    expected = np.vectorize(label.get)(values)
    mask, image = tiles.mask(tiles.bag(RADBOUD)[0]), tiles.image(tiles.bag(RADBOUD)[0])
    assert np.array_equal(mask, expected) and mask.shape == image.shape[:2] == (64, 64)
    for value, colour in VALUES.items():
        inside = values == value
        if inside.sum() > 600:
            error = np.abs(image[inside].astype(int) - colour).mean(axis=1)
            assert np.median(error) < 3
    cancer = tiles.mask(tiles.bag(KAROLINSKA)[0])
    assert np.array_equal(cancer == 255, np.isin(values, (3, 4)))
    assert any("no coordinates of 2 slide(s)" in note for note in tiles.notes)


def test_a_provider_without_a_meaning(panda: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame(ROWS, columns=["image_id", "data_provider", "isup_grade", "gleason_score"])
    rows["data_provider"] = "elsewhere"
    rows.to_csv(tmp_path / "table.csv", index=False)
    source = Source(root=panda, slides=tmp_path / "table.csv")
    with pytest.raises(BadInput, match="data_provider is 'elsewhere', so what its values mean"):
        read_source(source)
    assert len(read_source(replace(source, values={0: 0, 1: 0, 2: 3, 3: 3, 4: 4})).slides) == 4


def test_a_slide_in_two_rows(panda: Path, tmp_path: Path) -> None:
    columns = ["image_id", "data_provider", "isup_grade", "gleason_score"]
    pd.DataFrame([*ROWS, ROWS[0]], columns=columns).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(BadInput, match=f"{ROWS[0][0]} is listed twice; keep one row"):
        read_source(Source(root=panda, slides=tmp_path / "table.csv"))


def test_a_replaced_slide_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("image_id,data_provider,gleason_score\na,radboud,3+3\n")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        placed = file.create_dataset("coords", data=np.array([[0, 0]]))
        placed.attrs["patch_size_level0"] = 64
    shades = []
    for shade in (90, 200):
        image = np.full((512, 512, 3), shade, np.uint8)
        save_pyramid(tmp_path / "train_images" / "a.tiff", image)
        tiles = read_source(Source(root=tmp_path, coordinates=tmp_path, tile_px=64))
        shades.append(int(tiles.image(0)[0, 0, 0]))
    assert shades == [90, 200]


KNOWN_NOISE = {
    "002a4db09dad406c85505a00fb6f6144": (0, 0, 0, 0),
    "00951a7fad040bf7e90f32e81fc0746f": (1, 0, 0, 0),
    "005e66f06bce9c2e49142536caf2f6ee": (1, 1, 0, 0),
    "0005f7aaab2800f6170c399693a96917": (1, 1, 1, 1),
}
"""Rows of the public list of PANDA's 1st-place solution: 1 keeps a slide."""


def test_noise_lists(panda: Path, tmp_path: Path) -> None:
    """Known rows: of noise_ratio_10, the second is noise and the third is kept."""
    from disc.data.readers.panda import read_keep

    columns = [f"noise_ratio_{fraction}" for fraction in (5, 10, 15, 20)]
    table = pd.DataFrame.from_dict(KNOWN_NOISE, orient="index", columns=columns)
    path = tmp_path / "noise.csv"
    table.rename_axis("image_id").reset_index().to_csv(path)
    names = list(KNOWN_NOISE)
    assert read_keep(path, "noise_ratio_10")[0] == set(names[2:])
    assert read_keep(path, "noise_ratio_5")[0] == set(names[1:])
    kept = read_source(Source(root=panda, keep=path))
    assert set(kept.slides) == {KAROLINSKA}
    assert any("leaves out 3 of 4 slide(s)" in note for note in kept.notes)
    pd.DataFrame({"image_id": [RADBOUD]}).to_csv(path, index=False)
    assert set(read_source(Source(root=panda, keep=path)).slides) == {RADBOUD}
    pd.DataFrame({"image_id": ["nobody"]}).to_csv(path, index=False)
    with pytest.raises(BadInput, match=r"no row is about any file: rows 'nobody'; files"):
        read_source(Source(root=panda, keep=path))


def test_duplicates_are_one_patients(panda: Path, tmp_path: Path) -> None:
    path = tmp_path / "duplicates.csv"
    groups = {"image_id": [RADBOUD, KAROLINSKA], "group_id": [7, 7], "index_in_group": [0, 1]}
    pd.DataFrame(groups).to_csv(path, index=False)
    slides = read_source(Source(root=panda, duplicates=path)).slides
    assert slides[RADBOUD].patient_id == slides[KAROLINSKA].patient_id == "group-7"
    assert slides[WRONG].patient_id == WRONG


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 400 slides, 3 of 4 of them from one provider; images are empty files."""
    root = tmp_path_factory.mktemp("large")
    (root / "train_images").mkdir()
    scores = ["0+0", "3+4", "4+3", "5+5"]
    rows = []
    for number in range(400):
        name = f"{number:032x}"
        provider = "radboud" if number % 16 < 12 else "karolinska"
        rows.append((name, provider, scores[number % 4]))
        (root / "train_images" / f"{name}.tiff").touch()
    table = pd.DataFrame(rows, columns=["image_id", "data_provider", "gleason_score"])
    table.to_csv(root / "train.csv", index=False)
    pairs = [(f"{number:032x}", number // 8) for number in range(0, 400, 4)]
    pd.DataFrame(pairs, columns=["image_id", "group_id"]).to_csv(root / "groups.csv", index=False)
    return root


def test_selection_is_balanced_and_seeded(large: Path, tmp_path: Path) -> None:
    request = SelectRequest(
        source=Source(root=large, duplicates=large / "groups.csv"),
        per_grade=40,
        seed=3,
        out=tmp_path / "chosen.csv",
    )
    select_slides(request)
    first = request.out.read_bytes()
    chosen = pd.read_csv(request.out, dtype=str)
    assert list(chosen) == ["image_id", "data_provider", "gleason_score"]
    assert chosen.groupby("gleason_score").size().to_dict() == {
        **{"0+0": 40, "3+4": 40},
        **{"4+3": 40, "5+5": 40},
    }
    # 25 of each grade are karolinska's, benign pairs count once: half of 40, as far as there are
    for score in ("3+4", "4+3", "5+5"):
        providers = chosen[chosen.gleason_score == score].groupby("data_provider").size()
        assert providers.to_dict() == {"karolinska": 20, "radboud": 20}
    benign = chosen[chosen.gleason_score == "0+0"]
    groups = pd.read_csv(large / "groups.csv").set_index("image_id").group_id
    assert groups[benign.image_id].is_unique
    select_slides(request)
    assert request.out.read_bytes() == first
    select_slides(replace(request, seed=4))
    assert request.out.read_bytes() != first
    kept = read_source(Source(root=large, keep=request.out))
    assert len(kept.slides) == 160
    with pytest.raises(BadInput, match=r"primary grade 0: 50 patient\(s\), fewer than 60"):
        select_slides(replace(request, per_grade=60))


def test_lists_with_suffixes_and_numbers(panda: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    pd.DataFrame({"image_id": [f"{RADBOUD}.tiff"], "noise_ratio_10": [1.0]}).to_csv(path)
    assert set(read_source(Source(root=panda, keep=path)).slides) == {RADBOUD}
    names = [f"train_images\\{name}.tiff" for name in (RADBOUD, KAROLINSKA)]
    pd.DataFrame({"image_id": names, "group_id": [7.0, 7.0]}).to_excel(tmp_path / "groups.xlsx")
    found = read_source(Source(root=panda, duplicates=tmp_path / "groups.xlsx"))
    assert found.slides[RADBOUD].patient_id == found.slides[KAROLINSKA].patient_id == "group-7"
    assert any("2 name(s) match without folders" in note for note in found.notes)


def save_table(root: Path, rows: list[tuple[str, str]], groups: dict[str, int]) -> Source:
    table = pd.DataFrame(rows, columns=["image_id", "gleason_score"])
    table.assign(data_provider="radboud").to_csv(root / "train.csv", index=False)
    pairs = pd.DataFrame(groups.items(), columns=["image_id", "group_id"])
    pairs.to_csv(root / "groups.csv", index=False)
    return Source(root=root, duplicates=root / "groups.csv")


def test_selection_needs_no_slide_and_takes_one_of_a_group(tmp_path: Path) -> None:
    """a1 alone is 3+3, so its twin b1 must not be taken for 4+4, whatever the seed."""
    rows = [("a1", "3+3"), ("b1", "4+4"), ("b2", "4+4"), ("c1", "5+5"), ("d1", "negative")]
    source = save_table(tmp_path, rows, {"a1": 1, "b1": 1})
    for seed in range(6):
        out = tmp_path / "chosen.csv"
        said = select_slides(SelectRequest(source=source, per_grade=1, seed=seed, out=out))
        assert pd.read_csv(out).image_id.tolist() == ["d1", "a1", "b2", "c1"]
        assert "no slide is there yet, so all 5 rows count" in said


def test_no_group_is_taken_twice(tmp_path: Path) -> None:
    scores = ["0+0", "3+4", "4+3", "5+5"]
    rows = [(f"s{number}", scores[number % 4]) for number in range(80)]
    source = save_table(tmp_path, rows, {f"s{number}": number // 2 for number in range(80)})
    for seed in range(5):
        out = tmp_path / "chosen.csv"
        select_slides(SelectRequest(source=source, per_grade=8, seed=seed, out=out))
        groups = [int(name[1:]) // 2 for name in pd.read_csv(out).image_id]
        assert len(groups) == 32 == len(set(groups))
