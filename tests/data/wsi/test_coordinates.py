"""Coordinates as CLAM and TRIDENT write them; the files here are written with h5py alone."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from disc.data.wsi.coordinates import Grid, encode_coordinates, read_coordinates
from disc.files import BadInput

XY = np.array([[0, 512], [4096, 512], [4096, 1024]])
CLAM = {
    "patch_size": 256,
    "patch_level": 1,
    "downsample": (4.0, 4.0),
    "downsampled_level_dim": (2000, 1000),
    "level_dim": (2000, 1000),
    "name": "a",
    "save_path": "/elsewhere/patches",
}
TRIDENT = {
    "patch_size": 256,
    "patch_size_level0": 512,
    "level0_magnification": 40,
    "target_magnification": 20,
    "overlap": 0,
    "name": "a",
    "savetodir": "/elsewhere",
    "level0_width": 8000,
    "level0_height": 4000,
}


def save(path: Path, attributes: dict[str, object], xy: np.ndarray = XY, **kept: object) -> Path:
    with h5py.File(path, "w") as file:
        coords = file.create_dataset("coords", data=xy, **kept)
        coords.attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    ("name", "attributes", "side"),
    [
        ("a.h5", CLAM, 1024),
        ("a.h5", CLAM | {"patch_level": 0, "downsample": (1.0, 1.0)}, 256),
        ("a_patches.h5", TRIDENT, 512),
        ("a_patches.h5", {k: v for k, v in TRIDENT.items() if k != "patch_size_level0"}, 512),
    ],
)
def test_squares_of_both(
    tmp_path: Path, name: str, attributes: dict[str, object], side: int
) -> None:
    chunked = {"chunks": (1, 2), "maxshape": (None, 2)}
    found = read_coordinates(save(tmp_path / name, attributes, **chunked))
    assert found.slide == "a" and found.side == side
    assert found.xy.dtype == np.int64 and np.array_equal(found.xy, XY)


@pytest.mark.parametrize(("downsample", "side"), [(4.0, 526.0), (16.02, 4100.5), (1.0, 256.0)])
def test_ours_is_read_by_the_rules_of_both(tmp_path: Path, downsample: float, side: float) -> None:
    grid = Grid(
        slide="a",
        size=(8000, 4000),
        um_per_px=0.486,
        level=1,
        downsample=downsample,
        level_size=(2000, 1000),
        side=side,
        overlap=0.5,
    )
    data = encode_coordinates(XY, grid)
    assert data == encode_coordinates([tuple(row) for row in XY.tolist()], grid)
    with h5py.File(io.BytesIO(data), "r") as file:
        assert file["coords"].dtype == np.int64 and np.array_equal(file["coords"][:], XY)
        said = dict(file["coords"].attrs)
    assert set(said) == set(CLAM) | set(TRIDENT)
    clam = said["patch_size"] * said["downsample"][0]
    trident = said["patch_size"] * said["level0_magnification"] / said["target_magnification"]
    assert abs(clam - side) <= downsample / 2 and abs(trident - side) <= downsample
    assert said["level0_magnification"] == 20 and said["overlap"] == round(said["patch_size"] / 2)
    (tmp_path / "a.h5").write_bytes(data)
    assert read_coordinates(tmp_path / "a.h5").side == round(side)


def test_no_places(tmp_path: Path) -> None:
    found = read_coordinates(save(tmp_path / "a.h5", CLAM, np.zeros((0, 2), np.int64)))
    assert found.xy.shape == (0, 2)


def corrupt(path: Path, how: str) -> None:
    """Write a file that must be refused."""
    other = save(path.with_name("other.h5"), CLAM)
    kinds = {"floats": XY.astype(float), "flat": XY.ravel(), "triples": np.zeros((3, 3), int)}
    kinds |= {"negative": -XY, "far": XY + 2**40}
    if how in kinds:
        save(path, CLAM, kinds[how])
    elif how == "no attributes":
        save(path, {})
    elif how == "text for a number":
        save(path, TRIDENT | {"patch_size_level0": "512"} | {"patch_size": "256"})
    elif how == "not HDF5":
        path.write_bytes(b"PK\3\4 and a zip behind it")
    else:
        with h5py.File(path, "w") as file:
            _corrupt_coords(file, other, how)


def _corrupt_coords(file: h5py.File, other: Path, how: str) -> None:
    if how == "external link":
        file["coords"] = h5py.ExternalLink(other, "coords")
    elif how == "soft link":
        file["other"] = XY
        file["coords"] = h5py.SoftLink("/other")
    elif how == "external storage":
        file.create_dataset("coords", XY.shape, "i8", external=[("/etc/passwd", 0, 48)])
    elif how == "virtual":
        layout = h5py.VirtualLayout(XY.shape, "i8")
        layout[:] = h5py.VirtualSource(other, "coords", XY.shape)
        file.create_virtual_dataset("coords", layout)
    elif how == "group":
        file.create_group("coords")
    elif how == "enormous":
        file.create_dataset("coords", (10**12, 2), "i8", chunks=(2**16, 2))
    elif how == "enormous chunk":
        file.create_dataset("coords", (1, 2), "i8", chunks=(2**27, 2), maxshape=(None, 2))
    elif how == "never filled":
        file.create_dataset("coords", (4_000_000, 2), "i8", chunks=(1000, 2))
    else:
        file["features"] = XY


REFUSALS = {
    "floats": "'coords' is float64 [3, 2]; expected integers [N, 2]",
    "flat": "'coords' is int64 [6]; expected integers",
    "triples": "'coords' is int64 [3, 3]; expected integers",
    "negative": "places from -4096 to 0; expected level-0 pixels",
    "far": "expected level-0 pixels of a slide",
    "no attributes": "does not say how wide its squares are",
    "text for a number": "does not say how wide its squares are",
    "not HDF5": "not readable as HDF5 coordinates",
    "external link": "is a link to elsewhere",
    "soft link": "is a link to elsewhere",
    "external storage": "is kept in other files",
    "virtual": "is kept in other files",
    "group": "'coords' is a group",
    "enormous": "claims 1,000,000,000,000 places; expected at most 5,000,000",
    "enormous chunk": "has 16 bytes in pieces of 2,147,483,648; expected at most",
    "never filled": "'coords' was never filled with values",
    "features only": "has no 'coords'; expected a file of CLAM or TRIDENT",
}


@pytest.mark.parametrize("how", REFUSALS)
def test_refused_by_name(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.h5"
    corrupt(path, how)
    with pytest.raises(BadInput) as caught:
        read_coordinates(path)
    assert str(caught.value).startswith(f"{path}: ") and REFUSALS[how] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file of coordinates"):
        read_coordinates(tmp_path / "a.h5")


def test_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    """Cut short at any length, or with a bit flipped anywhere: one line, or places of a slide."""
    whole = save(tmp_path / "whole.h5", CLAM).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "a.h5"
    for _ in range(300):
        data = bytearray(whole)
        if rng.random() < 0.2:
            data = data[: rng.integers(len(data))]
        else:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            found = read_coordinates(path)
        except BadInput as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert found.xy.shape[1] == 2 and found.side >= 1
