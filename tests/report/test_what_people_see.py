"""What the page says beside its numbers: contents, files, scale, limitations, one name a thing."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.grade.confusion import COUNTS
from disc.labels import PALETTES, Label
from disc.report.limitations import limitations
from disc.report.numbers import measure
from disc.report.page import write_report
from disc.report.pictures import Cell, sheet_cells
from disc.report.run_summary import RunSummary
from disc.report.sentences import headline
from disc.report.sheet_figure import draw_sheet
from tests.report.summaries import make_scores, make_summary
from tests.report.test_page import Reader, read_page

UNGRADED = {"scores": None, "pixels": None}
NOTHING = {"agreement": None, "scores": None, "sheet": (), "pixel_pictures": ()}


@pytest.fixture(scope="module")
def page(told: Path) -> Path:
    return told


@pytest.fixture(scope="module")
def reader(page: Path) -> Reader:
    return read_page(page)


def fail_on(pixels: pd.DataFrame, label: Label) -> pd.DataFrame:
    """The same counts, but the grader of real tiles only calls a label Non-Cancer."""
    table, is_real = pixels.copy(), pixels["variant"] == "real"
    for predicted in Label:
        if predicted != Label.NC:
            column = f"n_{label.name}_{predicted.name}"
            table.loc[is_real, f"n_{label.name}_NC"] += table.loc[is_real, column]
            table.loc[is_real, column] = 0
    assert (table[COUNTS].sum(axis=1) == pixels[COUNTS].sum(axis=1)).all()
    return table


def test_contents_lead_to_sections_and_links_to_files(page: Path, reader: Reader) -> None:
    places = [link[1:] for link in reader.links if link.startswith("#")]
    files = [link for link in reader.links if not link.startswith("#")]
    text = page.read_text()
    assert len(places) == 12 and all(f'<section id="{place}">' in text for place in places)
    assert {"agreement.csv", "differences.csv", "recalls.csv", "auroc.csv", "dice.csv"} <= {*files}
    assert all((page.parent / file).is_file() for file in files)
    beside = {path.name for path in page.parent.iterdir()} - {"index.html"}
    assert beside == {*files}, "every file beside the page is linked"


def test_the_page_says_by_what_it_was_made(reader: Reader) -> None:
    assert "Program disc 1.2.3 Commit 0123abcdef Command disc run test" in reader.text


@pytest.mark.parametrize(("um_per_px", "bar"), [(6.0, "50 µm"), (0.25, "2 µm"), (None, None)])
def test_a_scale_bar_stands_where_the_scale_is_known(
    um_per_px: float | None, bar: str | None, tmp_path: Path
) -> None:
    """A tile is 32 px wide: 192 µm, of which 50 are 26 %; 8 µm, of which 2 are 25 %."""
    summary = make_summary(um_per_px=um_per_px, agreement=None, **UNGRADED)
    text = write_report(tmp_path, summary).read_text()
    bars = re.findall(r'class="bar" style="width: ([0-9.]+)%"><b>([^<]+)<', text)
    assert {name for _, name in bars} == ({bar} if bar else set())
    if um_per_px and bar:
        fraction = 100 * float(bar.split()[0]) / (32 * um_per_px)
        assert float(bars[0][0]) == pytest.approx(fraction, abs=0.01)
        assert len(bars) == 3, "on the first tile of every line"


def test_the_referees_map_stands_below_every_tile_and_all_can_be_enlarged(page: Path) -> None:
    text = page.read_text()
    assert text.count('alt="what the referee reads in: ') == 2 * 7
    assert text.count('type="checkbox"') == text.count("<img ")


def test_a_sheet_names_its_colours(tmp_path: Path) -> None:
    """Legend, both palettes; every colour of a mask is in the picture with its readings."""
    rows = make_summary().sheet[:1]
    for palette in PALETTES:
        figure = draw_sheet(sheet_cells(rows, palette), 6.0, palette)
        (legend,) = figure.legends
        names = [text.get_text() for text in legend.get_texts()]
        assert names == ["Non-Cancer", "GG3", "GG4", "GG5", "unknown"]
        figure.savefig(tmp_path / "sheet.png", dpi=100)
        seen = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).reshape(-1, 3)
        for colour in PALETTES[palette].values():
            assert (seen == colour).all(axis=1).sum() > 500
    assert not draw_sheet([[cell for cell in sheet_cells(rows)[0] if not cell.is_mask]]).legends


def test_the_scale_bar_stands_in_the_first_tile_of_a_line() -> None:
    """Also where a mask is before it."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    mask, tile = Cell(heading="a", pixels=pixels, is_mask=True), Cell(heading="b", pixels=pixels)
    (axes,) = draw_sheet([[mask, tile, mask, tile], [tile, mask], [mask]], 6.0).axes
    bars = [text.get_position() for text in axes.texts if "µm" in text.get_text()]
    wide = max(text.get_position()[0] for text in axes.texts) / 3.5
    assert [int(x / wide) for x, _ in bars] == [1, 0]


