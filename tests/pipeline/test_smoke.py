"""The whole pipeline once, at its smallest, and what must hold of its results."""

import io
import json
import resource
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import UNet2DConditionModel, VQModel
from PIL import Image

import disc
from disc import cli
from disc.data.check.check_sets import check_sets
from disc.data.check.request import CheckRequest
from disc.data.readers.sicapv2 import read_set
from disc.evaluate.agreement import RECALLS
from disc.files import BadInput
from disc.pipeline.demo_picture import draw_picture
from disc.report.figures import as_png
from disc.settings.synthesis import STUDENT, VARIANTS
from tests.report.test_model_card import OPEN

LITTLE = {
    "phantom.slides": "3 3 4 2",
    "phantom.test-slides": "1 1 1 1",
    "phantom.external-slides": "1 1 1 1",
    "phantom.referee-slides": "1 1 1 1",
    "phantom.core-um": "400 700",
    "sample.solver.steps": 3,
    "autoencoder.optim.steps": 4,
    "denoiser.optim.steps": 4,
    "validation.num-tiles": 4,
    "validation.num-bands": 2,
    "distil.num-bundles": 8,
    "distil.optim.steps": 2,
    "distil.student.optim.steps": 2,
    "synthesis.tiles": "2 3",
    "evaluate.referee.optim.steps": 3,
    "evaluate.num-uniform": 4,
    "evaluate.num-mixed": 8,
    "evaluate.num-synthesis": 8,
    "evaluate.num-bootstrap": 40,
    "grade.carcino.optim.steps": 2,
    "grade.pixel-variants": "sd",
    "grade.transmil.optim.steps": 2,
    "report.num-grader-bootstrap": 60,
}
"""What is learnt is not looked at here."""
for _part in ("autoencoder", "denoiser", "distil", "distil.student"):
    LITTLE[f"{_part}.optim.batch"] = 4
SMOKE = ["run", "smoke"]
for _name, _value in LITTLE.items():
    SMOKE += [f"--{_name}", *str(_value).split()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        # drawing some slides is faster than starting processes for it
        patch.setattr("disc.processes.allowed_cores", lambda: 1)
        # figures are drawn once and small: as large and as SVG they are in tests/report
        patch.setattr("disc.report.page.as_png", partial(as_png, dpi=40))
        patch.setattr("disc.report.page.as_svg", lambda figure: b"<svg/>")
        # a sheet of a hundred pictures is drawn as one of a few is
        patch.setattr("disc.pipeline.stages.agreement.SHEET_ROWS", 2)
        patch.setattr("disc.pipeline.stages.report.PICTURES", 2)
        assert cli.main([*SMOKE, "--out", str(out)]) == 0
    return out / "smoke"


def test_it_ends_in_a_page_without_outside_addresses(run):
    page = (run / "report" / "index.html").read_text()
    assert "separated conditions" in page
    assert "src=http" not in page.replace('"', "")


def test_cards_of_the_run_and_of_its_sets_have_nothing_left_open(run):
    cards = [run / "report" / "model_card.md", *run.glob("synthetic/*/data_card.md")]
    assert len(cards) == 1 + len(list((run / "synthetic").iterdir())) > 2
    for card in cards:
        text = card.read_text(encoding="utf-8").replace("\n| | |\n", "\n")
        assert not OPEN.search(text), card


def test_the_same_command_again_does_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("done.json")}
    assert cli.main([*SMOKE, "--out", str(run.parent)]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("done.json")}


