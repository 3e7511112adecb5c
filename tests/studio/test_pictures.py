"""Tiles side by side: the pixels of the public door, events, downloads, and what is refused."""

import base64
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from disc.asked import masks_from_sicapv2
from disc.evaluate.agreement import primary_measure
from disc.model.store import hash_weights
from disc.pipeline.weights.export import export_run
from disc.pipeline.weights.request import ExportRequest
from disc.studio.pictures import Picture, Shelf
from tests.studio.conftest import SIDE, events, open_client, pictures


def tile_of(picture):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture["tile"]))))


def ask(client, mask, **asked):
    return client.post("/api/pictures", params={"columns": "sd", **asked}, content=mask.tobytes())


def test_pictures_are_those_of_the_door(client, model, mask):
    """Variants and plans from one noise; a later seed is the next number."""
    found = pictures(ask(client, mask, columns="sd,sd-sc:step,sd-disc", seed=7, count=2, steps=3))
    assert [(p["column"], p["facts"]["seed"]) for p in found] == [
        *((0, 7), (0, 8)),
        *((1, 7), (1, 8)),
        *((2, 7), (2, 8)),
    ]
    for picture in found:
        facts = picture["facts"]
        plan = facts["plan"] if facts["variant"] == "sd-sc" else None
        expected = model.sample(
            mask, variant=facts["variant"], plan=plan, steps=3, seed=facts["seed"]
        )
        assert np.abs(tile_of(picture).astype(int) - expected).max() <= 1
    # at every step: the mask; three labels, and the mask for what is unknown; the mask
    costs = [picture["facts"]["evaluations"] for picture in found[::2]]
    assert costs == [3, 12, 3] and all(picture["facts"]["seconds"] > 0 for picture in found)


def test_the_referee_reads_them_again(client, model, mask):
    (picture,) = pictures(ask(client, mask))
    tile = tile_of(picture)
    reading = np.frombuffer(base64.b64decode(picture["reading"]), np.uint8).reshape(SIDE, SIDE)
    assert np.array_equal(reading, model.segment(tile))
    assert picture["agreement"] == pytest.approx(
        primary_measure(mask[None], reading[None])[0], abs=1e-4
    )
    assert set(picture["recalls"]) == {"NC", "GG4", "GG5"}
    (unread,) = pictures(ask(client, mask, read=False))
    assert unread["reading"] == "" and unread["agreement"] is None


def test_progress_rises_and_the_end_says_how_long(client, mask):
    told = events(ask(client, mask, columns="sd,sd-sc", steps=4))
    assert [kind for kind, _ in told if kind != "progress"] == [
        *("queued", "picture", "picture", "done"),
    ]
    done = [data["done"] / data["total"] for kind, data in told if kind == "progress"]
    assert done == [number / 8 for number in range(1, 9)]
    assert told[-1][1]["seconds"] > 0


def test_a_deadline_ends_the_steps(model, answers, mask):
    with open_client(model, answers, deadline_s=1e-6) as client:
        kind, data = events(ask(client, mask))[-1]
    assert kind == "failed" and "stopped after 1e-06 seconds; ask for fewer steps" in data["error"]


