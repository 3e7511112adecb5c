"""Many slides, each in a folder of its own that is complete or absent."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from disc.data.readers.slide_masks import name_slide
from disc.data.tables.matching import list_some
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
        before: the same of slides that had been graded before.
        failures: of each slide that could not be graded, why.
        notes: on what lies beside the slides.
        groovy: a line for QuPath's script editor; "": nothing to import.
    """

    said: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    groovy: str = ""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        lines = [*self.notes, *(f"{name}: {text}" for name, text in self.said.items())]
        lines += [f"{name}: {text} (graded before)" for name, text in self.before.items()]
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
    names, faults = _name(paths)
    try:
        for path, name in zip(paths, names, strict=True):
            if name in faults:
                report.failures[name] = faults[name]
            else:
                _grade_one(path, out / name, key, grade, report)
            if name in report.failures:
                reason = report.failures[name]
                report.failures[name] += _note_failure(path, out / FAILED / name, reason, mpp)
            bar.advance()
    finally:
        bar.close()
    graded = (*report.said, *report.before)
    if any((out / name / "regions.geojson").is_file() for name in graded):
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


def graded_key(path: Path, key: str) -> str:
    """What says that a folder is of this slide, by graders and settings of a key."""
    return digest({"graders": key, "slide": slide_key(path)})


def _grade_one(path: Path, folder: Path, key: str, grade: Grade, report: GradeReport) -> None:
    name = folder.name
    try:
        if is_foreign(path.name):
            raise BadInput(f"{spell(path.name)}: its name cannot be written; rename the file")
        expected = graded_key(path, key)
        if has_marker(folder, DONE):
            report.before[name] = _check_graded(folder, expected).tell()
        else:
            with whole_folder(folder) as temporary:
                record = grade(path, temporary)
                sync_all()
                note_files(temporary, expected)
            report.said[name] = record.tell()
        shutil.rmtree(folder.parent / FAILED / name, ignore_errors=True)
    except (BadInput, OSError) as error:
        report.failures[name] = " ".join(str(error).split())


def _check_graded(folder: Path, key: str) -> GradeRecord:
    """What was said of a slide that was graded by the same.

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
    return read_record(folder)


def _note_failure(path: Path, folder: Path, reason: str, mpp: float | None) -> str:
    """Leave the reason, and a picture of what was looked at where there is something to see.

    Returns:
        Where that picture is, to be said behind the reason.
    """
    write_json(folder / "failed.json", {"file": spell(path.name), "reason": reason})
    if "no tissue found" not in reason:
        return ""
    picture = folder / "looked_at.png"
    write_looked_at(picture, Scan(path, mpp))
    return f"; {picture} shows what was looked at" if picture.exists() else ""


def _name(paths: Sequence[Path]) -> tuple[list[str], dict[str, str]]:
    """A folder's name for each: as QuPath calls it, with its suffix where two would be the same.

    Returns:
        The names, and for those of slides that have no name to themselves, why they fail.
    """
    stems = [spell(name_slide(path)) for path in paths]
    counts = Counter(stems)
    wanted = [
        stem if counts[stem] == 1 else spell(path.name)
        for path, stem in zip(paths, stems, strict=True)
    ]
    owners: dict[str, list[str]] = {FAILED: []}
    for path, name in zip(paths, wanted, strict=True):
        owners.setdefault(name, []).append(spell(str(path)))
    taken, names, faults = set(owners), list[str](), dict[str, str]()
    for path, name in zip(paths, wanted, strict=True):
        if len(owners[name]) == 1 and name != FAILED:
            names.append(name)
            continue
        own = next(free for i in count(1) if (free := f"{name} ({i})") not in taken)
        taken.add(own)
        others = list_some([other for other in owners[name] if other != spell(str(path))])
        what = f"has the same name as {others}" if others else "has a name that is taken"
        names.append(own)
        faults[own] = f"{spell(str(path))}: {what}; rename one"
    return names, faults
