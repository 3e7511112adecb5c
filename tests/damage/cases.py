"""The table of damages: which file, what happens to it, what the one line says."""

from dataclasses import dataclass

from tests.damage import edits
from tests.damage.edits import Edit

IMAGE = "images/{0}.jpg"
MASK = "masks/{0}.png"
LABELS = "partition/Test/Train.xlsx"
TESTED = "partition/Test/Test.xlsx"
SLIDES = "wsi_labels.xlsx"
FACTS = "set.json"
TABLE = "train.csv"


@dataclass(frozen=True)
class Case:
    """One damage."""

    file: str
    name: str
    edit: Edit
    expected: str
    """Regular expression; the file's name is expected besides, unless another is given."""
    is_heavy: bool = False
    """Done in a process of its own with little memory."""
    named: str | None = None

    def __str__(self) -> str:
        return f"{self.file.split('/')[0]}-{self.name}"


_BAD = r"(damaged|not a JPEG)"
_BOOK = r"not a readable \.xlsx workbook"

_ANY_FILE = (
    ("folder", edits.folder, "(not a file|no such workbook)"),
    ("pipe", edits.pipe, "(not a file|no such workbook)"),
    ("forbidden", edits.forbid, "cannot be read"),
)
_ANYWHERE = [
    Case(file, *row) for file in (IMAGE, MASK, LABELS, SLIDES, FACTS, TABLE) for row in _ANY_FILE
]