def test_the_legend_of_a_narrow_sheet_is_whole() -> None:
    """It takes as many rows as it needs, below the pictures."""
    mask = Cell(heading="mask", pixels=np.zeros((8, 8, 3), np.uint8), is_mask=True)
    for num_columns in (1, 2, 3, 5):
        figure = draw_sheet([[mask] * num_columns])
        figure.draw_without_rendering()
        (axes,), legend = figure.axes, figure.legends[0]
        box, lowest = legend.get_window_extent(), axes.images[0].get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
        assert box.y0 >= 0 and box.y1 <= lowest.y0 + 2


def test_the_papers_colours_on_request(tmp_path: Path) -> None:
    summary = make_summary(palette="paper", agreement=None, **UNGRADED)
    text = write_report(tmp_path, summary).read_text()
    assert 'background: rgb(0, 0, 255)"></i>GG3' in text
    assert "rgb(52, 155, 232)" not in text


def test_one_name_for_a_thing(reader: Reader) -> None:
    assert re.findall(r"\bNC\b", reader.text) == ["NC"], "once, where CSV files are explained"
    assert "in the CSV files NC is Non-Cancer" in reader.text
    assert "carcino against" not in reader.text
    assert "Pixel grader (Carcino-Net) against exact masks, in distribution" in reader.text


def cells_of(page: Path, caption: str, variant: str) -> list[str]:
    """A variant's fields in the table of a caption, with their classes."""
    (part,) = re.findall(rf"<h3>{caption}</h3>(.*?)</table>", page.read_text(), re.S)[:1]
    (line,) = re.findall(rf"<tr>\s*<td>{variant}<small>.*?</tr>", part, re.S)
    return [" ".join(cell.split()) for cell in re.findall(r"<td(.*?)</td>", line, re.S)]


def test_a_difference_at_unequal_steps_is_marked_with_its_reasons(
    page: Path, reader: Reader
) -> None:
    """The student has .04 more than sd, as sd-disc has, in a tenth of the evaluations."""
    fast, plain = (
        cells_of(page, "Multi-class masks of test slides", name)
        for name in ("sd-disc-fast", "sd-disc")
    )
    assert 'class="marked"' in fast[3] and "†" in fast[3]
    assert "unequal steps, standard deviation, KID" in fast[3]
    assert 'class="better"' in plain[3] and "†" not in plain[3]
    assert fast[1] == ">1" and plain[1] == ">10"
    assert cells_of(page, "Multi-class masks of test slides", "sd-sc")[1] == ">22.2"
    assert "differ by more than 0.05" in reader.text and "agreement is blind to blur" in reader.text
    (line,) = (
        line for line in headline(measure(make_summary(**UNGRADED))) if "sd-disc-fast" in line
    )
    assert "reads higher than sd (plain), marked\N{NO-BREAK SPACE}† (unequal steps, stand" in line


def test_both_sets_of_masks_have_every_measure(page: Path) -> None:
    """Of GG5, 2 % of a tile and never found, the primary measure sees nothing."""
    for caption in ("Multi-class masks of test slides", "Multi-class masks of synthesis"):
        _, _, primary, _, old, accuracy, *_ = cells_of(page, caption, "sd")
        values = [float(re.sub(r"<small>.*", "", cell)[1:]) for cell in (primary, old, accuracy)]
        assert values[0] == pytest.approx(0.65, abs=0.06) and values[1] < values[0] - 0.05
        assert values[2] == pytest.approx(values[0], abs=0.05)
    nearness = page.read_text().split('id="quality"')[1].split("</section>")[0]
    assert nearness.count("<h3>") == 3
    assert "1.13" in nearness and "0.50<small>[0.20, 0.60]" in nearness
    # gradient energy 40 of real tiles, over 20 through the autoencoder
    assert nearness.count("2.00") == 3 * 4


