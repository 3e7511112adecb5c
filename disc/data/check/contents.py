"""What is in a set: its images, slides and parts, listed before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from disc.data.check.report import Case, Finding, Severity, Shown
from disc.data.pixels.mask_values import SICAPV2, Meaning
from disc.data.tiles.records import Slide
from disc.labels import Label


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One image of a set: a tile, or a whole slide."""

    name: str
    """Stem of its file."""
    image: Path
    mask: Path | None = None
    rater: int = 0
    """Whose mask; an image with several masks comes several times."""
    slide_id: str = ""
    """Empty where the name does not say."""
    region: int = 0
    x: int = 0
    y: int = 0
    label: Label | None = None
    """The label in the workbooks; None: in none of them."""

    @property
    def shown(self) -> Shown:
        """How a page shows it."""
        return Shown(image=self.image, mask=self.mask)

    def case(self, note: str = "") -> Case:
        """A case that concerns image and mask."""
        files = (self.image,) if self.mask is None else (self.image, self.mask)
        return Case(note=note, files=files, shown=(self.shown,))


@dataclass(kw_only=True)
class Contents:
    """What is in a set, before any image is decoded.

    Attributes:
        name: what findings call it.
        root: its folder.
        kind: `sicapv2`, `panda`, `lapc` or `folder`.
        is_official: whether it claims to be the published data set.
        is_by_position: whether its parts are bands of the same slides.
        items: its images.
        slides: its slides, by id.
        meaning: what values in its masks mean.
        parts: label by tile, by workbook ("Test/Train", ...).
        cribriform: number of tiles with G4C, by workbook, where that is known.
        not_images: number of files that are no images.
        num_masks: number of mask files.
        findings: faults of names, files and workbooks.
    """

    name: str
    root: Path
    kind: str
    is_official: bool = False
    is_by_position: bool = False
    items: list[Item] = field(default_factory=list)
    slides: dict[str, Slide] = field(default_factory=dict)
    meaning: Meaning = SICAPV2
    parts: dict[str, dict[str, Label | None]] = field(default_factory=dict)
    cribriform: dict[str, int] = field(default_factory=dict)
    not_images: int = 0
    num_masks: int = 0
    findings: list[Finding] = field(default_factory=list)

    def error(self, kind: str, text: tuple[str, str, str], cases: Sequence[Case]) -> None:
        """Add an error, unless there is no case of it; `text`: found, expected, what to do."""
        self._add("error", kind, text, cases)

    def warning(self, kind: str, text: tuple[str, str, str], cases: Sequence[Case]) -> None:
        """Add a warning, unless there is no case of it; `text`: found, expected, what to do."""
        self._add("warning", kind, text, cases)

    def _add(
        self, severity: Severity, kind: str, text: tuple[str, str, str], cases: Sequence[Case]
    ) -> None:
        if cases:
            found, expected, action = text
            self.findings.append(
                Finding(
                    severity=severity,
                    kind=kind,
                    data_set=self.name,
                    found=found,
                    expected=expected,
                    action=action,
                    cases=cases,
                )
            )
