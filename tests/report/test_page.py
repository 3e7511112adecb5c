"""The page shows the numbers that the tables hold, whole or in part, and needs nothing else."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.pixels.mask_colours import colour_mask
from disc.evaluate.agreement import RECALLS, SYNTHESIS, TEST
from disc.grade.confusion import COUNTS
from disc.labels import NAMES, PALETTES
from disc.report.page import write_report
from disc.report.pictures import embed
from disc.report.run_summary import RunSummary
from tests.report.conftest import draw_small
from tests.report.summaries import make_summary

VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Checks that tags close in order, and keeps text and sources."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name == "src"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split()).replace("\N{MINUS SIGN}", "-")


def read_page(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    reader.close()
    assert not reader.open
    return reader


def multi_class(table: pd.DataFrame, variant: str, masks: str = TEST) -> pd.Series:
    """The primary measure: GG5 covers too little to count; see `make_agreement`."""
    rows = table[(table["variant"] == variant) & (table["masks"] == masks)].set_index("tile")
    return rows.loc[rows[RECALLS].notna().sum(axis=1) > 1, RECALLS[:3]].mean(axis=1)


def test_the_short_audit_is_told_by_variant(whole: tuple[Path, RunSummary]) -> None:
    path, _ = whole
    text = read_page(path).text
    table = text[text.index("Short audit of the synthetic slides") :]
    assert "0.25 [0.12, 0.50] 1.25 [1.12, 1.50]" in table
    # what could not be measured says why; of real tiles stands what halves of them give
    assert "0.25 [0.12, 0.50] 80 tiles; 200 would do" in table
    assert re.search(r"real tiles 0\.\d+ 0\.06 0\.06 0 1 1 1 1 1", table)
    rows = pd.read_csv(path.parent / "audit.csv")
    assert len(rows) == 16


def test_headline_and_table_show_the_paired_difference(whole: tuple[Path, RunSummary]) -> None:
    path, summary = whole
    assert summary.agreement is not None
    found = multi_class(summary.agreement, "sd-sc") - multi_class(summary.agreement, "sd")
    text = read_page(path).text
    sentence = "sd-sc (separated conditions) follow multi-class masks of test slides better than sd"
    assert f"{sentence} (plain): {found.mean():+.3f} [" in text
    assert text.count(f"{found.mean():+.3f}") >= 2
    asked = multi_class(summary.agreement, "sd-sc", SYNTHESIS)
    asked -= multi_class(summary.agreement, "sd", SYNTHESIS)
    assert f"On those that synthesis asks for, better: {asked.mean():+.3f} [" in text
    assert f"{multi_class(summary.agreement, 'reconstruction').mean():.3f}" in text


def test_auroc_of_real_tiles_is_scikit_learns(whole: tuple[Path, RunSummary]) -> None:
    from sklearn.metrics import roc_auc_score

    path, summary = whole
    scores = summary.scores
    assert scores is not None
    rows = scores[(scores["variant"] == "real") & (scores["split"] == "test")]
    for _, part in rows[rows["label"] == "GG3"].groupby("data_set"):
        runs = [roc_auc_score(run.truth, run.score) for _, run in part.groupby("grader_seed")]
        assert f"{np.mean(runs):.3f} [" in read_page(path).text
    shown = pd.read_csv(path.parent / "auroc.csv")
    assert len(shown[(shown["variant"] == "sd") & (shown["split"] == "test")]) == 2 * 2 * 5


def test_page_is_one_file_without_scripts_or_addresses(whole: tuple[Path, RunSummary]) -> None:
    path, _ = whole
    page, reader = path.read_text(), read_page(path)
    assert reader.sources and all(source.startswith("data:image/") for source in reader.sources)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert not re.search(r"https?://", page)
    assert "a run &lt;of tests&gt;" in page


def test_figures_and_tables_lie_beside_the_page(whole: tuple[Path, RunSummary]) -> None:
    names = {file.name for file in whole[0].parent.iterdir()}
    assert {"quality.csv", "all_labels.csv", "accuracy.csv", "agreement_synthesis.png"} <= names
    assert "attention_transmil_embedded_real.png" in names
    assert {"sheet.png", "pixels.png", "agreement_several_labels.png"} <= names
    assert {"differences.csv", "chosen.csv", "dice.csv", "standard_deviations.csv"} <= names
    assert not [name for name in names if name.endswith(".tmp")]


def test_same_numbers_same_bytes(
    whole: tuple[Path, RunSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the part of a summary that is told in figures of each kind: a chart and a sheet."""
    monkeypatch.undo()
    draw_small(monkeypatch)
    assert whole[1].agreement is not None
    lacking = {"scores": None, "pixels": None, "pixel_pictures": (), "attention": ()}
    # a copy is measured anew
    page = write_report(tmp_path, make_summary(agreement=whole[1].agreement.copy(), **lacking))
    files = [*tmp_path.glob("*.png"), tmp_path / "agreement.csv", tmp_path / "recalls.csv"]
    assert {"sheet.png", "agreement_synthesis.png"} <= {file.name for file in files}
    for file in files:
        assert file.read_bytes() == (whole[0].parent / file.name).read_bytes(), file.name
    charts = [source for source in read_page(page).sources if "svg" in source]
    assert len(charts) == 3 and set(charts) <= set(read_page(whole[0]).sources)