def test_a_run_without_what_agreement_does_not_see_has_a_page(tmp_path: Path) -> None:
    summary = make_summary(quality=None, scores=None, pixels=None, pixel_pictures=())
    text = read_page(write_report(tmp_path, summary)).text
    assert "this run compared no tiles with real ones" in text
    assert "marked † (" not in text


def test_the_fraction_of_the_gain_that_is_kept_has_an_interval() -> None:
    numbers = measure(make_summary(**UNGRADED))
    (kept,) = (line for line in headline(numbers) if "of the gain" in line)
    assert re.search(r"DISC has \d+\s% \[\d+\s%, \d+\s%\] of the gain", kept)
    one_slide = make_summary().agreement
    assert one_slide is not None
    summary = make_summary(agreement=one_slide.assign(source_slide="only"), **UNGRADED)
    assert not [line for line in headline(measure(summary)) if "of the gain" in line]


def test_a_gain_over_a_grader_that_has_not_learned_a_label_is_not_coloured(tmp_path: Path) -> None:
    pixels = make_summary().pixels
    assert pixels is not None

    def look(name: str, table: pd.DataFrame) -> tuple[RunSummary, str]:
        twice = pd.concat([table, table.assign(grader_seed=9)])
        summary = make_summary(**NOTHING, pixels=twice)
        return summary, write_report(tmp_path / name, summary).read_text()

    better = pixels.copy()
    is_real = better["variant"] == "real"
    better.loc[is_real, COUNTS] += 40  # more errors: the others gain, and have learned all
    summary, text = look("better", better)
    assert '<td class="better"' in text and "baseline not trained" not in text
    assert not [
        n for n in limitations(summary, measure(summary))["pixel grading"] if "Baseline" in n
    ]
    summary, text = look("untrained", fail_on(pixels, Label.GG3))
    assert '<td class="better">' not in text and '<td class="moot">+' in text
    assert text.count("<small>baseline not trained</small>") == 2
    assert "Baseline not trained, Non-Cancer, GG3, GG4, GG5: the grader of real tiles only" in text
    (note,) = (
        n for n in limitations(summary, measure(summary))["pixel grading"] if "Baseline" in n
    )
    assert "has not learned GG3: in a training its Dice" in note


def test_a_gain_over_a_slide_grader_at_chance_is_not_coloured(tmp_path: Path) -> None:
    scores = make_scores(np.random.default_rng(0), num_slides=80)
    chance = np.random.default_rng(1).random(len(scores))
    is_real = scores["variant"] == "real"
    summary = make_summary(
        **{**NOTHING, "scores": scores.assign(score=scores["score"].where(~is_real, chance))},
        pixels=None,
    )
    text = write_report(tmp_path, summary).read_text()
    assert '<td class="better">' not in text
    assert "Baseline not trained, Non-Cancer, GG3, GG4, GG5: the grader of real tiles only" in text
    assert '<td class="moot">+' in text


def test_limitations_stand_in_the_section_that_they_concern(tmp_path: Path) -> None:
    notes = ["mask agreement: the referee is biased", "slide grading: few bags", "all: of it"]
    text = read_page(write_report(tmp_path, make_summary(notes=notes))).text
    order = ["All: of it", "Do the tiles follow", "The referee is biased", "Do they look like"]
    order += ["Does it help to grade slides?", "Few bags", "Does it help to grade pixels?"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.count("a training step sees twice as many samples") == 2


def test_few_slides_with_a_label_are_one_limitation() -> None:
    """Six slides of four labels on two test sets: eight cases, one sentence."""
    scores = make_scores(np.random.default_rng(0), num_slides=6)
    summary = make_summary(scores=scores)
    thin = [
        n for n in limitations(summary, measure(summary))["slide grading"] if "says little" in n
    ]
    assert len(thin) == 1 and thin[0].count("of 6 slides") == 2
