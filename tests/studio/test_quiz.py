"""The quiz: chance decides, nothing tells, answers go to a table, counts have an interval."""

import csv
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from disc.data.pixels.images import encode_jpeg
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.model.store import hash_weights
from disc.studio.pictures import Column
from disc.studio.quiz import COLUMNS, REAL, Quiz, _through_jpeg, tell
from tests.studio.conftest import events


def begin(client, num=6, column="sd-sc:step"):
    return events(client.post("/api/quiz", params={"column": column, "num": num}))[-1][1]["round"]


def say(client, name, number, answer="real", reader="R. Eader"):
    return client.post(f"/api/quiz/{name}/{number}", json={"answer": answer, "reader": reader})


def test_a_round_from_tiles_to_the_table(client, model, answers):
    assert not answers.parent.exists()
    name, tiles = begin(client), model.real_tiles("test")
    shown = [client.get(f"/api/quiz/{name}/{number}.png") for number in range(6)]
    early = client.get(f"/api/quiz/{name}")
    assert early.status_code == 422 and "6 questions are open" in early.json()["error"]
    left = [say(client, name, n, "real" if n % 2 else "synthetic").json()["left"] for n in range(6)]
    assert left == [5, 4, 3, 2, 1, 0]
    result = client.get(f"/api/quiz/{name}").json()
    names = [tile.name for tile in tiles.tiles]
    for response, row in zip(shown, result["questions"], strict=True):
        image = Image.open(io.BytesIO(response.content))
        assert not image.info, "nothing in the file tells what it is"
        real = tiles.image(names.index(row["tile"]))
        assert np.array_equal(np.asarray(image), real) == (row["truth"] == "real")
    rows = list(csv.DictReader(answers.read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 6
    assert [row["truth"] for row in rows] == [row["truth"] for row in result["questions"]]
    right = sum(row["truth"] == row["answer"] for row in rows)
    assert result["round"]["right"] == result["all"]["right"] == right
    assert {row["reader"] for row in rows} == {"R. Eader"}
    sampler = model.sampler("sd-sc", plan="step")
    assert {row["checkpoint"] for row in rows} == {hash_weights(sampler.denoisers["sd"])}
    another = begin(client, num=1)
    say(client, another, 0)
    counts = client.get(f"/api/quiz/{another}").json()
    assert counts["round"]["num"] == 1 and counts["all"]["num"] == 7


def test_answers_to_other_weights_are_not_counted_together(client, answers):
    say(client, begin(client, num=1), 0)
    (row,) = csv.DictReader(answers.read_text().splitlines())
    answers.write_text(answers.read_text().replace(row["checkpoint"], "another"))
    name = begin(client, num=1)
    say(client, name, 0)
    assert client.get(f"/api/quiz/{name}").json()["all"]["num"] == 1


def test_a_table_of_other_columns_is_refused_and_stays(client, answers):
    """Earlier versions did not note the weights."""
    name = begin(client, num=2)
    say(client, name, 0)
    kept = answers.read_text()
    old = ",".join(column for column in COLUMNS if column != "checkpoint") + "\n"
    answers.write_text(old)
    refused = "quiz.csv has other columns than answers have now (it lacks checkpoint); move it away"
    assert refused in say(client, name, 1).json()["error"]
    (last,) = [data for kind, data in events(client.post("/api/quiz?column=sd&num=1"))][-1:]
    assert refused in last["error"] and str(answers.parent) not in last["error"]
    assert answers.read_text() == old
    for whole in (kept.replace("\n", "\r\n", 1).encode("utf-8-sig"), b""):
        answers.write_bytes(whole)
        say(client, begin(client, num=1), 0)
        assert len(list(csv.DictReader(io.StringIO(answers.read_text())))) == 1 + bool(whole)


def test_synthetic_tiles_went_through_the_same_jpeg(client, model):
    """One is what the door makes of the same mask and seed, through the JPEG of real tiles."""
    name = begin(client, num=12, column="sd")
    played = client.app.state.studio.quiz._rounds[name].questions
    truths = [question.truth for question in played]
    assert len(set(truths)) == 2
    question = played[truths.index("synthetic")]
    tiles = model.real_tiles("test")
    index = [tile.name for tile in tiles.tiles].index(question.tile)
    tile = model.sample(tiles.mask(index), variant="sd", seed=question.seed)
    expected = np.asarray(Image.open(io.BytesIO(encode_jpeg(tile)))).astype(int)
    shown = np.asarray(Image.open(io.BytesIO(question.png)))
    assert np.abs(shown - expected).max() <= 3


def test_what_is_no_answer_is_refused_and_not_written(client, answers):
    name = begin(client, num=2)
    for bad, said in (
        ({"answer": "maybe"}, "the answer is real or synthetic"),
        ({"answer": "real", "reader": "=cmd|1"}, "a reader's name begins"),
        ({"answer": "real", "reader": "a\nb"}, "a reader's name"),
        ({"answer": "real", "truth": "real"}, "expected {"),
        ([1], "expected {"),
    ):
        response = client.post(f"/api/quiz/{name}/0", json=bad)
        assert response.status_code == 422 and said in response.json()["error"]
    assert not answers.exists()
    assert say(client, name, 0).status_code == 200
    assert "answered before" in say(client, name, 0).json()["error"]
    assert "no question 2" in say(client, name, 2).json()["error"]
    assert "that round is over" in say(client, "nothing", 0).json()["error"]
    assert (
        "test tiles have a label; ask fewer"
        in events(client.post("/api/quiz?column=sd&num=40"))[-1][1]["error"]
    )


def test_names_of_all_languages_go_into_the_table(client, answers):
    names = [
        "Dr. Müller",
        "O'Brien",
        "O\u2019Brien",
        "Mu\u0308ller",
        "हिन्दी",
        "李 小龙",
        "Anne-Marie 2",
        "",
    ]
    round_name = begin(client, num=len(names))
    for number, reader in enumerate(names):
        assert say(client, round_name, number, reader=reader).status_code == 200, reader
    kept = [row["reader"] for row in csv.DictReader(io.StringIO(answers.read_text()))]
    assert kept == [*names[:3], "Müller", *names[4:]]


@pytest.mark.parametrize(
    "reader", ["'=1", "-1", "=1", "@a", " a", "a,b", 'a"b', "a/b", "a\tb", 41 * "a"]
)
def test_a_name_that_is_none_is_refused_before_a_round_begins(client, answers, reader):
    asked = {"column": "sd", "num": 1, "reader": reader}
    refused = client.post("/api/quiz", params=asked)
    assert refused.status_code == 422
    assert "begins with a letter or digit, and has at most 40" in refused.json()["error"]
    assert say(client, begin(client, num=1), 0, reader=reader).status_code == 422
    assert not answers.exists()


@pytest.mark.parametrize(("right", "num"), [(7, 12), (0, 5), (40, 40)])
def test_the_interval_is_wilsons(right, num):
    found = tell([True] * right + [False] * (num - right))
    z, p = norm.ppf(0.975), right / num
    middle, half = p + z**2 / (2 * num), z * np.sqrt(p * (1 - p) / num + z**2 / (4 * num**2))
    expected = ((middle - half) / (1 + z**2 / num), (middle + half) / (1 + z**2 / num))
    assert (found["low"], found["high"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_real_tiles_that_were_no_jpeg_become_one(tmp_path, monkeypatch, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    tile = Tile(name="t", slide_id="s", image=Path(f"t.{suffix}"), mask=None, x=0, y=0)
    tiles = TileSet(slides={"s": Slide(slide_id="s", patient_id="s")}, tiles=(tile,), tile_px=32)
    monkeypatch.setattr(TileSet, "image", lambda *_: noise)
    monkeypatch.setattr(TileSet, "mask", lambda *_: np.zeros((32, 32), np.uint8))
    model = SimpleNamespace(real_tiles=lambda _: tiles, sample=lambda *_, **__: noise)
    painter = SimpleNamespace(model=model, find_checkpoint=lambda _: "0" * 16)
    quiz, task = Quiz(painter, tmp_path / "quiz.csv"), SimpleNamespace(step=lambda *_: None)
    shown = {}
    for _ in range(40):
        name = quiz.begin(Column("sd"), 1, task)["round"]
        _, question = quiz._question(name, 0)
        shown[question.truth] = np.asarray(Image.open(io.BytesIO(question.png)))
    expected = noise if suffix == "jpg" else _through_jpeg(noise)
    assert len(shown) == 2 and np.array_equal(shown[REAL], expected)
