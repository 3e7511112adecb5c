"""The model card of a run is filled from what the run found, with nothing left open."""

import re
from pathlib import Path

import pytest

from disc.report import sentences
from disc.report.cards.model_card import write_model_card
from disc.report.numbers import measure
from disc.report.run_summary import RunSummary
from tests.report.summaries import make_summary

OPEN = re.compile(
    r"TODO|TBD|FIXME|XXX|More Information|to be filled|\bNone\b|\bnan\b|[{}<>]|\.\.\.|\| +\|"
)


def write(folder: Path, summary: RunSummary) -> str:
    write_model_card(folder, summary, measure(summary))
    return (folder / "model_card.md").read_text(encoding="utf-8")


NOTHING = dict.fromkeys(("agreement", "scores", "pixels", "standard_deviations"))


LACKING = {**NOTHING, "made_by": {}, "notes": ()}


@pytest.mark.parametrize(
    ("lacking", "is_simulated"), [({}, True), (LACKING, True), (LACKING, False)]
)
def test_nothing_is_left_for_somebody_to_fill_in(tmp_path: Path, lacking, is_simulated) -> None:
    card = write(tmp_path, make_summary(is_simulated=is_simulated, **lacking))
    assert not OPEN.search(card)
    assert ("trained on simulated tissue alone" in card) == is_simulated
    assert ("Nothing that could be compared" in card) == bool(lacking)


def test_a_command_tells_no_place_of_this_machine(tmp_path: Path) -> None:
    command = "disc run paper --data.root /home/me/SICAPv2 --out=../mine/runs ~/x.json --seed 1"
    card = write(tmp_path, make_summary(made_by={"Command": command}, **NOTHING))
    assert "`disc run paper --data.root SICAPv2 --out=runs x.json --seed 1`" in card


def test_rows_come_from_configuration_stages_and_tables(tmp_path: Path) -> None:
    notes = ["slide grading: not possible: one slide"]
    summary = make_summary(notes=notes, scores=None, pixels=None)
    card = write(tmp_path, summary)
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]*?) \|$", card, re.M))
    assert rows["fold"] == summary.config["data"]["fold"]
    assert rows["sampled with"].startswith(summary.config["sample"]["solver"]["name"])
    assert rows["program"] == "`disc 1.2.3`"
    assert "| denoiser/sd | 10 steps of 4 | 200 |" in card
    assert sentences.headline(measure(summary))[0] in card
    assert "slide grading: not possible: one slide" in card


def test_a_card_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    config = make_summary().config
    root = "/data/of-a-ward/SICAPv2"
    summary = make_summary(
        config={**config, "data": {**config["data"], "root": root}},
        data_note=f"tiles of {root}: 60 training tiles",
        is_simulated=False,
        **NOTHING,
    )
    card = write(tmp_path, summary)
    assert "tiles of SICAPv2: 60" in card and "of-a-ward" not in card
