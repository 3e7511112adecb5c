"""`disc audit`: the page, the table and the JSON, limits, and what it refuses in one line."""

import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest

from disc import cli
from disc.audit.asked import learnt, segmenter
from disc.audit.copies import detector, new
from disc.settings.grading import CarcinoNet
from tests.audit.made_tiles import make_tiles, write_set

QUICK = ("--segmenter-steps", "2", "--encoders", "texture")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector, "NUM_PLANTED", 20)
        patch.setattr(detector, "MAX_NULL", 60)
        patch.setattr(new, "MIN_NULL", 60)
        patch.setattr(segmenter, "WIDTH", 8)
        patch.setattr(segmenter, "Settings", partial(CarcinoNet, blocks=(1, 1)))
        yield


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    write_set(root / "real", *small_tiles(5))
    write_set(root / "made", *small_tiles(2, start=60))
    return root


def small_tiles(patients, start=0):
    """25 tiles of 32 px of each patient."""
    return make_tiles(patients, start, side=96, px=32)


def call(*words):
    return cli.main(["audit", *map(str, words)])


def refuse(capsys, *words):
    """The one line with which it is refused."""
    assert call(*words, "--page", "None") == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_everything_is_written(sets, tmp_path, capsys, monkeypatch):
    # nobody learns anything in two steps
    monkeypatch.setattr(learnt, "MIN_GAIN", -9)
    monkeypatch.setattr(learnt, "MIN_ROOM", -9)
    page, table, found = tmp_path / "a.html", tmp_path / "a.parquet", tmp_path / "a.json"
    words = sets / "real", sets / "made", "--page", page, "--table", table, "--json", found
    limits = "agreement>=.001", "copies<=.5", "kid.texture<=1000"
    assert call(*words, "--segmenter-steps", "2", "--limit", *limits) == 0
    said = capsys.readouterr().out
    assert "limit agreement>=0.001: kept" in said and "20 of 20 planted" in " ".join(said.split())
    audit = json.loads(found.read_text())
    assert audit["schema"] == "disc-audit/1" and audit["synthetic"]["tiles"] == 50
    figures = {one["name"]: one for one in audit["figures"]}
    rows = pd.read_parquet(table).set_index("name")
    assert set(rows.index) == set(figures)
    for name in ("agreement", "recall.GG5", "boundary.8", "train-synthetic", "kid.texture"):
        assert figures[name]["value"] == pytest.approx(rows.loc[name, "value"])
    assert "would do" in figures["frechet.embedded"]["refused"]
    assert 0 <= figures["agreement"]["chance"] <= 1 and figures["agreement"]["ceiling"] > 0
    text = page.read_text()
    assert "Are there seams?" in text and "What looks most alike" in text
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


def test_a_limit_that_is_not_kept_is_exit_code_1(sets, capsys):
    words = sets / "real", sets / "made", "--parts", "look", *QUICK, "--page", "None"
    # what cannot be measured keeps to nothing
    assert call(*words, "--limit", "gradient.GG5>=.5", "tissue<=.1", "frechet.texture<=1e9") == 1
    said = capsys.readouterr().out
    assert "limit gradient.GG5>=0.5: kept" in said
    assert "limit tissue<=0.1: NOT KEPT" in said
    assert "limit frechet.texture<=" in said and said.count("NOT KEPT") == 2


def test_segmenters_that_learnt_nothing_say_nothing(sets, tmp_path, capsys):
    found = tmp_path / "a.json"
    words = sets / "real", sets / "made", "--parts", "asked", "--page", "None", "--json", found
    assert call(*words, "--segmenter-steps", "2", "--limit", "agreement>=0") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Mask agreement: refused, the segmenters have not learnt to read" in said
    assert "limit agreement>=0: NOT KEPT" in said
    figures = {one["name"]: one for one in json.loads(found.read_text())["figures"]}
    for name in ("agreement", "size.20-50%", "boundary.4", "confusion.GG5>GG5", "train-real"):
        assert figures[name]["value"] is None
        assert "--segmenter-steps" in figures[name]["refused"]


def test_a_limit_that_names_no_figure_loses_nothing(sets, tmp_path, capsys):
    found = tmp_path / "a.json"
    words = sets / "real", sets / "made", "--parts", "seams", "--page", "None", "--json", found
    assert call(*words, "--limit", "kid.nope<=1") == 2
    assert "kid is measured in embedded, texture; name one of" in capsys.readouterr().err
    assert not found.exists()
    assert call(*words, "--limit", "seam<=99", "step.+9>=.1") == 2
    assert "this audit has no figure step.+9; it has seam" in capsys.readouterr().err
    assert json.loads(found.read_text())["limits"] == [{"limit": "seam<=99", "passed": True}]


