"""What a study has to tell, handed to its page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from disc.pipeline.made_by import find_command, find_commit, find_version
from disc.records.typed import read_arrays, read_table
from disc.report.graders.attention import AttentionSheet, choose_slides
from disc.report.run_summary import PixelRow
from disc.report.study.page import write_study_page
from disc.report.study.summary import StudySummary
from disc.settings.grading import GIVEN
from disc.study.cells import ATTENTION, PICTURES, picture_tiles, tell_remedy
from disc.study.grid import REAL, Cell
from disc.study.request import AGAIN, BALANCED, CONTROLS, REMIXED, SHUFFLED
from disc.study.study import Study

ABOUT = {
    AGAIN: "The real bags once more, drawn apart: as many steps, and as many tiles a step, as "
    "with synthetic ones. What more tiles a step do.",
    BALANCED: "Copies of real bags, as many of each primary grade as there are synthetic ones. "
    "What resampling to balance grades does.",
    REMIXED: "New bags of real tiles, each with the most frequent label of a tile of a synthetic "
    "bag. What new mixtures of known tiles do.",
    SHUFFLED: "Synthetic bags with the labels of each other. What synthetic tiles do whatever "
    "their labels say.",
}
FEW_SEEDS = 3


def report(
    study: Study, cells: Sequence[Cell], tables: dict[str, pd.DataFrame], unnoted: Sequence[str]
) -> Path:
    """Write the page.

    Args:
        study: what it is of.
        cells: that it has.
        tables: scores, pixels, probe, recipe_weights.
        unnoted: folders of the study of which no hash was noted.
    """
    request, first = study.request, study.runs[0].context
    controls = [name for name in CONTROLS if name in request.controls]
    summary = StudySummary(
        title=f"disc study: {request.out.name}",
        facts={name: fact for name, fact in _facts(study, cells).items() if fact},
        is_simulated=first.is_simulated,
        notes=[*_notes(study), *tell_unnoted(unnoted)],
        pictures=_pictures(study, cells),
        attention=_attention(study, cells),
        palette=first.run.report.palette,
        draws=request.draws,
        seed=request.seed,
        controls={name: ABOUT[name] for name in controls},
        **tables,
    )
    return write_study_page(study.folder / "report", summary)


def _facts(study: Study, cells: Sequence[Cell]) -> dict[str, str]:
    slides = sum(cell.kind == "slides" for cell in cells)
    return {
        "Program": f"disc {find_version()}",
        "Commit": find_commit(),
        "Command": find_command(sys.argv),
        "Runs": ", ".join(run.context.folder.name for run in study.runs),
        "Cells": f"{slides} of slide graders, {len(cells) - slides} of pixel graders",
    }


def _notes(study: Study) -> list[str]:
    """What limits the study."""
    seeds = {run.seed for run in study.runs}
    notes = []
    if study.runs[0].context.is_simulated:
        notes.append(
            "The tissue is simulated: nothing here says how well any of this grades patients."
        )
    if len(seeds) < FEW_SEEDS:
        notes.append(
            f"{len(seeds)} generator seed(s): how much another generator would change is "
            f"{'not known' if len(seeds) == 1 else 'known poorly'}."
        )
    if any(run.context.split.val_is_seen for run in study.runs):
        notes.append("A generator saw the validation slides, on which balance weights are chosen.")
    if not any(run.condition for run in study.runs):
        notes.append(
            "No run has a denoiser conditioned otherwise (tile labels, layouts): the ablation of "
            "conditions is not in this study."
        )
    return notes


def tell_unnoted(places: Sequence[str]) -> list[str]:
    """What is said of folders of which no hash was noted, in a sentence, if there are any."""
    if not places:
        return []
    some = "1 folder is" if len(places) == 1 else f"{len(places):,} folders are"
    return [
        f"{some} from before a study noted hashes of its files ({places[0]}"
        f"{' and others' if len(places) > 1 else ''}): whether anything in it was changed since is "
        "not known. Deleted, it is made again."
    ]


def _pictures(study: Study, cells: Sequence[Cell]) -> list[PixelRow]:
    """Test tiles as pixel graders read them: of each variant the first cell that there is."""
    kept: dict[str, Path] = {}
    for cell in cells:
        path = study.place(cell) / PICTURES
        if cell.kind == "pixels" and cell.fold == study.runs[0].fold and path.exists():
            kept.setdefault(cell.variant, path)
    if not kept:
        return []
    read = {
        name: read_arrays(path, ("labels",), tell_remedy(path))["labels"]
        for name, path in kept.items()
    }
    tiles, chosen = picture_tiles(study, study.runs[0].fold)
    drawn = study.runs[0].context.split.test
    return [
        PixelRow(
            image=tiles.image(index),
            truth=tiles.mask(index),
            annotation=drawn.mask(index) if study.has_exact(study.runs[0].fold) else None,
            predictions={name: labels[place] for name, labels in read.items()},
        )
        for place, index in enumerate(chosen)
    ]


def _attention(study: Study, cells: Sequence[Cell]) -> list[AttentionSheet]:
    """What slide graders looked at: of real tiles, and of each variant the first there is."""
    kept: dict[str, Path] = {}
    for cell in cells:
        path = study.place(cell) / ATTENTION
        is_shown = cell.variant == REAL or cell.source == cell.variant
        # what other programs encoded need not be the tiles that are shown
        is_shown &= cell.encoder != GIVEN
        if is_shown and cell.fold == study.runs[0].fold and path.exists():
            kept.setdefault(f"{cell.grader}_{cell.encoder}_{cell.variant}", path)
    slides = choose_slides(study.runs[0].context.split.test) if kept else []
    return [
        AttentionSheet(
            name=name,
            slides=slides,
            table=read_table(path, ("slide", "tile", "attention"), tell_remedy(path)),
        )
        for name, path in kept.items()
    ]
