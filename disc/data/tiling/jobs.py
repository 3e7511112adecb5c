"""Which slides there are to tile, each with its mask, the meaning of its values, its score."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from disc.data.pixels.mask_values import BY_NAME, Meaning
from disc.data.readers.slide_masks import (
    TEMPLATE,
    find_mask,
    name_places,
    name_slide,
    names_beside,
)
from disc.data.readers.slide_table import Row, note_unscored, read_slide_table
from disc.data.tables.matching import list_some, match_names
from disc.data.tiles.names import MAX_BYTES, as_id, find_name_fault, spell
from disc.data.tiles.records import Slide
from disc.data.tiling.request import TileRequest
from disc.data.tiling.slide_files import list_slides
from disc.data.wsi.coordinates import SUFFIX
from disc.data.wsi.drawings import is_drawing
from disc.files import BadInput


@dataclass(frozen=True, kw_only=True)
class Job:
    """One slide to tile, with all that is known of it before it is opened."""

    path: Path
    slide: Slide
    mask: Path | None = None
    meaning: Meaning | None = None
    """What the values of its mask mean; None: there is no mask, or one of drawn areas."""
    coordinates: Path | None = None
    """Where its tiles are listed."""
    um_per_px: float | None = None
    """Width of its level-0 pixels, as the table says, or else --mpp."""
    is_listed_um: bool = False
    """Whether the table says so."""
    fault: str = ""
    """Why it cannot be tiled; the other slides can."""
    earlier_names: tuple[str, ...] = ()
    """Other names that earlier tries may have known it by."""


@dataclass(frozen=True, kw_only=True)
class JobList:
    """The slides of a request."""

    jobs: list[Job]
    notes: tuple[str, ...] = ()
    """What was decided and left over while they were listed; for people."""


def list_jobs(request: TileRequest) -> JobList:
    """Every slide of the request, by name; one with a fault of its own comes with it.

    Raises:
        FileNotFoundError: if slides, masks, coordinates or labels are not there.
        BadInput: if they do not fit together.
    """
    inner = [folder for folder in (request.out, request.masks, request.coordinates) if folder]
    paths, notes = list_slides(request.slides, inner)
    masks = _find_masks(request.masks, paths)
    if num_masks := len(paths) - len(masks):
        notes.append(f"{request.slides}: {num_masks} file(s) are masks of others, so no slides")
    paths = list(masks)
    listed = _find_coordinates(request.coordinates, paths)
    rows, found = _match_rows(request.labels, paths)
    jobs = [
        _job(request, path, rows.get(name_slide(path), Row()), masks[path], listed.get(path))
        for path in paths
    ]
    return JobList(jobs=_tell_apart(jobs), notes=(*notes, *found))


def _tell_apart(jobs: list[Job]) -> list[Job]:
    """The jobs with one id each; of sound slides that would have the same, all fail."""
    same: dict[str, list[Job]] = {}
    for job in jobs:
        same.setdefault(job.slide.slide_id, []).append(job)
    taken = set(same)
    told = []
    for job in jobs:
        slide_id = job.slide.slide_id
        sound = [each.path for each in same[slide_id] if not each.fault]
        if len(same[slide_id]) == 1 or sound == [job.path]:
            told.append(job)
            continue
        own = next(n for n in (f"{slide_id} ({i})" for i in count(1)) if n not in taken)
        taken.add(own)
        others = list_some([ascii(str(path)) for path in sound if path != job.path])
        # Escaped: names that differ in blanks or kinds of characters look the same.
        told.append(
            replace(
                job,
                slide=replace(job.slide, slide_id=own),
                fault=job.fault
                or f"{str(job.path)!a}: would be called {slide_id} like {others}; rename one",
                earlier_names=job.earlier_names
                if job.fault
                else (*job.earlier_names, name_slide(job.path)),
            )
        )
    return told


def _match_rows(table: Path | None, paths: list[Path]) -> tuple[dict[str, Row], tuple[str, ...]]:
    """What the table says of each slide, by stem, and notes."""
    if table is None:
        return {}, ()
    rows = read_slide_table(table)
    names = [name_slide(path) for path in paths if not find_name_fault(name_slide(path))]
    matches = match_names(names, rows, table)
    found = {name: rows[row] for name, row in matches.rows.items()}
    return found, (*matches.notes, *note_unscored(table, found))


def _job(
    request: TileRequest, path: Path, case: Row, mask: Path | None, coordinates: Path | None
) -> Job:
    job = Job(
        path=path,
        slide=_slide(path, case),
        mask=mask,
        coordinates=coordinates,
        earlier_names=names_beside(path)[1:],
        um_per_px=case.um_per_px or request.mpp,
        is_listed_um=case.um_per_px is not None,
    )
    try:
        if fault := find_name_fault(name_slide(path)):
            raise BadInput(f"{spell(path.name)[:MAX_BYTES]}: {fault}")
        _refuse_outside(path, request.slides)
        _refuse_unlisted(job, request)
        if mask is None:
            return job
        _refuse_outside(mask, request.masks)
        if is_drawing(mask):
            return job
        return replace(job, meaning=meaning_of(request, name_slide(path), case))
    except BadInput as fault:
        return replace(job, fault=str(fault))


def _refuse_unlisted(job: Job, request: TileRequest) -> None:
    if request.coordinates is None:
        return
    if job.coordinates is None:
        raise BadInput(
            f"{job.path}: {request.coordinates} has neither {name_slide(job.path)}.h5 nor "
            f"{name_slide(job.path)}{SUFFIX}.h5; add it, or take the slide away"
        )
    _refuse_outside(job.coordinates, request.coordinates)


def _refuse_outside(path: Path, root: Path | None) -> None:
    """Refuse a symbolic link to somewhere outside of the folder that it was found in."""
    if root is None or path == root or not path.is_symlink():
        return
    # Path.resolve raises where links go in a ring
    if not Path(os.path.realpath(path)).is_relative_to(root.resolve()):
        raise BadInput(
            f"{path}: a symbolic link that leads out of {root}; put the file itself there, or give "
            "the folder it is in"
        )


def _find_masks(masks: Path | None, slides: list[Path]) -> dict[Path, Path | None]:
    """The mask of each slide; a file that is another's mask, and has none, is no slide."""
    if masks is not None and TEMPLATE not in str(masks) and not masks.exists():
        raise FileNotFoundError(f"{masks}: no such mask or folder; correct --masks")
    every = {slide: find_mask(masks, slide) for slide in slides}
    taken = {os.path.realpath(mask) for mask in every.values() if mask is not None}
    found = {
        slide: mask
        for slide, mask in every.items()
        if mask is not None or os.path.realpath(slide) not in taken
    }
    if masks is not None and masks.is_file() and len(found) > 1:
        raise BadInput(f"{masks}: one mask for {len(found)} slides; give a folder of masks")
    if masks is not None and not any(found.values()):
        first = name_slide(slides[0])
        raise BadInput(
            f"{masks}: no mask of any slide; expected names like {first}_mask.tiff, {first}.xml or "
            f"{first}.geojson, or say with {TEMPLATE} how they are called, e.g. "
            f"--masks 'masks/{TEMPLATE}-labels.png'"
        )
    return found


