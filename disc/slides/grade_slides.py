"""Many slides, each in a folder of its own that is complete or absent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from disc.data.tiles.names import is_foreign, spell
from disc.data.tiling.slide_files import list_slides
from disc.data.wsi.scan import Scan
from disc.files import BadInput, digest, read_json, sync_all, whole_folder, write_json
from disc.progress import Bar
from disc.records.listing import DONE
from disc.records.markers import check_files, has_marker, note_files, read_done
from disc.slides.judging.record import GradeRecord, read_record
from disc.slides.writing.pictures import write_looked_at

FAILED = "failed"
"""Folder with what became of slides that could not be graded."""
Grade = Callable[[Path, Path], GradeRecord]
"""Grades a file, and writes into a folder."""


@dataclass(frozen=True, kw_only=True)
class GradeReport:
    """Outcome of grading many slides.

    Attributes:
        said: of each graded slide, by its folder.
        before: folders that stood already.
        failures: of each slide that could not be graded, why.
        notes: on what lies beside the slides.
        groovy: a line for QuPath's script editor; "": nothing to import.
    """

    said: dict[str, str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    groovy: str = ""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        lines = [*self.notes, *(f"{name}: {text}" for name, text in self.said.items())]
        if self.before:
            lines.append(f"{len(self.before)} slide(s) were graded before: {self.before[0]} ...")
        lines += [f"failed: {reason}" for reason in self.failures.values()]
        if self.groovy:
            lines.append(
                f"QuPath, for every image of a project whose name is a folder's: {self.groovy}"
            )
        return "\n".join([*lines, "research use only"])


def grade_files(
    paths: Sequence[Path], out: Path, key: str, grade: Grade, mpp: float | None = None
) -> GradeReport:
    """Grade files one after the other; stopped, the same call does what is missing.

    Args:
        paths: slides, or files of features.
        out: a folder each is made in it.
        key: of the graders and settings; results of others are refused.
        grade: does the work.
        mpp: of slides that do not say their resolution, for pictures of what failed.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out}: not a folder; give a new one with --out")
    report = GradeReport()
    bar = Bar("grading", total=len(paths), unit="slide")
    names = _name(paths)
    try:
        for path, name in zip(paths, names, strict=True):
            _grade_one(path, out / name, key, grade, report)
            if name in report.failures:
                _note_failure(path, out / FAILED / name, report.failures[name], mpp)
            bar.advance()
    finally:
        bar.close()
    if any((out / name / "regions.geojson").is_file() for name in names):
        script = "importObjectsFromFile('{}/' + getCurrentImageNameWithoutExtension() + '/{}')"
        where = str(out.resolve()).replace("'", "\\'")
        return GradeReport(**{**vars(report), "groovy": script.format(where, "regions.geojson")})
    return report


def find_slides(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Slides, and those in folders, each once, with notes on what else lies there.

    What is missing among others fails by itself.

    Raises:
        FileNotFoundError: if none of the files and folders is there.
        BadInput: if a folder has no slides in it.
    """
    is_any_there = any(path.exists() for path in paths)
    found = [
        list_slides(path) if path.exists() or not is_any_there else ([path], []) for path in paths
    ]
    slides = dict.fromkeys(slide for some, _ in found for slide in some)
    return list(slides), [note for _, notes in found for note in notes]


def slide_key(path: Path) -> dict[str, Any]:
    """What says that a slide is still the one that was graded."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; correct its path")
    found = path.stat()
    return {"file": path.name, "bytes": found.st_size, "changed": found.st_mtime_ns}


def _grade_one(path: Path, folder: Path, key: str, grade: Grade, report: GradeReport) -> None:
    name = folder.name
    try:
        if is_foreign(path.name):
            raise BadInput(f"{spell(path.name)}: its name cannot be written; rename the file")
        expected = digest({"graders": key, "slide": slide_key(path)})
        if has_marker(folder, DONE):
            _check_graded(folder, expected)
            report.before.append(name)
        else:
            with whole_folder(folder) as temporary:
                record = grade(path, temporary)
                sync_all()
                note_files(temporary, expected)
            report.said[name] = record.tell()
        shutil.rmtree(folder.parent / FAILED / name, ignore_errors=True)
    except (BadInput, OSError) as error:
        report.failures[name] = " ".join(str(error).split())


def _check_graded(folder: Path, key: str) -> None:
    """See that a slide was graded by the same, and that its record is what was written.

    Of its other files, which nothing reads again, sizes are compared.

    Raises:
        BadInput: if not.
    """
    marker = read_json(folder / DONE, "delete its folder")
    # from before files were noted
    is_unnoted = isinstance(marker, dict) and set(marker) == {"key"}
    if (marker["key"] if is_unnoted else read_done(folder).config) != key:
        raise BadInput(
            f"{folder}: holds results of other graders, settings or another slide; delete "
            "it, or give another --out"
        )
    if not is_unnoted:
        check_files(folder, is_hashed=False)
    read_record(folder)


def _note_failure(path: Path, folder: Path, reason: str, mpp: float | None) -> None:
    """Leave the reason, and a picture of what was looked at where there is something to see."""
    write_json(folder / "failed.json", {"file": spell(path.name), "reason": reason})
    if "no tissue found" not in reason:
        return
    write_looked_at(folder / "looked_at.png", Scan(path, mpp))


def _name(paths: Sequence[Path]) -> list[str]:
    """A folder's name for each: as QuPath calls it, with its suffix where two would be the same.

    Raises:
        BadInput: if two files have the same name.
    """
    stems = [spell(path.stem.removesuffix(".ome")) for path in paths]
    names = [
        stem if stems.count(stem) == 1 else spell(path.name)
        for path, stem in zip(paths, stems, strict=True)
    ]
    twice = [name for name in names if names.count(name) > 1 or name == FAILED]
    if twice:
        raise BadInput(f"{twice[0]}: two slides of this name, or a name that is taken; rename one")
    return names
