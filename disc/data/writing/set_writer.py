"""Writes the SICAPv2 layout: the form of every tile set, real, simulated, synthetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from disc.data.pixels.images import Pixels, encode_jpeg, encode_mask
from disc.data.readers.sicapv2_tables import (
    encode_slides,
    encode_tile_labels,
)
from disc.data.tiles.names import format_name as format_name
from disc.data.tiles.names import parse_name as parse_name
from disc.data.tiles.records import Slide
from disc.files import BadInput, sync_all, write_bytes, write_json
from disc.labels import Label


class SetWriter:
    """Writes a set: tiles in any order and by any number of processes, then the workbooks once."""

    def __init__(self, root: Path, *, um_per_px: float | None = None) -> None:
        """Write below `root`; `um_per_px`, where known, is noted in `set.json`."""
        self.root = root
        self.um_per_px = um_per_px

    def add(
        self,
        name: str,
        image: Pixels,
        mask: Pixels,
        exact: Pixels | None = None,
        *,
        jpeg: bytes | None = None,
    ) -> None:
        """Write one tile.

        Args:
            name: its name, without suffix.
            image: uint8 [H, H, 3].
            mask: uint8 [H, H], labels 0..3 and 255.
            exact: mask without an annotator's errors; only simulated tiles have one.
            jpeg: the image as it is to be written, where it is a JPEG already.

        Raises:
            BadInput: if the name breaks the grammar.
            ValueError: if sizes differ, or a mask holds another value.
        """
        parse_name(name)
        drawn = {"masks": mask} if exact is None else {"masks": mask, "masks_exact": exact}
        for folder, pixels in drawn.items():
            if pixels.shape != image.shape[:2]:
                raise ValueError(f"{name}: {folder} {pixels.shape} beside image {image.shape}")
            path = self.root / folder / f"{name}.png"
            write_bytes(path, encode_mask(pixels), is_durable=False)
        path = self.root / "images" / f"{name}.jpg"
        write_bytes(path, jpeg or encode_jpeg(image), is_durable=False)

    def reopen(self) -> None:
        """Take away what makes a set of the tiles: while they are written anew, it is none."""
        for name in ("set.json", "wsi_labels.xlsx"):
            (self.root / name).unlink(missing_ok=True)
        # fewer slides have fewer parts, and those of more would list test tiles for training
        for path in sorted((self.root / "partition").glob("**/*.xlsx")):
            path.unlink()

    def discard_others(self, names: Collection[str]) -> None:
        """Take away all tiles but those named: an earlier try left them."""
        for folder, suffix in (("images", ".jpg"), ("masks", ".png")):
            for path in list((self.root / folder).glob(f"[!.]*_Block_Region_*{suffix}")):
                if path.stem not in names:
                    path.unlink()

    def finish(
        self,
        slides: Sequence[Slide],
        partitions: Mapping[str, Sequence[str]],
        labels: Mapping[str, Label],
        *,
        is_split_by_position: bool = False,
    ) -> None:
        """Write workbooks and `set.json` for the tiles on disk.

        Args:
            slides: every slide of the set.
            partitions: slide ids by workbook: "Test/Train", "Validation/Val1/Test", ...
            labels: label by tile name; tiles without one are in no workbook, unless none has one:
                then all are listed, their labels left empty, for work on whole slides.
            is_split_by_position: partitions hold names of tiles instead, because there are too
                few slides to keep them whole.

        Raises:
            BadInput: if there is no tile.
            ValueError: if a partition or a label names what is not there.
        """
        names = sorted(path.stem for path in (self.root / "images").glob("[!.]*.jpg"))
        if not names:
            raise BadInput(f"{self.root}: no tile was written, so there is no set to finish")
        owners = {name: parse_name(name)["slide"] for name in names}
        _refuse_unknown(owners.values(), [slide.slide_id for slide in slides], "images")
        keys = {name: name for name in names} if is_split_by_position else owners
        known = set(names) if is_split_by_position else {slide.slide_id for slide in slides}
        _refuse_unknown(labels, names, "labels")
        for workbook, members in partitions.items():
            _refuse_unknown(members, known, workbook)
            chosen = set(members)
            listed = {n: labels.get(n) for n in names if keys[n] in chosen}
            if labels:
                listed = {name: label for name, label in listed.items() if label is not None}
            path = self.root / "partition" / f"{workbook}.xlsx"
            write_bytes(path, encode_tile_labels(listed), is_durable=False)
        write_bytes(self.root / "wsi_labels.xlsx", encode_slides(slides), is_durable=False)
        sync_all()
        with Image.open(self.root / "images" / f"{names[0]}.jpg") as first:
            facts = {"written_by": "disc", "tile_px": first.width, "um_per_px": self.um_per_px}
        write_json(self.root / "set.json", {**facts, "is_split_by_position": is_split_by_position})


def _refuse_unknown(names: Iterable[str], known: Iterable[str], where: str) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{where}: {len(unknown)} unknown name(s), first {unknown[0]}")