def test_json_on_standard_output_is_alone(sets, capsys):
    words = sets / "real", sets / "made", "--parts", "seams", "--page", "None", "--json", "-"
    assert call(*words) == 0
    assert json.loads(capsys.readouterr().out)["figures"][0]["name"] == "seam"


def test_of_identical_folders_everything_is_a_copy(sets, capsys):
    assert call(sets / "real", sets / "real", "--parts", "new", "--page", "None") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "The two sets hold the same tiles: everything is a copy" in said
    assert "Everything is a copy: 125 of 125 tiles" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--limit agreement=.5", "expected a figure, >= or <=, and a number, as in agreement>=.5"),
        ("--limit beauty>=1", "--limit 'beauty>=1': expected a figure"),
        ("--parts seams --limit copies<=.1", "copies is a figure of new, which --parts leaves out"),
        ("--encoders uni", "encoders: no weights of uni (UNI): "),
        ("--table out.xlsx", "expected a name that ends in .csv or .parquet"),
        ("--json {root}", "is a folder; name the file to write"),
        ("--tile-px 16", "--tile-px must be 32 or more"),
    ],
)
def test_options_that_cannot_be_are_refused(words, said, sets, capsys):
    line = refuse(capsys, sets / "real", sets / "made", *words.format(root=sets).split())
    assert said in line


def test_a_set_without_masks_is_refused_unless_none_is_needed(sets, tmp_path, capsys):
    shutil.copytree(sets / "made", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "masks")
    line = refuse(capsys, sets / "real", tmp_path / "bare")
    assert "50 of 50 tiles have no mask" in line and "--parts look new" in line
    words = sets / "real", tmp_path / "bare", "--parts", "look", *QUICK, "--page", "None"
    assert call(*words) == 0


def test_sets_that_do_not_fit_together_are_refused(sets, tmp_path, capsys):
    images, masks, owners = small_tiles(1, start=80)
    coarse = write_set(tmp_path / "coarse", images, masks, owners, um_per_px=8.0)
    line = refuse(capsys, sets / "real", coarse)
    assert "8 µm per pixel beside 4 in" in line
    grown = [part.repeat(2, axis=1).repeat(2, axis=2) for part in (images, masks)]
    large = write_set(tmp_path / "large", *grown, owners)
    line = refuse(capsys, sets / "real", large)
    assert "tiles of 64 px beside 32 px" in line and "--tile-px 32 --fit resize" in line
    alone = write_set(tmp_path / "alone", images, masks, owners)
    line = refuse(capsys, alone, sets / "made")
    assert "1 patient; an audit tells patients apart" in line
    line = refuse(capsys, tmp_path / "nothing", sets / "made")
    assert "no such folder" in line


@pytest.mark.parametrize("which", [0, 1])
def test_masks_of_255_alone_are_refused_as_none(sets, tmp_path, capsys, which):
    images, masks, owners = small_tiles(3, start=80)
    write_set(tmp_path / "ignored", images, np.full_like(masks, 255), owners)
    both = [sets / "real", sets / "made"]
    both[which] = tmp_path / "ignored"
    line = refuse(capsys, *both, "--parts", "asked")
    assert "ignored: no pixel of 75 tiles has a label" in line and "--parts look new" in line


def test_a_scale_that_a_set_says_is_not_overruled(sets, tmp_path, capsys):
    made = write_set(tmp_path / "made", *small_tiles(2, start=60), um_per_px=2.0)
    words = "--parts", "seams", "--um-per-px", "4"
    line = refuse(capsys, sets / "real", made, *words)
    assert "set.json: says 2 µm per pixel, and --um-per-px 4" in line
    assert call(sets / "real", sets / "made", *words, "--page", "None") == 0


