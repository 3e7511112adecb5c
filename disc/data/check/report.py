"""What a check found: findings with their cases, and the numbers of each data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from disc.data.pixels.mask_values import Meaning

SCHEMA = "disc-check/1"
"""Name of the JSON's form; a number that changes means that old readers must adapt."""
Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A tile that a page can show."""

    image: Path
    mask: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One place where a finding was made."""

    note: str = ""
    """What is particular to it."""
    files: tuple[Path, ...] = ()
    """The files concerned."""
    shown: tuple[Shown, ...] = ()
    """Tiles to look at."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong (error) or worth knowing (warning), with every case of it."""

    severity: Severity
    kind: str
    """What kind of fault, a short name that stays the same: `shared-patient`."""
    data_set: str
    """Which data set, or which two."""
    found: str
    expected: str
    action: str
    """What to do."""
    cases: Sequence[Case] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values; all cases, all files."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "set": self.data_set,
            "found": self.found,
            "expected": self.expected,
            "action": self.action,
            "cases": [
                {"note": case.note, "files": [str(path) for path in case.files]}
                for case in self.cases
            ],
        }


@dataclass(frozen=True, kw_only=True)
class PartNumbers:
    """How much is in a part (a workbook) of a set."""

    tiles: int
    slides: int
    patients: int
    labels: Mapping[str, int]
    """Tiles by label: NC, G3, G4, G5, and where it is known G4C (a part of G4)."""


@dataclass(frozen=True, kw_only=True)
class SetNumbers:
    """How much is in a data set."""

    name: str
    root: Path
    kind: str
    tile_px: int | None
    """Side of most tiles."""
    images: int
    masks: int
    slides: int
    patients: int
    unlisted: int
    """Tiles in no workbook."""
    flat: int
    """Tiles without enough contrast to be compared with others (glass)."""
    not_images: int
    """Files that are no images."""
    pixels: Mapping[str, int]
    """Pixels of all masks by value."""
    parts: Mapping[str, PartNumbers] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "root": str(self.root)}


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """Everything that a check found."""

    sets: Sequence[SetNumbers]
    findings: Sequence[Finding]
    """Errors first."""
    meanings: Mapping[Path, Meaning] = field(default_factory=dict)
    """What the values of masks mean, by root; without one, a page takes them for grades."""

    @property
    def num_errors(self) -> int:
        """Findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def num_warnings(self) -> int:
        """Findings that are warnings."""
        return len(self.findings) - self.num_errors

    def as_json(self) -> dict[str, Any]:
        """Plain values, in the form that docs/data.md describes."""
        return {
            "schema": SCHEMA,
            "errors": self.num_errors,
            "warnings": self.num_warnings,
            "sets": [numbers.as_json() for numbers in self.sets],
            "findings": [finding.as_json() for finding in self.findings],
        }
