"""What a check found, as tables on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from disc.data.check.report import CheckReport, Finding
from disc.files import printable
from disc.report.check.page import LABELS, headline, notes_of

MAX_NOTES = 4
_COLOURS = {"error": "bold red", "warning": "yellow"}


def print_check(report: CheckReport, console: Console) -> None:
    """Print how much each set holds, what is wrong, and in how many places."""
    console.print(_set_table(report))
    if any(numbers.parts for numbers in report.sets):
        console.print(_part_table(report))
    if report.findings:
        console.print(_finding_table(report))
    console.print(Text(headline(report)))


def _set_table(report: CheckReport) -> Table:
    table = Table(box=SIMPLE)
    table.add_column("data set", overflow="fold")
    for name in ("images", "masks", "slides", "patients", "in no part"):
        table.add_column(name, justify="right")
    for numbers in report.sets:
        counts = (numbers.images, numbers.masks, numbers.slides, numbers.patients, numbers.unlisted)
        table.add_row(Text(printable(numbers.name)), *[f"{count:,}" for count in counts])
    return table


def _part_table(report: CheckReport) -> Table:
    """Tiles of each part, by label."""
    table = Table(box=SIMPLE)
    table.add_column("part", overflow="fold")
    for name in ("tiles", *LABELS, "slides", "patients"):
        table.add_column(name, justify="right")
    for numbers in report.sets:
        if len(report.sets) > 1 and numbers.parts:
            table.add_row(Text(printable(numbers.name), "bold"))
        for book, part in numbers.parts.items():
            labels = [f"{part.labels[name]:,}" if name in part.labels else "" for name in LABELS]
            counts = (f"{part.tiles:,}", *labels, f"{part.slides:,}", f"{part.patients:,}")
            table.add_row(Text(book.removeprefix("Validation/")), *counts)
    return table


def _finding_table(report: CheckReport) -> Table:
    table = Table(box=SIMPLE, show_lines=True, show_header=False)
    table.add_column("kind", overflow="fold", ratio=1)
    table.add_column("finding", overflow="fold", ratio=3)
    for finding in report.findings:
        kind = Text(f"{finding.severity}\n", _COLOURS[finding.severity])
        kind.append(finding.kind, "bold").append(printable(f"\n{finding.data_set}"), "dim")
        table.add_row(kind, _describe(finding))
    return table


def _describe(finding: Finding) -> Text:
    text = Text(printable(f"{finding.found}\n"), "bold")
    text.append(printable(f"expected: {finding.expected}\nto do: {finding.action}"), "none")
    notes = notes_of(finding)
    for note in notes[:MAX_NOTES]:
        text.append(printable(f"\n  {note}"), "dim")
    if len(notes) > MAX_NOTES:
        text.append(f"\n  and {len(notes) - MAX_NOTES:,} more", "dim")
    return text
