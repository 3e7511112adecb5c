"""The picture in README, of a run: `python -m disc.pipeline.demo_picture runs/demo out.png`."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from disc.data.pixels.picture_legend import encode_small_png
from disc.evaluate.referee import read_tiles
from disc.files import write_bytes
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.pipeline.stages.agreement import sheet_seeds
from disc.pipeline.stages.referee import load_referee
from disc.pipeline.stages.report import read_sheet
from disc.report.figures import as_png
from disc.report.pictures import Cell, sheet_cells
from disc.report.run_summary import SheetRow
from disc.report.sheet_figure import draw_sheet
from disc.sample.plans import Plan
from disc.settings.run import Run

_MAX_ROWS = 4
_DPI = 110
_PLANS = ("end", "step")
"""Of separated conditions, each in a column of its own."""


def draw_picture(folder: Path) -> bytes:
    """Some lines of a run's sheet of tiles, as a small PNG, with two plans and the evaluations.

    Args:
        folder: of a run whose stage `agreement` is done.
    """
    run = read_config(folder / "config.json")
    context = Context(run, folder)
    rows = choose_rows(_add_plans(context, read_sheet(context)))
    lines = arrange(rows, name_columns(run))
    sheet = as_png(draw_sheet(lines, context.um_per_px), _DPI)
    return encode_small_png(Image.open(io.BytesIO(sheet)).convert("RGB"))


def choose_rows(rows: Sequence[SheetRow]) -> list[SheetRow]:
    """The first line of every set of labels, at most four, in the sheet's order."""
    first: dict[tuple[int, ...], SheetRow] = {}
    for row in rows:
        first.setdefault(tuple(np.unique(row.mask).tolist()), row)
    return list(first.values())[:_MAX_ROWS]


def name_columns(run: Run) -> dict[str, str]:
    """Headings of the picture's columns, in their order, by what the sheet calls them."""
    names = {name: name for name in ("real tile", "target mask")}
    names["reconstruction"] = "through the\nautoencoder"
    spent = {name: _count(run.solver_of(name).evaluations) for name in run.variants}
    names["sd"] = f"sd\n{spent['sd']}"
    for plan in _PLANS:
        names[_planned(plan)] = f"sd-sc, plan {plan}\n{spent['sd-sc']} a label"
    others = [name for name in ("sd-disc", "sd-disc-fast") if name in spent]
    return names | {name: f"{name}\n{spent[name]}" for name in others}


def arrange(rows: Sequence[SheetRow], columns: Mapping[str, str]) -> list[list[Cell]]:
    """The sheet's cells under other headings.

    Args:
        rows: of the sheet.
        columns: headings by the sheet's own, in the order wanted; cells without one are left out.
    """
    lines = [{cell.heading: cell for cell in line} for line in sheet_cells(rows)]
    return [[replace(line[name], heading=columns[name]) for name in columns] for line in lines]


def _add_plans(context: Context, rows: Sequence[SheetRow]) -> list[SheetRow]:
    """The sheet with `sd-sc` under each plan, from the noise of its other tiles."""
    masks, seeds = np.stack([row.mask for row in rows]), sheet_seeds(context.run, len(rows))
    sampler, referee, found = context.sampler("sd-sc"), load_referee(context), list(rows)
    for plan in _PLANS:
        images = sampler.generate("sd-sc", masks, seeds, plan=Plan.parse(plan))
        read = read_tiles(referee, images)
        found = [
            replace(
                row,
                images={**row.images, _planned(plan): image},
                readings={**row.readings, _planned(plan): labels},
            )
            for row, image, labels in zip(found, images, read, strict=True)
        ]
    return found


def _planned(plan: str) -> str:
    return f"sd-sc, {plan}"


def _count(num: int) -> str:
    return f"{num} evaluation{'' if num == 1 else 's'}"


if __name__ == "__main__":
    write_bytes(Path(sys.argv[2]), draw_picture(Path(sys.argv[1])))