def test_what_is_lacking_is_said_with_its_reason(tmp_path: Path) -> None:
    notes = ["slide grading: not possible: one slide"]
    lacking = {"scores": None, "pixels": None, "pixel_pictures": ()}
    text = read_page(write_report(tmp_path, make_summary(notes=notes, **lacking))).text
    assert "Does it help to grade slides? not possible: one slide" in text
    assert "Does it help to grade pixels? not possible: this run has no numbers for it" in text
    assert "Mask agreement: a referee" in text


def test_a_run_that_measured_nothing_still_has_a_page(tmp_path: Path) -> None:
    lacking = dict.fromkeys(("agreement", "scores", "pixels", "standard_deviations"))
    summary = make_summary(sheet=(), pixel_pictures=(), is_simulated=False, notes=(), **lacking)
    text = read_page(write_report(tmp_path, summary)).text
    assert "measured nothing that could be compared" in text
    assert "real tiles" in text and "The tissue is simulated" not in text


def test_one_slide_gives_differences_without_intervals(tmp_path: Path) -> None:
    agreement = make_summary().agreement
    assert agreement is not None
    lacking = {"scores": None, "pixels": None, "sheet": (), "pixel_pictures": ()}
    summary = make_summary(agreement=agreement.assign(source_slide="only"), **lacking)
    text = read_page(write_report(tmp_path, summary)).text
    assert "sd-sc (separated conditions) against sd (plain): +0.0" in text
    assert "[no interval], 20 masks from 1 slide" in text
    assert "better than" not in text and "rests on masks from 1 slide" in text


def test_scores_without_validation_choose_no_weight(tmp_path: Path) -> None:
    scores = make_summary().scores
    assert scores is not None
    test_only = scores[scores["split"] == "test"]
    lacking = {"agreement": None, "pixels": None, "sheet": (), "pixel_pictures": ()}
    text = read_page(write_report(tmp_path, make_summary(scores=test_only, **lacking))).text
    assert "no balance weight could be chosen" in text
    assert "synthetic tiles change the mean AUROC" not in text


def test_masks_have_the_colours_of_the_legend(whole: tuple[Path, RunSummary]) -> None:
    mask = np.array([[0, 1, 2, 3, 255]], np.uint8)
    generated = colour_mask(mask)
    assert [tuple(pixel) for pixel in generated[0, :4]] == list(PALETTES["safe"].values())
    data = base64.b64decode(embed(generated, is_mask=True).split(",")[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), generated)
    for label, colour in PALETTES["safe"].items():
        swatch = "rgb({}, {}, {})".format(*colour)
        assert f'<i style="background: {swatch}"></i>{NAMES[label]}' in whole[0].read_text()


def test_dice_is_computed_from_the_counts(whole: tuple[Path, RunSummary]) -> None:
    path, summary = whole
    assert summary.pixels is not None
    rows = summary.pixels[
        (summary.pixels["variant"] == "real") & (summary.pixels["data_set"] == "in")
    ]
    counts = rows[COUNTS].to_numpy(float).sum(axis=0).reshape(4, 4)
    dice = 2 * counts.diagonal() / (counts.sum(axis=0) + counts.sum(axis=1))
    assert f"{dice.mean():.3f} [" in read_page(path).text


def test_large_tiles_are_embedded_small() -> None:
    kind, data = embed(np.zeros((512, 512, 3), np.uint8)).split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (256, 256)