def test_a_finished_run_says_so_at_once_without_torch(run):
    code = (
        "import sys\nfrom disc.cli import main\n"
        f"assert main({[*SMOKE, '--out', str(run.parent)]!r}) == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said, page = done.stdout.splitlines()
    assert "all 18 stages, data to report, were done before" in said and "index.html" in page
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5


def test_every_variant_is_asked_for_the_same_masks(run):
    table = pd.read_parquet(run / "agreement.parquet")
    generated = (*VARIANTS, STUDENT)
    targets = {
        variant: table[table["variant"] == variant].set_index("tile")[RECALLS].notna()
        for variant in generated
    }
    for variant in generated:
        pd.testing.assert_frame_equal(targets[variant], targets["sd"])
    assert set(table["variant"]) - {"collage"} == {*generated, "real", "reconstruction", "chance"}
    drawn_for = table[table["variant"] == "sd"]["masks"].value_counts().to_dict()
    assert drawn_for["test slides"] == 12 and 0 < drawn_for["synthesis"] <= 8


def test_what_agreement_does_not_see_is_measured_on_each_kind_of_mask(run):
    quality = pd.read_parquet(run / "agreement" / "quality.parquet").set_index(["kind", "variant"])
    for kind in ("multi-class", "synthesis", "single-class"):
        part = quality.loc[kind]
        assert part.loc[STUDENT, ["evaluations", "steps"]].tolist() == [1, 1]
        assert part.loc["sd", ["evaluations", "steps"]].tolist() == [3, 3]
        assert (part.loc["sd-sc", "evaluations"] > 3) == (kind != "single-class")
        columns = ["kid_real", "kid_reconstruction_gain_low", "standard_deviation"]
        assert np.isfinite(part.loc[[*VARIANTS, STUDENT], columns].astype(float)).all(axis=None)


@pytest.mark.slow
def test_the_picture_of_the_readme_is_drawn_from_a_run(run, monkeypatch):
    monkeypatch.setattr("disc.pipeline.demo_picture._MAX_ROWS", 2)
    picture = Image.open(io.BytesIO(draw_picture(run)))
    width, height = picture.size
    assert 900 < width < 1300 and height > 300
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100


def test_synthetic_slides_fill_every_primary_grade(run):
    real = read_set(run / "data" / "training", 64)
    names = pd.read_excel(run / "data/training/partition/Validation/Val1/Train.xlsx")["image_name"]
    trained = {name.split("_")[0] for name in names}
    counts = pd.Series([real.slides[name].primary for name in trained]).value_counts()
    for variant in VARIANTS:
        added = read_set(run / "synthetic" / variant, 64)
        filled = counts.add(
            pd.Series([slide.primary for slide in added.slides.values()]).value_counts(),
            fill_value=0,
        )
        assert filled.nunique() == 1


def test_variants_share_masks_and_seeds_but_not_pixels(run):
    manifests = {v: pd.read_parquet(run / "synthetic" / v / "manifest.parquet") for v in VARIANTS}
    for variant in VARIANTS:
        pd.testing.assert_series_equal(manifests[variant]["seed"], manifests["sd"]["seed"])
    name = manifests["sd"]["tile"][0]
    masks = [(run / "synthetic" / v / "masks" / f"{name}.png").read_bytes() for v in VARIANTS]
    assert len(set(masks)) == 1
    tiles = [(run / "synthetic" / v / "images" / f"{name}.jpg").read_bytes() for v in VARIANTS]
    assert len(set(tiles)) > 1
    assert manifests["sd-disc"]["checkpoint"][0] != manifests["sd"]["checkpoint"][0]
    assert manifests["sd-sc"]["checkpoint"][0] == manifests["sd"]["checkpoint"][0]


def test_a_synthetic_tile_is_written_like_a_real_one(run):
    written = []
    for place in ("data/training", "synthetic/sd"):
        with Image.open(next((run / place / "images").iterdir())) as tile:
            written.append((tile.size, tile.quantization, tile.layer))
    assert written[0] == written[1]


def test_diffusers_reads_the_models(run):
    assert UNet2DConditionModel.from_pretrained(run / "denoiser" / "sd-disc" / "unet")
    scale = VQModel.from_pretrained(run / "latents" / "autoencoder").config.scaling_factor
    assert scale not in (1.0, 0.18215)


def test_latents_are_scaled_to_standard_deviation_one(run):
    from disc.train.latents.latent_set import read_latents

    latents = read_latents(run / "latents").latents
    rows = torch.arange(len(latents))
    standard_deviation = latents[rows, torch.zeros_like(rows)].std()
    assert float(standard_deviation) == pytest.approx(1, abs=1e-3)


def test_scores_hold_every_arm_and_both_data_sets(run):
    scores = pd.read_parquet(run / "scores.parquet")
    assert set(scores["variant"]) == {"real", *VARIANTS}
    assert set(scores["data_set"]) == {"in", "shifted"}
    assert scores["score"].between(0, 1).all()
    config = json.loads((run / "config.json").read_text())
    assert set(scores["balance_weight"]) == {0.0, *config["grade"]["balance_weights"]}


def test_pixel_counts_cover_every_tile(run):
    pixels = pd.read_parquet(run / "pixels.parquet")
    counts = pixels.filter(like="n_").to_numpy().sum(axis=1)
    np.testing.assert_array_equal(counts, 64 * 64)


def test_a_deleted_stage_and_what_follows_are_done_again(run, monkeypatch):
    kept = (run / "agreement" / "done.json").stat().st_mtime_ns
    sd = (run / "denoiser" / "sd" / "done.json").stat().st_mtime_ns
    before = pd.read_parquet(run / "scores.parquet")
    shutil.rmtree(run / "graders" / "slides")
    # to draw every figure again takes as long as all other stages
    write = "disc.pipeline.stages.report.write_report"
    monkeypatch.setattr(write, lambda place, _: (place / "index.html").write_text("again"))
    assert cli.main([*SMOKE, "--out", str(run.parent)]) == 0
    assert (run / "report" / "index.html").read_text() == "again"
    assert (run / "denoiser" / "sd" / "done.json").stat().st_mtime_ns == sd
    assert (run / "agreement" / "done.json").stat().st_mtime_ns == kept
    pd.testing.assert_frame_equal(pd.read_parquet(run / "scores.parquet"), before)


def test_the_check_knows_what_the_generator_saw(run, tmp_path):
    """Synthetic slides beside their training set, then with a training slide as test slide."""
    generated, real = run / "synthetic" / "sd", tmp_path / "real"

    def kinds():
        report = check_sets(CheckRequest(roots=(generated, real), processes=1))
        return {finding.kind: finding for finding in report.findings}

    shutil.copytree(run / "data" / "training", real)
    found = kinds()
    assert not {"generator-saw-test", "generator-unknown", "bad-manifest"} & set(found)
    books = [real / "partition" / name for name in ("Validation/Val1/Train", "Test/Test")]
    learnt, tested = (pd.read_excel(book.with_suffix(".xlsx")) for book in books)
    moved = learnt.iloc[:1]
    pd.concat([tested, moved]).to_excel(books[1].with_suffix(".xlsx"), index=False)
    leak = kinds()["generator-saw-test"]
    slide, num = (
        moved["image_name"].iloc[0].split("_")[0],
        len(list((generated / "images").iterdir())),
    )
    assert leak.severity == "error"
    assert [case.note for case in leak.cases] == [
        f"slide {slide}: seen by the generator of {num} tile(s)"
    ]


def test_a_students_slides_are_added_to_a_finished_run(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "smoke")
    command = [*SMOKE, "--out", str(tmp_path)]
    # graders that did without it would be trained anew
    command += ["--synthesis.variants", *VARIANTS, STUDENT, "--redo"]
    assert cli.main([*command, "--until", f"synthetic/{STUDENT}"]) == 0
    told = capsys.readouterr().out.splitlines()
    before = " ".join(line for line in told if "stages were done before" in line)
    assert {f"denoiser/{STUDENT},", "agreement"} <= set(before.split())
    fast = pd.read_parquet(run / "agreement.parquet").query("variant == @STUDENT")
    manifest = pd.read_parquet(tmp_path / "smoke" / "synthetic" / STUDENT / "manifest.parquet")
    assert set(fast["solver"]) == set(manifest["solver"]) == {"dpmpp-2m 1 trailing"}


def test_the_door_opens_a_run(run):
    """A recipe has the score's labels and the training masks' shapes, and is its seed's alone."""
    model = disc.load(run)
    masks = model.recipe(4, 5, tiles=6, seed=1)
    assert masks.shape == (6, 64, 64) and set(np.unique(masks)) <= {0, 1, 2, 3}
    assert np.array_equal(masks, model.recipe(4, 5, tiles=6, seed=1))
    assert not np.array_equal(masks, model.recipe(4, 5, tiles=6, seed=2))
    assert (model.recipe(0, 0, tiles=3) == 0).all()
    tiles = model.sample(masks, steps=2)
    assert tiles.shape == (6, 64, 64, 3) and model.segment(tiles).shape == masks.shape
    with pytest.raises(BadInput, match=r"recipe 3\+2: "):
        model.recipe(3, 2)


def test_an_exported_run_draws_the_same_recipes(run, tmp_path):
    """From its folder alone; what it was trained on stands in its README."""
    assert cli.main(["export", "--run", str(run), "--out", str(tmp_path / "out")]) == 0
    exported, trained = disc.load(tmp_path / "out"), disc.load(run)
    for score in ((4, 5), (0, 0)):
        expected = trained.recipe(*score, tiles=6, seed=1)
        assert np.array_equal(exported.recipe(*score, tiles=6, seed=1), expected)
    card = (tmp_path / "out" / "README.md").read_text()
    seen = json.loads((run / "denoiser" / "sd" / "trained_on.json").read_text())
    told = f"| training slides | {len(seen['slides'])}, of {len(seen['patients'])} patients |"
    assert told in card and "`shapes.npz`" in card
