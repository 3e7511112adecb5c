"""`disc select`: as many slides of every primary grade, drawn by a seed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from disc.data.readers.panda import read_panda
from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.data.writing.request import SelectRequest
from disc.files import BadInput, write_bytes
from disc.labels import GRADES
from disc.seeds import numpy_generator


def select_slides(request: SelectRequest) -> str:
    """Draw slides and write their names; a line for each grade says whose they are.

    Providers come in equal parts as far as there are slides, and a patient comes once.

    Raises:
        FileNotFoundError: if the set is not there.
        BadInput: if it has too few patients of a grade.
    """
    found = _read(request.source)
    pools = _divide(list(found.slides.values()), request)
    chosen, lines = list[Slide](), list(found.notes)
    for grade in GRADES.values():
        drawn = _draw(pools[grade], grade, request)
        chosen += drawn
        counts = {name: sum(s.provider == name for s in drawn) for name in _providers(drawn)}
        parts = ", ".join(f"{count} {name or 'of no provider'}" for name, count in counts.items())
        lines.append(f"primary grade {grade}: {parts}")
    write_bytes(request.out, _encode(chosen))
    return "\n".join([*lines, f"{len(chosen)} slides: {request.out}"])


def _read(source: Source) -> TileSet:
    """The set; of PANDA the table alone, where slides are yet to be fetched."""
    is_table = source.kind == "auto" and (source.root / "train.csv").is_file()
    if source.kind == "panda" or is_table:
        return read_panda(source, is_ahead=True)
    return read_source(source)


def _divide(slides: Sequence[Slide], request: SelectRequest) -> dict[int, list[Slide]]:
    """Slides by primary grade; those of a patient who has several count for the scarcest alone."""
    pools = {grade: [s for s in slides if s.primary == grade] for grade in GRADES.values()}
    patients = {grade: {s.patient_id for s in pool} for grade, pool in pools.items()}
    grades: dict[str, list[int]] = {}
    for grade, names in patients.items():
        for name in names:
            grades.setdefault(name, []).append(grade)
    sure = {
        grade: sum(len(grades[name]) == 1 for name in names) for grade, names in patients.items()
    }
    several = sorted(name for name, found in grades.items() if len(found) > 1)
    for place in numpy_generator(request.seed, "select", "patients").permutation(len(several)):
        name = several[place]
        scarcest = min(grades[name], key=lambda grade: sure[grade])
        sure[scarcest] += 1
        for grade in grades[name]:
            if grade != scarcest:
                pools[grade] = [s for s in pools[grade] if s.patient_id != name]
    return pools


def _draw(slides: Sequence[Slide], grade: int, request: SelectRequest) -> list[Slide]:
    """Slides of one grade, in order of their names."""
    rng = numpy_generator(request.seed, "select", grade)
    ordered = sorted(slides, key=lambda slide: slide.slide_id)
    shuffled = [ordered[place] for place in rng.permutation(len(ordered))]
    # Of a patient, the first after shuffling.
    firsts = {slide.patient_id: slide for slide in reversed(shuffled)}
    if len(firsts) < request.per_grade:
        raise BadInput(
            f"{request.source.root}: primary grade {grade}: {len(firsts)} patient(s), fewer than "
            f"{request.per_grade}; give a smaller --per-grade"
        )
    queue = [slide for slide in shuffled if firsts[slide.patient_id] is slide]
    by_provider = [[s for s in queue if s.provider == name] for name in _providers(queue)]
    ranked = [(rank, i, s) for i, part in enumerate(by_provider) for rank, s in enumerate(part)]
    drawn = [slide for *_, slide in sorted(ranked, key=lambda t: t[:2])[: request.per_grade]]
    return sorted(drawn, key=lambda slide: slide.slide_id)


def _providers(slides: Iterable[Slide]) -> list[str]:
    return sorted({slide.provider for slide in slides})


def _encode(slides: Sequence[Slide]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image_id", "data_provider", "gleason_score"))
    for slide in slides:
        writer.writerow((slide.slide_id, slide.provider, f"{slide.primary}+{slide.secondary}"))
    return text.getvalue().encode()
