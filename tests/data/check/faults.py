"""Faults, each planted in a clean set; what is returned is how the check must report it."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.data.check.trees import (
    SIDE,
    add_tile,
    change_mask,
    draw,
    image_of,
    mask_of,
    name_of,
    row,
    rows,
    save_book,
    save_slides,
    slide_of,
    slide_rows,
)

BOOKS = {
    "Test/Train": "AB",
    "Test/Test": "T",
    "Validation/Val1/Train": "A",
    "Validation/Val1/Test": "B",
}
Report = tuple[str, str, str]
"""Severity, kind, and a piece of the note of the only case."""


def share_patient(root: Path) -> Report:
    lines = slide_rows()
    lines[0]["patient_id"] = lines[8]["patient_id"] = 7
    save_slides(root, lines)
    return "error", "shared-patient", "patient 7: in Test/Train and Test/Test"


def share_slide(root: Path) -> Report:
    """The slide of group B validates and trains; its patient is then shared as well."""
    name = name_of("B", 4, 2)
    save_book(root, "Validation/Val1/Train", [*rows("A"), row(name, 4)])
    kept = [line for line in rows("B") if line["image_name"] != f"{name}.jpg"]
    save_book(root, "Validation/Val1/Test", kept)
    return "error", "shared-slide", f"slide {slide_of('B', 4)}: in Validation/Val1/Train and"


def share_tile(root: Path) -> Report:
    save_book(root, "Test/Test", [*rows("T"), row(name_of("A", 3), 3)])
    return "error", "shared-tile", f"tile {name_of('A', 3)}: in Test/Train and Test/Test"


def copy_within_part(root: Path) -> Report:
    one, other = name_of("A", 3, 0), name_of("A", 3, 2)
    Image.open(image_of(root, one)).save(image_of(root, other), quality=60)
    return "warning", "duplicate", f"{one} (Test/Train) = {other} (Test/Train)"


def copy_across_parts(root: Path) -> Report:
    """Rotated, flipped and compressed harder."""
    one, other = name_of("B", 5, 1), name_of("T", 5, 2)
    transformed = Image.open(image_of(root, one)).transpose(Image.Transpose.TRANSVERSE)
    transformed.save(image_of(root, other), quality=40)
    return "error", "duplicate-across-parts", f"{one} (Test/Train) = {other} (Test/Test)"


def draw_artefact(root: Path) -> Report:
    name = name_of("A", 5)

    def change(mask: np.ndarray) -> None:
        mask[8:48, 8:56] = 4
        mask[10:46, 10:54] = 5

    change_mask(root, name, change)
    return "warning", "boundary-artefacts", f"{name}: {40 * 48 - 36 * 44:,} px"


def draw_seven(root: Path) -> Report:
    name = name_of("A", 3, 1)
    change_mask(root, name, lambda mask: mask[10:12, 10:13].fill(7))
    return "error", "mask-value", f"{name}: value 7 (6 px)"


def remove_image(root: Path) -> Report:
    name = name_of("B", 0, 1)
    image_of(root, name).unlink()
    mask_of(root, name).unlink()
    return "error", "missing-image", f"{name} (in Validation/Val1/Test)"


def remove_mask(root: Path) -> Report:
    mask_of(root, name_of("B", 0, 1)).unlink()
    return "error", "missing-mask", name_of("B", 0, 1)


def mislabel(root: Path) -> Report:
    lines = [line for line in rows("T") if line["image_name"] != f"{name_of('T', 3)}.jpg"]
    save_book(root, "Test/Test", [*lines, row(name_of("T", 3), 4)])
    return "warning", "label-differs", "GG4 in the workbook, GG3 in the mask"


def truncate_image(root: Path) -> Report:
    path = image_of(root, name_of("A", 4, 1))
    path.write_bytes(path.read_bytes()[:-700])
    return "error", "damaged", f"images/{path.name}: damaged (image file is truncated"


def truncate_mask(root: Path) -> Report:
    path = mask_of(root, name_of("A", 4, 1))
    path.write_bytes(path.read_bytes()[:60])
    return "error", "damaged", f"masks/{path.name}: "


def not_an_image(root: Path) -> Report:
    image_of(root, name_of("A", 4, 1)).write_text("<html>not found</html>")
    return "error", "damaged", "not a JPEG or PNG image"


def folder_for_image(root: Path) -> Report:
    path = image_of(root, name_of("A", 4, 1))
    path.unlink()
    path.mkdir()
    return "error", "damaged", "not a file"


def enormous_header(root: Path) -> Report:
    path = image_of(root, name_of("A", 4, 1))
    data = bytearray(path.read_bytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    return "error", "damaged", "its header claims an enormous image"


def resize_image(root: Path) -> Report:
    name = name_of("T", 4)
    draw(name, 2 * SIDE).save(image_of(root, name))
    Image.new("L", (2 * SIDE, 2 * SIDE), 4).save(mask_of(root, name))
    return "error", "image-size", f"{name}: 128 x 128 px"


def resize_mask(root: Path) -> Report:
    name = name_of("T", 4)
    Image.new("L", (SIDE // 2, SIDE // 2), 4).save(mask_of(root, name))
    return "error", "mask-size", f"{name}: 32 x 32 px"


def cmyk_image(root: Path) -> Report:
    name = name_of("T", 4)
    draw(name).convert("CMYK").save(image_of(root, name))
    return "error", "pixel-kind", f"images/{name}.jpg: pixels of mode CMYK; expected RGB"


def overlap_regions(root: Path) -> Report:
    """Tile 0 of the slide again, in another region whose grid is shifted by a quarter."""
    name = f"{slide_of('A', 3)}_Block_Region_5_0_0_xini_{5000 - 64}_yini_{9000 + 64}"
    add_tile(root, name, 3)
    lines = [row(name, 3)]
    save_book(root, "Test/Train", [*rows("A", "B"), *lines])
    save_book(root, "Validation/Val1/Train", [*rows("A"), *lines])
    return "warning", "overlapping-regions", f"slide {slide_of('A', 3)}: regions 0 and 5, 3 tiles"


def leave_thumbs(root: Path) -> Report:
    (root / "images" / "Thumbs.db").write_bytes(b"left by Windows")
    return "warning", "not-a-tile", "Thumbs.db"


def stray_mask(root: Path) -> Report:
    Image.new("L", (SIDE, SIDE)).save(mask_of(root, "stray"))
    return "warning", "mask-without-image", "stray"


def unlisted_tile(root: Path) -> Report:
    add_tile(root, name_of("A", 3, 7), 3)
    return "warning", "unlisted-tiles", name_of("A", 3, 7)


def misname(root: Path) -> Report:
    add_tile(root, "16A0003_x3_y4", 3)
    save_book(root, "Test/Train", [*rows("A", "B"), row("16A0003_x3_y4", 3)])
    return "error", "bad-name", "16A0003_x3_y4.jpg"


def forget_slide(root: Path) -> Report:
    save_slides(root, slide_rows()[1:])
    return "error", "unknown-slide", slide_of("A", 0)


def break_workbook(root: Path) -> Report:
    path = root / "partition" / "Validation" / "Val1" / "Train.xlsx"
    path.write_bytes(path.read_bytes()[:900])
    return "error", "bad-workbook", "Train.xlsx"


def drop_column(root: Path) -> Report:
    path = root / "wsi_labels.xlsx"
    pd.read_excel(path).drop(columns="patient_id").to_excel(path, index=False)
    return "error", "bad-workbook", "wsi_labels.xlsx"


def two_labels(root: Path) -> Report:
    """One faulty row; the others of its workbook still count."""
    name = name_of("A", 3, 2)
    lines = [line for line in rows("A") if line["image_name"] != f"{name}.jpg"]
    save_book(root, "Validation/Val1/Train", [*lines, {**row(name, 3), "G5": 1}])
    return "error", "bad-workbook", f"{name} has"


def impossible_score(root: Path) -> Report:
    lines = slide_rows()
    lines[3]["Gleason_primary"] = 2
    save_slides(root, lines)
    for path in root.glob(f"*/{slide_of('A', 5)}_*"):
        path.unlink()
    for book, groups in BOOKS.items():
        kept = [line for line in rows(*groups) if slide_of("A", 5) not in str(line["image_name"])]
        save_book(root, book, kept)
    return "error", "bad-workbook", f"slide {slide_of('A', 5)}: Gleason grade 2"


def link_out(root: Path) -> Report:
    path = image_of(root, name_of("A", 4, 1))
    path.rename(root.parent / "outside.jpg")
    path.symlink_to(root.parent / "outside.jpg")
    return "error", "link", f"{path.name} -> "


def same_stem(root: Path) -> Report:
    path = image_of(root, name_of("A", 4, 1))
    path.with_suffix(".JPG").write_bytes(path.read_bytes())
    return "warning", "not-a-tile", path.name


def remove_workbook(root: Path) -> Report:
    (root / "partition" / "Validation" / "Val1" / "Test.xlsx").unlink()
    return "error", "missing-workbook", "Test.xlsx"


def contradict(root: Path) -> Report:
    lines = [line for line in rows("A") if line["image_name"] != f"{name_of('A', 3)}.jpg"]
    save_book(root, "Validation/Val1/Train", [*lines, row(name_of("A", 3), 4)])
    return "error", "contradicting-labels", f"{name_of('A', 3)}: GG3 and GG4"


def no_grade_5_to_test(root: Path) -> Report:
    lines = [line for line in rows("T") if not line["G5"]]
    save_book(root, "Test/Test", lines)
    return "warning", "label-balance", "Test/Test: NC 3, G3 3, G4 3, G5 0"


FAULTS = (
    *(share_patient, share_slide, share_tile, copy_within_part, copy_across_parts, draw_artefact),
    *(draw_seven, remove_image, remove_mask, mislabel, truncate_image, truncate_mask),
    *(not_an_image, folder_for_image, enormous_header, resize_image, resize_mask, cmyk_image),
    *(overlap_regions, leave_thumbs, stray_mask, unlisted_tile, misname, forget_slide),
    *(two_labels, impossible_score, link_out, same_stem, break_workbook, drop_column),
    *(remove_workbook, contradict, no_grade_5_to_test),
)