def test_a_real_set_with_a_generators_manifest_is_noted(sets, tmp_path, capsys):
    shutil.copytree(sets / "made", tmp_path / "made")
    pd.DataFrame({"tile": ["a"]}).to_parquet(tmp_path / "made" / "manifest.parquet")
    words = "--parts", "seams", "--page", "None"
    assert call(tmp_path / "made", sets / "real", *words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "manifest lies in" in said and "give the real one first" in said
    assert call(sets / "real", sets / "made", *words) == 0
    assert "manifest lies in" not in " ".join(capsys.readouterr().out.split())


def test_a_damaged_tile_is_named(sets, tmp_path, capsys):
    shutil.copytree(sets / "made", tmp_path / "torn")
    torn = sorted((tmp_path / "torn" / "images").iterdir())[3]
    torn.write_bytes(torn.read_bytes()[:700])
    assert torn.name in refuse(capsys, sets / "real", tmp_path / "torn", "--parts", "look")


def test_a_manifest_of_another_set_is_refused(sets, tmp_path, capsys):
    made = tmp_path / "made"
    shutil.copytree(sets / "made", made)
    names = sorted(path.stem for path in (made / "images").iterdir())

    def write(tiles, slides):
        table = pd.DataFrame({"tile": tiles, "training_slides": slides, "shape_source": tiles})
        table.to_parquet(made / "manifest.parquet")

    write([f"x{name}" for name in names], "P0 P1")
    line = refuse(capsys, sets / "real", made)
    assert "of another set: 50 of 50 tiles are not in it" in line
    write(names, "P0 Q7")
    line = refuse(capsys, sets / "real", made)
    assert "its generator was trained on 2 slides, 1 of which" in line and "first Q7" in line
    write([*names[:49], None], "P0 P1")
    assert "manifest.parquet: 1 of 50 rows have no tile" in refuse(capsys, sets / "real", made)
    write(names, ["P0 P1"] * 49 + [None])
    assert "1 of 50 rows have no training_slides" in refuse(capsys, sets / "real", made)
    (made / "manifest.parquet").write_bytes(b"PAR1")
    assert "manifest.parquet: damaged (" in refuse(capsys, sets / "real", made)


def test_patients_are_those_of_the_real_sets_tables(sets, tmp_path, capsys):
    """Of masks, and of tiles that a segmenter of synthetic tiles is tested on."""
    made, found = tmp_path / "made", tmp_path / "a.json"
    shutil.copytree(sets / "made", made)
    names = sorted(path.stem for path in (made / "images").iterdir())
    drawn_on = sorted(path.stem for path in (sets / "real" / "images").iterdir())[:50]
    facts = {"tile": names, "training_slides": "P0 P1", "shape_source": drawn_on}

    def audit():
        pd.DataFrame(facts).to_parquet(made / "manifest.parquet")
        words = sets / "real", made, "--parts", "asked", *QUICK, "--page", "None", "--json", found
        assert call(*words) == 0
        return json.loads(found.read_text())

    first = audit()
    assert first["synthetic"]["patients"] == len({name.partition("_")[0] for name in drawn_on})
    texts = {one["name"]: one for one in first["figures"]}
    assert "patients that the generator did not see" in texts["train-synthetic"]["text"]
    assert texts["train-synthetic"]["tiles"] == 3 * 25
    assert not any("underscore" in note for note in first["notes"])
    facts |= {"shape_source": [f"X{i % 3}_1" for i in range(50)]}
    facts["training_slides"] = "P0 P1 P2 P3 P4"
    second = audit()
    assert second["synthetic"]["patients"] == 3
    assert any("of 50 synthetic tiles" in note and "underscore" in note for note in second["notes"])
    texts = {one["name"]: one for one in second["figures"]}
    assert "real tiles of all patients" in texts["train-synthetic"]["text"]


def test_only_what_the_generator_saw_can_be_copied(sets, tmp_path, capsys):
    """A tile of a patient that it did not see is like others by chance.

    Had it seen all, everything were a copy, as of identical folders.
    """
    images, masks, owners = small_tiles(5)
    chosen = np.flatnonzero(np.isin(owners, ["P0", "P4"]))[::2]
    made = write_set(tmp_path / "made", images[chosen], masks[chosen], owners[chosen])
    names = sorted(path.stem for path in (made / "images").iterdir())
    facts = {"tile": names, "training_slides": "P1 P2 P3", "shape_source": names}
    words = sets / "real", made, "--parts", "new", "--page", "None", "--json"
    pd.DataFrame(facts).to_parquet(made / "manifest.parquet")
    assert call(*words, tmp_path / "some.json") == 0
    verdict = json.loads((tmp_path / "some.json").read_text())["verdict_on_copies"]
    assert verdict.startswith(("No copies: 0 of", "No more than between real patients"))
