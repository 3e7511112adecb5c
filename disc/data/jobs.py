"""Which slides there are to tile, each with its mask and what the table says of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from disc.data.panda import Case, find_mask, read_cases
from disc.data.request import TileRequest
from disc.data.tiles import Slide
from disc.files import BadInput

SUFFIXES = {".tif", ".tiff", ".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide"}
"""Names that are taken for slides in a folder."""


@dataclass(frozen=True)
class Job:
    """One slide to tile."""

    path: Path
    slide: Slide
    mask: Path | None
    case: Case


def list_jobs(request: TileRequest) -> list[Job]:
    """Every slide of the request, by name.

    Raises:
        FileNotFoundError: if slides, masks or labels are not there.
        BadInput: if they do not fit together.
    """
    paths = _list_slides(request.slides)
    cases = read_cases(request.labels) if request.labels is not None else {}
    masks = _find_masks(request.masks, paths)
    jobs = []
    for path in paths:
        case = cases.get(path.stem, Case())
        jobs.append(Job(path, _slide(path, case), masks[path], case))
    slide_id, count = Counter(job.slide.slide_id for job in jobs).most_common(1)[0]
    if count > 1:
        raise BadInput(f"{request.slides}: {count} slides would be called {slide_id}; rename them")
    return jobs


def _list_slides(slides: Path) -> list[Path]:
    if slides.is_file():
        return [slides]
    if not slides.is_dir():
        raise FileNotFoundError(f"{slides}: no such slide or folder; correct --slides")
    paths = sorted(path for path in slides.iterdir() if path.suffix.lower() in SUFFIXES)
    kept = [path for path in paths if not path.stem.endswith("_mask")]
    if not kept:
        raise BadInput(f"{slides}: no slides in it; expected {', '.join(sorted(SUFFIXES))}")
    return kept


def _find_masks(masks: Path | None, slides: list[Path]) -> dict[Path, Path | None]:
    if masks is not None and not masks.exists():
        raise FileNotFoundError(f"{masks}: no such mask or folder; correct --masks")
    if masks is not None and masks.is_file() and len(slides) > 1:
        raise BadInput(f"{masks}: one mask for {len(slides)} slides; give a folder of masks")
    found = {slide: find_mask(masks, slide) for slide in slides}
    if masks is not None and not any(found.values()):
        raise BadInput(
            f"{masks}: no mask of any slide; expected names like {slides[0].stem}_mask.tiff"
        )
    return found


def _slide(path: Path, case: Case) -> Slide:
    # The grammar of tile names leaves no room for an underscore in a slide's id.
    name = path.stem.replace("_", "-")
    primary, secondary = case.score or (None, None)
    patient = case.patient or name
    return Slide(slide_id=name, patient_id=patient, primary=primary, secondary=secondary)
