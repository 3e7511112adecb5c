"""The picture in README, of a run: `python -m disc.pipeline.demo_picture runs/demo out.png`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from disc.data.pixels.picture_legend import encode_small_png
from disc.data.readers.set_scale import read_scale
from disc.files import write_bytes
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.pipeline.stages.report import read_sheet
from disc.report.figures import as_png
from disc.report.pictures import sheet_cells
from disc.report.run_summary import SheetRow
from disc.report.sheet_figure import draw_sheet

_MAX_ROWS = 4
_DPI = 110


def draw_picture(folder: Path) -> bytes:
    """Some lines of a run's sheet of tiles, as a small PNG.

    Args:
        folder: of a finished run.
    """
    run = read_config(folder / "config.json")
    context = Context(run, folder)
    scale = read_scale(context.root, run.data.tile_px, run.data.fit)
    rows = choose_rows(read_sheet(context))
    sheet = as_png(draw_sheet(sheet_cells(rows), scale), _DPI)
    return encode_small_png(Image.open(io.BytesIO(sheet)).convert("RGB"))


def choose_rows(rows: Sequence[SheetRow]) -> list[SheetRow]:
    """The first line of every set of labels, at most four, in the sheet's order."""
    first: dict[tuple[int, ...], SheetRow] = {}
    for row in rows:
        first.setdefault(tuple(np.unique(row.mask).tolist()), row)
    return list(first.values())[:_MAX_ROWS]


if __name__ == "__main__":
    write_bytes(Path(sys.argv[2]), draw_picture(Path(sys.argv[1])))
