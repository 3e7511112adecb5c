"""Masks in: a PNG whose values are explained, a real tile, a recipe."""

import base64
import io
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from disc.data.pixels.images import encode_mask, encode_png
from disc.studio.sources import pick_recipe, tell_lacking
from tests.studio.conftest import SIDE


def as_png(pixels, mode=None):
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette([value for i in range(256) for value in (255 - i, i, i // 2)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_png_is_read_by_its_values_as_they_are_explained(client, mask, mode):
    """The same file may be read both ways, where its values allow: that is why it is asked."""
    said = client.post("/api/masks/png?values=sicapv2", content=encode_mask(mask))
    assert np.array_equal(np.frombuffer(said.content, np.uint8).reshape(SIDE, SIDE), mask)
    both = np.where(mask == 255, 255, np.where(mask == 3, 3, 0)).astype(np.uint8)
    for values, label in (("sicapv2", 1), ("classes", 3)):
        said = client.post(f"/api/masks/png?values={values}", content=as_png(both, mode))
        expected = np.where(both == 3, label, both)
        assert np.array_equal(np.frombuffer(said.content, np.uint8).reshape(SIDE, SIDE), expected)


def bomb():
    """A header of 64 x 64, and a stream that unpacks to far more."""
    data = encode_png(np.zeros((SIDE, SIDE), np.uint8))
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    packed = b"IDAT" + zlib.compress(b"\0" * 2**24)
    body = len(packed) - 4
    chunk = body.to_bytes(4, "big") + packed + zlib.crc32(packed).to_bytes(4, "big")
    return data[: start - 4] + chunk + data[start + 4 + length + 4 :]


@pytest.mark.parametrize(
    ("data", "values", "said"),
    [
        (b"", "sicapv2", "the file is empty"),
        (b"GIF89a" + bytes(99), "sicapv2", "the file is not a PNG; masks"),
        (encode_png(np.zeros((SIDE, SIDE), np.uint8)), "", "say what the values mean"),
        (encode_png(np.zeros((32, SIDE), np.uint8)), "classes", "the PNG has 64 x 32 px; masks of"),
        (encode_png(np.zeros((SIDE, SIDE, 3), np.uint8)), "classes", "pixels of mode RGB"),
        (encode_png(np.full((SIDE, SIDE), 4, np.uint8)), "classes", "value 4; expected 0, 1, 2, 3"),
        (encode_png(np.full((SIDE, SIDE), 2, np.uint8)), "sicapv2", "or are its values classes?"),
        (encode_png(np.full((SIDE, SIDE), 255, np.uint8)), "classes", "everything in the mask"),
        (encode_png(np.zeros((SIDE, SIDE), np.uint8))[:-20], "classes", "the PNG: damaged"),
        (bomb(), "classes", "the PNG: holds 16,"),
    ],
)
def test_what_is_no_mask_is_a_sentence(client, data, values, said):
    response = client.post(f"/api/masks/png?values={values}", content=data)
    assert response.status_code == 422 and said in response.json()["error"], response.text


def test_a_real_mask_comes_with_its_tile(client, model):
    tiles = model.real_tiles("test")
    found = client.get("/api/masks/real?seed=1").json()
    index = [tile.name for tile in tiles.tiles].index(found["name"])
    mask = np.frombuffer(base64.b64decode(found["mask"]), np.uint8).reshape(SIDE, SIDE)
    assert np.array_equal(mask, tiles.mask(index)) and len(np.unique(mask)) > 1
    tile = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["tile"]))))
    assert np.array_equal(tile, tiles.image(index))
    names = {client.get(f"/api/masks/real?seed={seed}").json()["name"] for seed in range(6)}
    assert len(names) > 1


def test_a_recipe_is_the_doors(client, model):
    """Of the masks that the door draws, one with both grades, and what it lacks where none is."""
    for seed in range(3):
        said = client.get(f"/api/masks/recipe?primary=4&secondary=3&seed={seed}").json()
        mask = np.frombuffer(base64.b64decode(said["mask"]), np.uint8).reshape(SIDE, SIDE)
        drawn = model.recipe(4, 3, tiles=said["drawn"], seed=seed)
        assert any(np.array_equal(mask, other) for other in drawn)
        assert said["lacking"] == tell_lacking(mask, 4, 3)
        assert bool(said["lacking"]) != any({1, 2} <= set(np.unique(other)) for other in drawn)
    said = client.get("/api/masks/recipe?primary=0&secondary=3")
    assert said.status_code == 422 and "recipe 0+3" in said.json()["error"]


@pytest.mark.parametrize(
    ("score", "drawn", "taken", "lacking"),
    [
        # tissue beside a pattern is no second grade
        ((4, 5), [[0, 2], [0, 3], [2, 3], [0, 2, 3]], 2, []),
        ((5, 4), [[0, 0], [0, 2], [3, 3], [0, 3]], 3, ["GG4"]),
        ((4, 4), [[0, 3], [2, 2], [2, 3]], 2, []),
        ((3, 5), [[0, 0], [0, 2]], 1, ["GG3", "GG5"]),
    ],
)
def test_a_recipe_holds_both_grades_where_one_that_is_drawn_does(score, drawn, taken, lacking):
    masks = np.array([np.resize(labels, (4, 4)) for labels in drawn], np.uint8)
    mask = pick_recipe(SimpleNamespace(recipe=lambda *_, **__: masks), *score, 0)
    assert np.array_equal(mask, masks[taken]) and tell_lacking(mask, *score) == lacking
