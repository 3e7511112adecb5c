"""The page of a check: numbers of each data set, and every finding with example tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from disc.data.check.report import CheckReport, Finding, SetNumbers
from disc.data.pixels.mask_values import Meaning
from disc.files import write_bytes
from disc.report.check.pictures import STRANGE, example_cells
from disc.report.pictures import Cell
from disc.report.sentences import count
from disc.report.tables import Field, Grid
from disc.report.templates import legend, open_template

_SHORT = "NC: Non-Cancer, G4C: cribriform GG4"
MAX_EXAMPLES = 6
MAX_NOTES = 200
"""More cases than these are only counted on the page; the JSON has all."""
LABELS = ("NC", "G3", "G4", "G5", "G4C")
"""Labels of tiles, in the order of columns."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A case with its pictures."""

    note: str
    cells: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A finding as the page shows it."""

    finding: Finding
    examples: Sequence[Example]
    notes: Sequence[str]
    num_more: int
    """Cases that the page leaves out."""


def write_check_page(path: Path, report: CheckReport) -> None:
    """Write the page, one file that needs nothing else."""
    names = ", ".join(numbers.name for numbers in report.sets)
    page = open_template("check.html", Path(__file__).parent).render(
        title=f"Check of {names}",
        headline=headline(report),
        report=report,
        grids=[
            _set_grid(report.sets),
            _pixel_grid(report.sets),
            *[_part_grid(numbers) for numbers in report.sets if numbers.parts],
        ],
        cards=[_card(finding, report.meanings) for finding in report.findings],
        legend=[
            *legend(),
            ("wrong value, or boundary artefact", "rgb({}, {}, {})".format(*STRANGE)),
        ],
    )
    write_bytes(path, page.encode("utf-8", "backslashreplace"))  # names may be no text


def headline(report: CheckReport) -> str:
    """How many errors and warnings, in words."""
    if not report.findings:
        return "Nothing wrong was found."
    errors, warnings = (
        count(report.num_errors, "error"),
        count(report.num_warnings, "warning"),
    )
    return f"{errors}, {warnings}."


def notes_of(finding: Finding) -> list[str]:
    """One line for each case: what is particular to it, or its file."""
    return [case.note or ", ".join(path.name for path in case.files) for case in finding.cases]


def _card(finding: Finding, meanings: Mapping[Path, Meaning]) -> Card:
    shown = [case for case in finding.cases if case.shown][:MAX_EXAMPLES]
    examples = [
        Example(note=case.note, cells=example_cells(finding, case, meanings)) for case in shown
    ]
    notes = notes_of(finding)
    return Card(
        finding=finding,
        examples=[example for example in examples if example.cells],
        notes=notes[:MAX_NOTES],
        num_more=max(0, len(notes) - MAX_NOTES),
    )


def _set_grid(sets: Sequence[SetNumbers]) -> Grid:
    rows = [
        [
            Field(text=numbers.name, small=str(numbers.root)),
            Field(text=f"{numbers.images:,}", small=_size(numbers)),
            Field(text=f"{numbers.masks:,}"),
            Field(text=f"{numbers.slides:,}"),
            Field(text=f"{numbers.patients:,}"),
            Field(text=f"{numbers.unlisted:,}"),
            Field(text=f"{numbers.flat:,}"),
        ]
        for numbers in sets
    ]
    columns = ("data set", "images", "masks", "slides", "patients", "in no part", "glass")
    return Grid(caption="Data sets", columns=columns, rows=rows)


def _size(numbers: SetNumbers) -> str:
    return numbers.kind if numbers.tile_px is None else f"{numbers.tile_px} px"


def _pixel_grid(sets: Sequence[SetNumbers]) -> Grid:
    """Fraction of the masks' pixels with each value."""
    values = sorted({value for numbers in sets for value in numbers.pixels}, key=int)
    rows = [
        [
            Field(text=numbers.name),
            *[Field(text=f"{numbers.pixels.get(v, 0) / _total(numbers):.2%}") for v in values],
        ]
        for numbers in sets
    ]
    return Grid(caption="Pixels of the masks, by value", columns=("data set", *values), rows=rows)


def _total(numbers: SetNumbers) -> int:
    return max(1, sum(numbers.pixels.values()))


def _part_grid(numbers: SetNumbers) -> Grid:
    labels = [name for name in LABELS if any(name in p.labels for p in numbers.parts.values())]
    rows = [
        [
            Field(text=book),
            Field(text=f"{part.tiles:,}"),
            *[Field(text=_number(part.labels.get(name))) for name in labels],
            Field(text=f"{part.slides:,}"),
            Field(text=f"{part.patients:,}"),
        ]
        for book, part in numbers.parts.items()
    ]
    columns = ("part", "tiles", *labels, "slides", "patients")
    return Grid(
        caption=f"Parts of {numbers.name} ({_SHORT})",
        columns=columns,
        rows=rows,
    )


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
