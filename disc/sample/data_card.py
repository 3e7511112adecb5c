"""The data card of a synthetic set: what it is, what made it, and what it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from disc.data.tiles.names import split_ids
from disc.data.tiles.records import Slide
from disc.files import write_bytes
from disc.labels import NAMES, Label, label_of_grade

NAME = "data_card.md"
_TISSUE = {
    True: "simulated tissue, drawn by a program; no patient's",
    False: "real tiles; the terms of their data set hold for this set too",
    None: "not recorded",
}


def write_card(
    root: Path,
    rows: Sequence[Mapping[str, Any]],
    slides: Sequence[Slide],
    labels: Mapping[str, Label],
    *,
    tile_px: int,
    um_per_px: float | None,
    is_simulated: bool | None,
) -> None:
    """Write `data_card.md` of a set.

    Args:
        root: folder of the set.
        rows: of its manifest, one a tile.
        slides: of the set.
        labels: most frequent label of the mask of each tile.
        tile_px: side of a tile.
        um_per_px: width of a pixel; None where nobody knows.
        is_simulated: whether the generator was trained on simulated tissue; None: not known.
    """
    made = rows[0]
    shapes = {row["shape_source"] for row in rows}
    grades = Counter(label_of_grade(slide.primary or 0) for slide in slides)
    scale = "not recorded" if um_per_px is None else f"{um_per_px:g} µm"
    facts = {
        "slides": f"{len(slides)}; by primary grade: {_count(grades)}",
        "tiles": f"{len(rows)}; by most frequent label: {_count(Counter(labels.values()))}",
        "side of a tile": f"{tile_px} px",
        "width of a pixel": scale,
        "variant": made["variant"],
        "plan": made["plan"],
        "solver": made["solver"],
        "precision": made["precision"],
        "hash of the weights": made["checkpoint"],
        "hash of the autoencoder": made["autoencoder"],
        "generator trained on": _TISSUE[is_simulated],
        "its training slides": _count_training(made),
        "shapes of masks": f"of {len(shapes)} training tiles, with other labels",
        **_tell_bank(rows),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    write_bytes(root / NAME, _TEXT.format(table=table).encode())


def _count(numbers: Mapping[Label, int]) -> str:
    return ", ".join(f"{NAMES[label]} {numbers[label]}" for label in Label if numbers.get(label))


def _count_training(made: Mapping[str, Any]) -> str:
    names = split_ids(str(made["training_slides"]), Path(NAME))
    return f"{len(names)}, fold {made['fold']}; their names are in `manifest.parquet`"


def _tell_bank(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """How often tiles share their noise, of a set that was fused from a bank."""
    if "times_used" not in rows[0]:
        return {}
    return {"tiles that share a bundle": f"at most {max(row['times_used'] for row in rows)}"}


_TEXT = """# Synthetic slides of prostate tissue

Tiles that `disc` generated from masks of Gleason grades, gathered into slides. **Research use
only.** A network drew every tile; no slide is a case.

| | |
|---|---|
{table}

## What is in it

The layout of SICAPv2: `images/`, `masks/` (0 Non-Cancer, 3 GG3, 4 GG4, 5 GG5), workbooks of tiles
and slides. `manifest.parquet` has a row a tile: seed, source of its shapes, and all that made it,
so that the same weights make the same tile again.

## What to know before using it

- A mask is what was asked for, not what an expert saw: whether tiles follow it has to be measured
  (`disc audit`). No pathologist has read this set.
- Primary and secondary grades are drawn to balance a training set. Their shares say nothing about
  how often they occur.
- The tiles of a slide are drawn one by one: they do not fit together into a section.
- Whoever tests on slides that the generator was trained on tests on what it has seen: the manifest
  names them, and `disc check` compares.
- Generated tiles may copy training tiles; `disc audit` looks for copies.
"""
