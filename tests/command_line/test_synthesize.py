"""`disc synthesize` and `disc bank`: balanced sets, resumed, from bundles, and what is refused."""

import io
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import disc
from disc import cli
from disc.command_line.synthesize import _plan
from disc.data.pixels.images import encode_jpeg
from disc.files import read_json
from disc.model.denoiser import Denoiser
from disc.presets import smoke
from disc.sample import generation
from disc.sample.bank import read_bank
from disc.sample.request import SynthesisRequest
from disc.sample.separated import fuse
from disc.sample.synthesis import deal_bundles, plan_slides
from disc.settings.synthesis import Synthesis
from disc.train.latents.shards import StoredMasks
from tests.folders import contents
from tests.tiny_run import write_tiny_data, write_tiny_run

COUNTS = ("--counts", "NC=1,GG4=2", "--tiles", "3", "4", "--seed", "5")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_data(write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny"))


@pytest.fixture(scope="module")
def bank(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("banks") / "bank"
    assert call("bank", run, out, "--bundles", "6", "--steps", "2") == 0
    return out


@pytest.fixture(scope="module")
def undisturbed(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("sets") / "whole"
    assert call("synthesize", run, out, *COUNTS, "--steps", "2") == 0
    return out


def call(command, run, out, *words):
    return cli.main([command, "--run", str(run), "--out", str(out), *words])


def read_masks(folder, names):
    values = [np.asarray(Image.open(folder / "masks" / f"{name}.png")) for name in names]
    return disc.masks_from_sicapv2(np.stack(values))


def test_a_set_has_the_slides_that_were_asked_for(run, undisturbed):
    manifest = pd.read_parquet(undisturbed / "manifest.parquet")
    slides = pd.read_excel(undisturbed / "wsi_labels.xlsx")
    assert slides["Gleason_primary"].tolist() == [0, 4, 4]
    assert set(manifest["tile"]) == {path.stem for path in (undisturbed / "images").iterdir()}
    assert manifest.groupby(manifest["tile"].str[:8]).size().between(3, 4).all()
    assert set(manifest["variant"]) == {"sd-sc"} and set(manifest["plan"]) == {"end"}
    assert set(manifest["solver"]) == {"dpmpp-2m 2 trailing"}
    assert "bundle" not in manifest and manifest["seed"].is_unique
    card = (undisturbed / "data_card.md").read_text(encoding="utf-8")
    assert f"| tiles | {len(manifest)}; " in card and "patient's" in card
    assert f"| hash of the weights | {manifest['checkpoint'][0]} |" in card
    assert "image_name" in pd.read_excel(undisturbed / "partition/Test/Test.xlsx")
    assert read_json(undisturbed / "set.json")["um_per_px"] == disc.load(run).um_per_px > 0


def test_a_tile_is_that_of_the_door(run, undisturbed):
    """What the manifest says of tiles makes them again."""
    manifest = pd.read_parquet(undisturbed / "manifest.parquet")
    chosen = manifest[manifest["tile"].str.startswith("S4")].head(3)
    masks = read_masks(undisturbed, chosen["tile"])
    assert any(len(np.unique(mask)) > 1 for mask in masks)
    seeds = chosen["seed"].tolist()
    tiles = disc.load(run).sample(masks, variant="sd-sc", plan="end", steps=2, seed=seeds)
    for name, tile in zip(chosen["tile"], tiles, strict=True):
        again = np.asarray(Image.open(io.BytesIO(encode_jpeg(tile)))).astype(int)
        written = np.asarray(Image.open(undisturbed / "images" / f"{name}.jpg")).astype(int)
        assert (np.abs(again - written) > 1).mean() <= 0.001


def test_primary_grades_are_filled_up(run, tmp_path, monkeypatch, capsys):
    """Of the training slides two are benign, two GG3, two GG4 and none GG5."""
    out, words = tmp_path / "out", ("--slides-per-grade", "3", "--tiles", "1", "1", "--steps", "1")
    assert call("synthesize", run, out, *words) == 0
    assert "6 slide(s): Non-Cancer 1, GG3 1, GG4 1, GG5 3, 6 tiles by" in capsys.readouterr().out
    monkeypatch.setattr(StoredMasks, "known", lambda self: [0, 1, 2])
    assert call("synthesize", run, tmp_path / "less", *words) == 0
    said = capsys.readouterr().out
    assert "3 slide(s): Non-Cancer 1" in said and "none of GG5, which no training tile" in said
    assert call("synthesize", run, tmp_path / "none", "--counts", "GG5=1") == 2
    assert "--counts asks for GG5, which no training tile of" in capsys.readouterr().err
    assert call("synthesize", run, tmp_path / "none", "--slides-per-grade", "2") == 2
    assert "need no slide more; ask for more with --slides" in capsys.readouterr().err


def test_what_was_stopped_ends_in_the_same_bytes(run, undisturbed, tmp_path, monkeypatch, capsys):
    out, words, real = tmp_path / "stopped", (*COUNTS, "--steps", "2"), generation.write_json
    markers = []

    def stop(path, value):
        """As if killed when all tiles of the second slide stand and its marker does not."""
        if path.parent.name == "chunks":
            markers.append(path)
            if len(markers) == 2:
                raise KeyboardInterrupt
        real(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(generation, "write_json", stop)
        assert call("synthesize", run, out, *words) == 130
    assert not (out / "manifest.parquet").exists()
    first = next(iter((out / "chunks").iterdir()))
    moment = first.stat().st_mtime_ns
    (out / "images" / ".half.jpg.1.tmp").write_bytes(b"killed")
    assert call("synthesize", run, out, *words) == 0
    assert contents(out) == contents(undisturbed)
    assert first.stat().st_mtime_ns == moment
    assert call("synthesize", run, out, *COUNTS, "--steps", "3") == 2
    assert "stopped: holds tiles of another request" in capsys.readouterr().err
    assert contents(out) == contents(undisturbed)


def test_tiles_of_a_bank_are_those_of_separated_conditions(run, bank, tmp_path):
    """Bank + mask = sd-sc under `end`, of the bundle's noise; only floating point differs."""
    out = tmp_path / "out"
    assert call("synthesize", run, out, *COUNTS, "--from-bank", str(bank), "--reuse", "2") == 0
    manifest = pd.read_parquet(out / "manifest.parquet")
    held = read_bank(bank)
    uses = manifest["bundle"].value_counts()
    assert (manifest["times_used"] == manifest["bundle"].map(uses)).all() and uses.max() <= 2
    assert manifest["seed"].tolist() == [held.seeds[i] for i in manifest["bundle"]]
    sampler = disc.load(run).sampler("sd-sc", plan="end", steps=2)
    masks = read_masks(out, manifest["tile"])
    expected = sampler.draw_latents("sd-sc", masks, manifest["seed"].tolist())
    fused = fuse(held.take(manifest["bundle"].to_numpy()), torch.from_numpy(masks))
    assert any(len(np.unique(mask)) > 1 for mask in masks)
    torch.testing.assert_close(fused, expected, atol=1e-4, rtol=0)
    assert set(manifest["checkpoint"]) == {held.facts.weights}
    assert set(manifest["solver"]) == {"dpmpp-2m 2 trailing"}


def test_bundles_are_dealt_evenly_and_by_seed(run):
    model = disc.load(run)
    context, counts = model.weights.context, {0: 2, 4: 2}
    slides, known = list(context.split.train.slides.values()), context.latents.known()
    plans = plan_slides(slides, context.book, known, Synthesis(tiles=(5, 5)), counts)
    one, again, other = (deal_bundles(plans, range(8), seed=s, reuse=3) for s in (1, 1, 2))
    assert one == again != other
    dealt = [bundle for plan in one for bundle in plan.bundles]
    assert sorted(dealt[:8]) == sorted(dealt[8:16]) == list(range(8)) and dealt[:8] != dealt[8:16]
    assert [replace(plan, bundles=(), seeds=[]) for plan in one] == [
        replace(plan, seeds=[]) for plan in plans
    ]
    # more slides do not change the bundles of those before
    more = plan_slides(slides, context.book, known, Synthesis(tiles=(5, 5)), {**counts, 5: 1})
    assert deal_bundles(more, range(8), seed=1, reuse=4)[:4] == one


def test_a_bank_is_filled_once_and_can_grow(run, bank, tmp_path, capsys):
    out = tmp_path / "bank"
    assert call("bank", run, out, "--bundles", "2", "--steps", "2") == 0
    assert "bank: 2 bundles of 4 labels, 0.0 MiB; standard deviation" in capsys.readouterr().out
    assert call("bank", run, out, "--bundles", "6", "--steps", "2") == 0
    assert contents(out) == contents(bank)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--counts NC=1 --slides-per-grade 9", "give --slides-per-grade or --counts, not both"),
        ("--counts NC=1,GG6=2", "--counts has 'GG6=2'; expected numbers of slides as in NC=70"),
        ("--counts NC=1,NC=2", "--counts has 'NC=2'; expected"),
        ("--counts NC=-1", "--counts has 'NC=-1'; expected"),
        ("--counts NC=0", "--counts asks for no slide"),
        ("--slides-per-grade 0", "--slides-per-grade is 0; expected 1 or more"),
        ("--slides-per-grade 1 --tiles 5 4", "--tiles is 5 4; expected minimum and maximum"),
        ("--counts GG3=1 --variant sd-dis", "no variant 'sd-dis' in it; it has sd, sd-sc"),
        ("--counts GG3=1 --plan both", "plan 'both': no plan; expected end"),
        ("--counts GG3=1 --plan end --variant sd", "only sd-sc fuses labels"),
        ("--counts GG3=1 --steps 0", "0 steps; expected"),
        ("--counts GG3=1 --reuse 2", "--reuse is of a bank's bundles; give --from-bank too"),
        ("--counts GG3=1 --from-bank {bank} --steps 3", "--from-bank is sd-sc under the plan end"),
        ("--counts GG3=1 --from-bank {bank} --variant sd", "--from-bank is sd-sc under the plan"),
        ("--counts GG3=1 --from-bank {run}", "no bundles; disc bank or the stage 'bank' writes"),
        (
            "--counts GG3=4 --tiles 5 5 --from-bank {bank}",
            "20 tiles from 6 bundles used 1 time(s) each: 20 bundles would do (disc bank "
            "--bundles), or --reuse 4",
        ),
    ],
)
def test_what_cannot_be_is_one_line(words, said, run, bank, capsys):
    out = bank.parent / "out"
    assert call("synthesize", run, out, *words.format(bank=bank, run=run).split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not out.exists()


def test_a_bank_of_other_weights_is_refused(run, bank, tmp_path, capsys):
    other, out = tmp_path / "other", tmp_path / "out"
    shutil.copytree(run, other)
    torch.manual_seed(7)
    Denoiser(smoke().denoiser).save(other / "denoiser" / "sd")
    assert call("synthesize", other, out, "--counts", "GG3=1", "--from-bank", str(bank)) == 2
    error = capsys.readouterr().err
    assert "bank: made by weights" in error and "make one with disc bank" in error
    assert not out.exists()
    assert call("bank", other, bank, "--bundles", "6", "--steps", "2") == 2
    assert "made with weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--bundles 0", "--bundles is 0; expected 1 or more"),
        ("--bundles 9 --steps 3", "solver dpmpp-2m 2 trailing, not dpmpp-2m 3 trailing; give"),
        ("--bundles 9 --seed 1 --steps 2", "made with seed 0, not 1; give another folder"),
        ("--bundles 5 --steps 2", "bank: holds 6 bundles, not 5; ask for 6 or more"),
    ],
)
def test_a_bank_that_cannot_be_is_one_line(words, said, run, bank, capsys):
    before = contents(bank)
    assert call("bank", run, bank, *words.split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert contents(bank) == before


def test_a_folder_of_something_else_is_no_bank(run, undisturbed, capsys):
    before = contents(undisturbed)
    assert call("bank", run, undisturbed, "--bundles", "5") == 2
    assert "whole: is not a bank of disc bank; give a new folder" in capsys.readouterr().err
    assert contents(undisturbed) == before


def test_numbers_of_tiles_that_are_asked_for_hold_where_sizes_are_drawn_from_real_slides(run):
    """A run may say `synthesis.sizes real`; --tiles overrules it."""
    weights = disc.load(run).weights
    settings = replace(weights.synthesis, sizes="real")
    stand_in = SimpleNamespace(
        synthesis=settings,
        **{name: getattr(weights, name) for name in ("known", "slides", "book", "folder")},
    )
    request = SynthesisRequest(out=run / "none", counts="GG4=3", tiles=(2, 2))
    assert [len(plan.tiles) for plan in _plan(request, stand_in)] == [2, 2, 2]


def test_exported_weights_make_the_same_set(run, undisturbed, tmp_path):
    exported, out = tmp_path / "weights", tmp_path / "set"
    assert cli.main(["export", "--run", str(run), "--out", str(exported)]) == 0
    assert call("synthesize", exported, out, *COUNTS, "--steps", "2") == 0
    assert contents(out) == contents(undisturbed)
    balanced = [tmp_path / "of-run", tmp_path / "of-weights"]
    for source, place in zip((run, exported), balanced, strict=True):
        words = ("--slides-per-grade", "2", "--tiles", "1", "1", "--steps", "1", "--variant", "sd")
        assert call("synthesize", source, place, *words) == 0
    assert contents(balanced[0]) == contents(balanced[1])