def test_the_zip_says_what_it_is(client, model, mask):
    (picture,) = pictures(ask(client, mask, columns="sd-sc:heal@500:2", seed=3))
    response = client.get(f"/api/pictures/{picture['name']}.zip")
    stem = "sd-sc_heal-500-2_seed3"
    assert response.headers["content-disposition"] == f'attachment; filename="{stem}.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        files = {name.removeprefix(f"{stem}/"): archive.read(name) for name in archive.namelist()}
    assert set(files) == {
        *(f"{folder}/{stem}.png" for folder in ("images", "masks", "readings")),
        f"{stem}.json",
    }
    tile = Image.open(io.BytesIO(files[f"images/{stem}.png"]))
    assert "Synthetic" in tile.text["Description"] and "disc-gleason" in tile.text["Software"]
    assert json.loads(tile.text["Comment"]) == picture["facts"]
    assert np.array_equal(np.asarray(tile), tile_of(picture))
    values = np.asarray(Image.open(io.BytesIO(files[f"masks/{stem}.png"])))
    assert set(np.unique(values)) == {0, 4, 5, 255}
    assert np.array_equal(masks_from_sicapv2(values), mask)
    facts = json.loads(files[f"{stem}.json"])
    assert facts["checkpoint"] == hash_weights(model.sampler("sd").denoisers["sd"])
    assert facts["plan"] == "heal@500:2" and facts["seed"] == 3 and "dpmpp" in facts["solver"]
    assert facts["referee"]["agreement"] == picture["agreement"]
    assert client.get(f"/api/pictures/{picture['name']}.zip").content == response.content


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"columns": "sd-dics"}, "no variant 'sd-dics'; there are sd, sd-sc, sd-disc"),
        ({"columns": ""}, "0 variants and plans; choose 1 to 8"),
        ({"columns": ",".join(["sd"] * 9)}, "9 variants and plans; choose 1 to 8"),
        ({"columns": "sd:end"}, "only sd-sc fuses labels by a plan"),
        ({"columns": "sd-sc:and"}, "plan 'and': no plan; expected end"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0"),
        ({"seed": 2**60}, "seed: input should be less than"),
        ({"count": 5}, "count: input should be less than or equal to 4"),
        ({"steps": 0}, "steps: input should be greater than"),
        ({"steps": "many"}, "steps: input should be a valid integer"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(client, mask, asked, said):
    response = ask(client, mask, **asked)
    assert response.status_code == 422 and said in response.json()["error"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m[:-1], "the mask has 4,032 bytes; expected 4,096: 64 x 64 pixels"),
        (lambda m: np.full_like(m, 4), "the mask holds the value 4; expected 0 to 3, or 255"),
        (lambda m: np.full_like(m, 255), "everything in the mask is unknown; paint something"),
        (lambda m: m[:0], "the mask has 0 bytes"),
    ],
)
def test_masks_are_checked(client, mask, change, said):
    response = ask(client, change(mask))
    assert response.status_code == 422 and said in response.json()["error"]


def test_the_nearest_real_tile_of_a_real_tile_is_itself(client, model, mask):
    """A training tile in a picture's place is found, at distance 0, nearer than all others."""
    train = model.real_tiles("train")
    picture = Picture(tile=train.image(5), mask=mask, reading=None, facts={})
    name = client.app.state.studio.painter.shelf.put(picture)
    kind, found = events(client.post(f"/api/pictures/{name}/nearest"))[-1]
    assert kind == "done", found
    assert found["name"] == train.tiles[5].name and found["distance"] < 1e-6
    assert found["of"] == len(train) and found["held_out"] == len(model.real_tiles("test"))
    assert found["nearer"] == 0 < found["median"]
    assert np.array_equal(tile_of(found), train.image(5))


def test_the_shelf_keeps_what_fits(mask):
    tile = np.zeros((SIDE, SIDE, 3), np.uint8)
    shelf = Shelf(max_bytes=3 * 5 * SIDE * SIDE)
    pictures = [Picture(tile=tile, mask=mask, reading=None, facts={}) for _ in range(5)]
    names = [shelf.put(picture) for picture in pictures]
    assert shelf.num_bytes == 3 * 5 * SIDE * SIDE
    assert shelf.get(names[-1]) is pictures[-1]
    with pytest.raises(ValueError, match="no longer kept"):
        shelf.get(names[1])


def test_exported_weights_paint_and_say_what_they_lack(run, answers, mask, tmp_path):
    out = tmp_path / "weights"
    export_run(ExportRequest(run=run, out=out, shapes=False))
    import disc

    with open_client(disc.load(out), answers) as client:
        lacking = client.get("/api/about").json()["lacking"]
        assert set(lacking) == {"tiles", "shapes"}
        (picture,) = pictures(ask(client, mask))
        assert picture["agreement"] is not None
        for method, path in (
            *(("GET", "masks/real"), ("GET", "masks/recipe?primary=3&secondary=4")),
            *(("POST", "quiz?column=sd"), ("POST", f"pictures/{picture['name']}/nearest")),
        ):
            response = client.request(method, f"/api/{path}")
            assert response.status_code == 422
            assert "exported weights come without real tiles" in response.text or (
                "exported without shapes" in response.text
            )


def test_without_a_referee_pictures_come_unread(run, answers, mask, tmp_path, monkeypatch):
    import disc

    model = disc.load(run)
    monkeypatch.setattr(
        "disc.pipeline.weights.trained.TrainedWeights.lacking", {"referee": "not trained yet"}
    )
    with open_client(model, answers) as client:
        (picture,) = pictures(ask(client, mask))
        assert picture["agreement"] is None
        response = client.post(f"/api/pictures/{picture['name']}/nearest")
    assert response.status_code == 422 and response.json() == {"error": "not trained yet"}
