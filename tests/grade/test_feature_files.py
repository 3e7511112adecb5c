"""Feature files as CLAM and TRIDENT write them, and what is refused before it is read."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from disc.data.wsi.coordinates import read_coordinates
from disc.files import BadInput
from disc.grade import features as ours
from disc.grade.encoder import encode_slides
from disc.grade.features import read_feature_file, write_features
from tests.damage import bombs
from tests.grade.tile_sets import write_set

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
COORDS = np.array([[0, 0], [512, 0], [0, 512], [512, 512]])


def write(path: Path, features: np.ndarray, coords: np.ndarray | None, **attributes) -> Path:
    with h5py.File(path, "w") as file:
        file["features"] = features
        if coords is not None:
            file["coords"] = coords
            file["coords"].attrs.update(attributes)
    return path


def test_tridents_files_are_read(tmp_path: Path) -> None:
    facts = {
        "patch_size": 256,
        "patch_size_level0": 512,
        "level0_magnification": 40,
        "target_magnification": 20,
        "overlap": 0,
    }
    found = read_feature_file(
        write(tmp_path / "a.h5", FEATURES.astype(np.float16), COORDS, **facts)
    )
    np.testing.assert_array_equal(found.features, FEATURES)
    np.testing.assert_array_equal(found.coords, COORDS)
    assert (found.features.dtype, found.tile_px, found.labels) == (np.float32, 512, None)


def test_clams_files_are_read(tmp_path: Path) -> None:
    facts = {"patch_size": 256, "patch_level": 1, "downsample": np.array([4.0, 4.0])}
    found = read_feature_file(write(tmp_path / "a.h5", FEATURES[None], COORDS[None], **facts))
    np.testing.assert_array_equal(found.features, FEATURES)
    np.testing.assert_array_equal(found.coords, COORDS)
    assert found.tile_px == 1024


SIDES = {
    "trident": ({"level0_magnification": 40, "target_magnification": 20}, 512, 512),
    "trident, said": (
        {"patch_size_level0": 500, "level0_magnification": 40, "target_magnification": 20},
        500,
        500,
    ),
    "trident, level": (
        {"patch_level": 0, "level0_magnification": 40, "target_magnification": 10},
        1024,
        1024,
    ),
    "clam": ({"patch_level": 1, "downsample": np.array([4.0, 4.0])}, 1024, 1024),
    "clam, level 0": ({"patch_level": 0}, 256, 256),
    "a level of unknown width": ({"patch_level": 1}, None, None),
    "no side": ({"patch_size_level0": np.nan}, None, None),
    "alone": ({}, 256, None),
}


@pytest.mark.parametrize("said", SIDES)
def test_tiles_and_places_have_one_side(tmp_path: Path, said: str) -> None:
    """A file of features may be given where places are asked for; ours alone say a side only."""
    facts, of_tiles, of_places = SIDES[said]
    path = write(tmp_path / "a.h5", FEATURES, COORDS, patch_size=256, **facts)
    assert read_feature_file(path).tile_px == of_tiles
    if of_places is None:
        with pytest.raises(BadInput, match="does not say how wide its squares are"):
            read_coordinates(path)
    else:
        assert read_coordinates(path).side == of_places


@pytest.mark.parametrize("shape", [(2**60, 0), (2**34, 0), (4, 0), (2**24 + 1, 1), (0, 3)])
def test_features_of_no_width_or_of_endless_tiles_are_refused(tmp_path: Path, shape: tuple) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", shape, "f4")
    said = "of 16,777,217 tiles; expected at most" if all(shape) else "D], neither 0"
    with pytest.raises(BadInput, match=said):
        read_feature_file(tmp_path / "a.h5")


def test_ours_are_read_back_and_have_what_both_look_for(tmp_path: Path) -> None:
    labels = np.array([0, 3, 255, 1], np.uint8)
    write_features(tmp_path / "a.h5", FEATURES, COORDS, 64, labels)
    found = read_feature_file(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.features, FEATURES)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.tile_px == 64
    with h5py.File(tmp_path / "a.h5") as file:
        assert dict(file["coords"].attrs) == {"patch_size": 64, "name": "a"}


def test_boxes_on_slides_say_their_side_at_level_0(tmp_path: Path) -> None:
    """Where coordinates are; tiles that are files know that of themselves alone."""

    class Blind:
        def read(self, slide_id: str, images: Iterator[np.ndarray]) -> np.ndarray:
            return np.ones((2, 3), np.float32)

    tiles = write_set(tmp_path, [3], tiles_each=2)
    boxes = replace(tiles, tiles=tuple(replace(tile, box_px=127.6) for tile in tiles.tiles))
    for name, given in (("boxes", boxes), ("files", tiles)):
        encode_slides(Blind(), given, tmp_path / name)
    found = [read_feature_file(tmp_path / name / "s0.h5").tile_px for name in ("boxes", "files")]
    assert found == [128, 32]
    with h5py.File(tmp_path / "boxes" / "s0.h5") as file:
        assert file["coords"].attrs["patch_size"] == 32


def test_features_alone_are_enough_to_read(tmp_path: Path) -> None:
    found = read_feature_file(write(tmp_path / "a.h5", FEATURES, None))
    assert (found.coords, found.tile_px) == (None, None)


def test_places_of_other_tiles_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", FEATURES, COORDS[:3], patch_size=256)
    with pytest.raises(BadInput, match=r"a\.h5: 3 coords of 4 tiles"):
        read_feature_file(path)


def test_a_file_of_coordinates_alone_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["coords"] = COORDS
    with pytest.raises(BadInput, match="not a feature file"):
        read_feature_file(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "kept", [{}, {"chunks": (3, 2)}, {"chunks": (2, 3), "compression": "gzip"}]
)
@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int16])
def test_values_are_read_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, kept: dict
) -> None:
    monkeypatch.setattr(ours, "_BLOCK", 7)
    values = np.arange(33).reshape(11, 3).astype(kind)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", data=values, **kept)
    found = read_feature_file(tmp_path / "a.h5").features
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def fill(file: h5py.File, how: str, beside: Path) -> None:
    """Put something in a file that must not be read."""
    if how == "deflated chunk":
        kept = {"chunks": (2**19, 3), "compression": "gzip"}
        found = file.create_dataset("more", (2**19, 3), "f4", **kept)
        found.id.write_direct_chunk((0, 0), b"\x78\xda" + bombs.packed_zeros(1))
        del file["features"]
        file.move("more", "features")
        return
    name, kind = how.split(", ")
    wide = {"features": (4, 3), "coords": (4, 2), "labels": (4,)}[name]
    if name in file:
        del file[name]
    if kind == "too many":
        file.create_dataset(name, (2**28 // 72, *([72] * (name == "features"))), "f8", chunks=True)
    elif kind == "more than can be":
        file.create_dataset(name, (2**27, 4), "f4", chunks=(1000, 4))
    elif kind == "external":
        file.create_dataset(name, wide, "i4", external=[(str(beside), 0, 48)])
    elif kind == "link":
        file[name] = h5py.ExternalLink(beside, name)
    elif kind == "virtual":
        layout = h5py.VirtualLayout(wide, "i4")
        layout[:] = h5py.VirtualSource(beside, name, wide)
        file.create_virtual_dataset(name, layout)
    elif kind == "text":
        file[name] = np.full(wide, b"high")
    elif kind == "packed":
        found = file.create_dataset(name, (2**20, 72), "f4", chunks=(1000, 72), fillvalue=0)
        found[:4] = 1
    else:
        file.create_dataset(name, wide, "i4", chunks=True)


UNREAD = {
    "features, too many": "'features' has 2,147,483,520 bytes in pieces of",
    "features, more than can be": "claims 536,870,912 values of 134,217,728 tiles; expected",
    "features, packed": "'features' unpacks 288,000 bytes to 301,989,888",
    "coords, too many": r"coords are float64 \[3728270\]; expected numbers \[tiles, 2\]",
    "coords, more than can be": r"coords are float32 \[134217728, 4\]",
    "labels, too many": "3728270 labels of 4 tiles",
    "features, text": r"features are \|S4; expected real numbers",
    "labels, text": r"labels are \|S4 \[4\]; expected one number a tile",
    "deflated chunk": "a piece of 'features' unpacks to over 6,291,456 bytes",
}
UNREAD |= {
    f"{name}, {how}": f"'{name}' {said}"
    for name in ("features", "coords", "labels")
    for how, said in (
        ("external", "is kept in other files"),
        ("link", "is a link to elsewhere"),
        ("virtual", "is kept in other files"),
        ("unfilled", "was never filled with values"),
    )
}


@pytest.mark.parametrize("how", UNREAD)
def test_what_would_fill_memory_or_lies_elsewhere_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *_: pytest.fail("it is read"))
    beside = write(tmp_path / "other.h5", FEATURES, COORDS)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = FEATURES
        fill(file, how, beside)
    with pytest.raises(BadInput, match=UNREAD[how]) as refusal:
        read_feature_file(tmp_path / "a.h5")
    assert str(refusal.value).startswith(f"{tmp_path / 'a.h5'}: ")


def lzf_zeros(size: int) -> bytes:
    """Bytes that LZF unpacks to so many times 264 zeros, and one."""
    return b"\x00\x00" + b"\xe0\xff\x00" * size


PIECES = {
    "lzf": (4, ["lzf"], lzf_zeros(800_000), "a piece of 'coords' unpacks to over 64 bytes"),
    "large lzf": (2**20, ["lzf"], lzf_zeros(2**20), "'coords' has LZF in pieces of over 3,050,402"),
    "lzf, gzip": (
        4,
        ["lzf", "gzip"],
        zlib.compress(lzf_zeros(800_000)),
        "filters .* once and last",
    ),
    "gzip, gzip": (4, ["gzip", "gzip"], b"", "filters .1, 1.; expected gzip or LZF, once and last"),
    "gzip, shuffle": (4, ["gzip", "shuffle"], b"", r"by the filters \[1, 2\]"),
    "nbit": (4, ["nbit"], b"", r"by the filters \[5\]; expected gzip or LZF"),
    "gzip": (
        4,
        ["gzip", "fletcher32"],
        b"\x78\xda" + bombs.packed_zeros(1)[: 2**18],
        "a piece of 'coords' unpacks to over 64 bytes",
    ),
}


@pytest.mark.parametrize("how", PIECES)
def test_pieces_that_could_unpack_to_much_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *_: pytest.fail("it is read"))
    rows, filters, packed, said = PIECES[how]
    kept = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    kept.set_chunk((rows, 2))
    for name in filters:
        if name == "lzf":
            kept.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL, (4, 0x0105, 0))
        elif name == "nbit":
            kept.set_filter(h5py.h5z.FILTER_NBIT)
        else:
            getattr(kept, f"set_{'deflate' if name == 'gzip' else name}")()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = FEATURES
        space = h5py.h5s.create_simple((4, 2), (h5py.h5s.UNLIMITED, 2))
        made = h5py.h5d.create(file.id, b"coords", h5py.h5t.NATIVE_INT64, space, kept)
        made.write_direct_chunk((0, 0), packed or bytes(64))
    with pytest.raises(BadInput, match=said):
        read_feature_file(tmp_path / "a.h5")


@pytest.mark.parametrize("filters", [{"compression": "lzf"}, {"compression": "gzip"}, {}])
@pytest.mark.parametrize("values", ["smooth", "noise"])
@pytest.mark.parametrize("rows", [1, 1000])
def test_packed_values_are_read(tmp_path: Path, filters: dict, values: str, rows: int) -> None:
    """Noise that packing would enlarge is stored as it is."""
    made = np.random.default_rng(0).integers(0, 256, (1000, 1024), np.uint8)
    made = np.sort(made, 1) if values == "smooth" else made
    kept = {"chunks": (rows, 1024), "shuffle": bool(filters), "fletcher32": True, **filters}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", data=made, **kept)
    np.testing.assert_array_equal(read_feature_file(tmp_path / "a.h5").features, made)
