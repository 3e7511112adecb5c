"""What a synthetic set's manifest says: whose masks its tiles have, and what its generator saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from disc.data.tiles.names import split_ids
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.records.typed import read_table

MANIFEST = "manifest.parquet"
_REMEDY = "make the set again, or remove it"


def read_manifest(
    root: Path, real: TileSet, synthetic: TileSet
) -> tuple[dict[str, str], frozenset[str] | None]:
    """The tile that each synthetic tile's mask was drawn on, and what the generator saw.

    Raises:
        BadInput: if it is damaged, or of other sets than these two.
    """
    path = root / MANIFEST
    if not path.exists():
        return {}, None
    table = read_table(path, ("tile", "training_slides"), _REMEDY)
    for column in ("tile", "training_slides", "shape_source"):
        if column in table and (num := int(table[column].isna().sum())):
            raise BadInput(f"{path}: {num} of {len(table)} rows have no {column}; {_REMEDY}")
    rows = dict(zip(table["tile"], map(str, table["training_slides"]), strict=True))
    if unknown := sorted({tile.name for tile in synthetic.tiles} - set(rows)):
        raise BadInput(
            f"{path}: of another set: {len(unknown)} of {len(synthetic)} tiles are not in it, "
            f"first {unknown[0]}; put this set's own there, or remove it"
        )
    seen = frozenset(name for text in set(rows.values()) for name in split_ids(text, path))
    if absent := sorted(seen - set(real.slides)):
        raise BadInput(
            f"{path}: its generator was trained on {len(seen)} slides, {len(absent)} of which, "
            f"first {absent[0]}, {_name_of(real)} lacks; give the set that it was trained on, or "
            f"remove {path.name}: then every real tile counts as one that may have been copied"
        )
    if "shape_source" not in table:
        return {}, seen
    return dict(zip(table["tile"], table["shape_source"].astype(str), strict=True)), seen


def find_owners(sources: Mapping[str, str], real: TileSet) -> tuple[dict[str, str], int]:
    """The patient on whom each mask was drawn, by the real set's tables; how many are guessed."""
    patients = {slide: record.patient_id for slide, record in real.slides.items()}
    known = {tile.name: patients[tile.slide_id] for tile in real.tiles} | patients
    owners, num_guessed = {}, 0
    for name, source in sources.items():
        slide = source.partition("_")[0]
        owner = known.get(source) or known.get(slide)
        num_guessed += owner is None
        owners[name] = owner or slide
    return owners, num_guessed


def _name_of(tiles: TileSet) -> str:
    """Folder of a set's images."""
    return str(tiles.tiles[0].image.parent.parent)