def _find_coordinates(folder: Path | None, slides: list[Path]) -> dict[Path, Path]:
    if folder is None:
        return {}
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; correct --coordinates")
    found = {}
    for slide in slides:
        paths = (folder / f"{name}.h5" for name in name_places(slide))
        if path := next((path for path in paths if path.is_file()), None):
            found[slide] = path
    if not found:
        first = name_slide(slides[0])
        raise BadInput(
            f"{folder}: no coordinates of any slide; expected names like {first}.h5 or "
            f"{first}{SUFFIX}.h5"
        )
    return found


def _slide(path: Path, case: Row) -> Slide:
    name = name_slide(path)
    # of a name that cannot be used: what is said of the slide is filed under it
    name = as_id(spell(name)[:MAX_BYTES] if find_name_fault(name) else name)
    primary, secondary = case.grades
    patient = case.patient or name
    return Slide(slide_id=name, patient_id=patient, primary=primary, secondary=secondary)


def meaning_of(request: TileRequest, image_id: str, case: Row) -> Meaning:
    """What the values in a slide's mask mean.

    Raises:
        BadInput: if that depends on the provider, which is not given.
    """
    if request.own_values:
        return Meaning(request.own_values)
    name = case.provider if request.mask_values == "panda" else request.mask_values
    if name not in BY_NAME:
        raise BadInput(
            f"slide {image_id}: data_provider is {name or 'not given'}, so what its mask's values "
            f"mean is unknown; give --mask-values {', '.join(BY_NAME)}, or --own-values"
        )
    return BY_NAME[name]