_IMAGES = [
    Case(IMAGE, "empty", edits.write(b""), "not a JPEG"),
    Case(IMAGE, "text", edits.write(b"see images.zip\n"), "not a JPEG"),
    Case(IMAGE, "first half", edits.cut(0.5), "damaged"),
    Case(IMAGE, "without its end", edits.cut_end(40), "damaged"),
    Case(IMAGE, "without its last marker", edits.cut_end(2), "damaged"),
    Case(IMAGE, "bit of the first byte", edits.flip_at(0), "not a JPEG"),
    Case(IMAGE, "one bit in a hundred bytes", edits.flip(0.01), _BAD),
    Case(IMAGE, "one bit in ten bytes", edits.flip(0.1), _BAD),
    Case(IMAGE, "grey", edits.picture("L", form="JPEG"), "mode L; expected an RGB"),
    Case(IMAGE, "CMYK", edits.picture("CMYK", form="JPEG"), "mode CMYK; expected an RGB"),
    Case(IMAGE, "RGBA", edits.picture("RGBA"), "mode RGBA; expected an RGB"),
    Case(IMAGE, "palette", edits.picture("P"), "mode P; expected an RGB"),
    Case(IMAGE, "one bit a pixel", edits.picture("1"), "mode 1; expected an RGB"),
    Case(IMAGE, "16 bits, grey", edits.picture("I;16"), r"mode I;16; expected an RGB"),
    Case(IMAGE, "16 bits, RGB", edits.png(16, 2), "16 bits"),
    Case(IMAGE, "real numbers", edits.picture("F", form="TIFF"), r"(not a JPEG|mode F)"),
    Case(IMAGE, "another size", edits.picture("RGB", (64, 32)), "64 x 32 px; expected"),
    Case(IMAGE, "header of 65,500 px", edits.jpeg_header(65_500), "enormous", is_heavy=True),
    Case(IMAGE, "header of 100,000 px", edits.png(8, 2, side=100_000, packed=b"x"), "enormous"),
    Case(IMAGE, "unpacks to gigabytes", edits.png_bomb, "packed pixels", is_heavy=True),
    Case(IMAGE, "link out", edits.link_out, "a link out"),
    Case(IMAGE, "link to itself", edits.link_to_itself, "cannot be read"),
    Case(IMAGE, "link to nothing", edits.link_to_nothing, "(no such file|not in)"),
    Case(IMAGE, "two of one stem", edits.twin, "same name"),
    Case(IMAGE, "no slide", edits.rename("A_x3.jpg"), "breaks the grammar", named="A_x3.jpg"),
    Case(
        IMAGE,
        "no number",
        edits.rename("A_Block_Region_0_0_b_xini_0_yini_0.jpg"),
        "breaks the grammar",
        named="A_Block_Region_0_0_b_xini_0_yini_0.jpg",
    ),
]
_MASKS = [
    Case(MASK, "empty", edits.write(b""), "not a JPEG"),
    Case(MASK, "first half", edits.cut(0.5), "damaged"),
    Case(MASK, "without its end", edits.cut_end(4), "damaged"),
    Case(MASK, "bit of a checksum", edits.flip_at(-13), "damaged"),
    Case(MASK, "bit of the pixels", edits.flip_at(-20), "damaged"),
    Case(MASK, "one bit in ten bytes", edits.flip(0.1), _BAD),
    Case(MASK, "RGB", edits.picture("RGB"), "mode RGB; expected an 8-bit"),
    Case(MASK, "RGBA", edits.picture("RGBA"), "mode RGBA; expected an 8-bit"),
    Case(MASK, "grey and opacity", edits.picture("LA"), "mode LA; expected an 8-bit"),
    Case(MASK, "16 bits", edits.picture("I;16"), "mode I;16; expected an 8-bit"),
    Case(MASK, "two bits", edits.png(2, 0), "2 bits a value; expected 8"),
    Case(MASK, "real numbers", edits.picture("F", form="TIFF"), r"(not a JPEG|mode F)"),
    Case(MASK, "another size", edits.picture("L", (32, 64)), "32 x 64 px; expected"),
    Case(MASK, "header of 100,000 px", edits.png(8, 0, side=100_000, packed=b"x"), "enormous"),
    Case(MASK, "comment of a gigabyte", edits.text_bomb, "damaged", is_heavy=True),
    Case(MASK, "link out", edits.link_out, "a link out"),
    Case(MASK, "link to itself", edits.link_to_itself, "cannot be read"),
    Case(MASK, "two of one stem", edits.twin, "same name"),
]
_BOOKS = [
    *(
        Case(file, name, edit, _BOOK)
        for file in (LABELS, SLIDES)
        for name, edit in (
            ("empty", edits.write(b"")),
            ("text", edits.write(b"image_name,NC,G3,G4,G5\n")),
            ("first half", edits.cut(0.5)),
            ("without its end", edits.cut_end(10)),
            ("one bit in fifty bytes", edits.flip(0.02)),
        )
    ),
    Case(LABELS, "no rows", edits.book(), "no column image_name"),
    Case(TESTED, "header alone", edits.book(["image_name", "NC", "G3", "G4", "G5"]), "no tiles"),
    Case(LABELS, "half a label", edits.cell("NC", 0.5), "expected a 1 in one column"),
    Case(LABELS, "label of text", edits.cell("NC", "yes"), "expected a 1 in one column"),
    Case(LABELS, "label of a date", edits.cell("NC", edits.day()), "expected a 1 in one column"),
    Case(LABELS, "no label", edits.cell("NC", None), "expected a 1 in one column"),
    Case(LABELS, "number for a name", edits.cell("image_name", 7), "not in", named="7.jpg"),
    Case(SLIDES, "no rows", edits.book(), "no column slide_id"),
    Case(SLIDES, "grade of text", edits.cell("Gleason_primary", "high"), "grade 'high'"),
    Case(SLIDES, "grade of a date", edits.cell("Gleason_primary", edits.day()), "grade '2020"),
    Case(SLIDES, "no patient", edits.cell("patient_id", None), "patient_id ''"),
    Case(SLIDES, "not XML", edits.sheet("</sheetData>", "</sheet>"), _BOOK),
    Case(SLIDES, "row a billion", edits.sheet('<row r="2"', '<row r="1000000000"'), _BOOK, True),
    Case(SLIDES, "billion laughs", edits.laughs, _BOOK, True),
    Case(SLIDES, "zip bomb", edits.zip_bomb, "unpack to 134", True),
    Case(SLIDES, "millions of styles", edits.many_styles, "tags and attributes", True),
    Case(FACTS, "empty", edits.write(b""), "not readable as JSON"),
    Case(FACTS, "no text", edits.write(b"\xff\xfe\x00"), "not readable as JSON"),
    Case(FACTS, "a list", edits.write(b"[1, 2]"), "not an object"),
    Case(FACTS, "very deep", edits.write(b"[" * 100_000), "not readable as JSON"),
]
_HEAD = b"image_id,data_provider,isup_grade,gleason_score\n"
_ROW = b"one,radboud,1,3+3\n"
_TABLES = [
    Case(TABLE, "empty", edits.write(b""), "no column gleason_score, image_id"),
    Case(TABLE, "row cut off", edits.cut_end(5), "row 'two,radboud,2' has 3 cells; expected 4"),
    Case(TABLE, "score cut off", edits.cut_end(2), r"two: '3\+'? ?.*Gleason score"),
    Case(TABLE, "header cut off", edits.cut(0.3), "no column gleason_score"),
    Case(TABLE, "row too long", edits.write(_HEAD + _ROW + b"a,b,1,3+3,x\n"), "has 5 cells"),
    Case(TABLE, "open quotes", edits.write(_HEAD + b'"one,radboud,1,3+3\n'), "as CSV"),
    Case(TABLE, "no text", edits.write(_HEAD + b"\xff\xfeone,radboud,1,3+3\n"), "as CSV"),
    Case(TABLE, "zeros", edits.write(bytes(4096)), "no column"),
    Case(TABLE, "no score", edits.write(_HEAD + b"one,radboud,1,7+1\n"), "not a Gleason score"),
    Case(TABLE, "contradiction", edits.write(_HEAD + _ROW + b"one,radboud,2,3+4\n"), "twice"),
    Case(TABLE, "one bit in ten bytes", edits.flip(0.1), r"(no column|as CSV)"),
]
CASES = [*_ANYWHERE, *_IMAGES, *_MASKS, *_BOOKS, *_TABLES]
