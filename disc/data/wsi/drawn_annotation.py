"""Labels of a slide from areas that were drawn on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely

from disc.data.pixels.images import Pixels
from disc.data.wsi.annotation import Centres
from disc.data.wsi.drawings import read_drawings
from disc.data.wsi.scan import Scan
from disc.files import BadInput
from disc.labels import IGNORE, label_of_grade

GradeOf = Callable[[str], int | None]

_SHOWN = 10


class DrawnAnnotation:
    """A slide's areas, with what `Annotation` has.

    Where areas overlap, the smaller counts, for it was drawn within the other.
    """

    def __init__(
        self, path: Path, grade_of: GradeOf, slide: Scan, *, outside: int = IGNORE
    ) -> None:
        """Read drawings.

        Args:
            path: XML of ASAP or Aperio, or GeoJSON of QuPath, in level-0 pixels.
            grade_of: what a class means: 0 (Non-Cancer), 3, 4, 5, 255 (unknown), or None where it
                has no meaning.
            slide: what they were drawn on.
            outside: the same of what lies in no area.

        Raises:
            FileNotFoundError: if there is no such file.
            BadInput: if it cannot be read, a class has no meaning, or nothing lies on the slide.
        """
        self.path = path
        self._size = slide.width, slide.height
        self._outside = _label(outside)
        drawings = read_drawings(path)
        grades = {name: grade_of(name) for name in {drawing.name for drawing in drawings.areas}}
        unknown = sorted(name for name, grade in grades.items() if grade is None)
        if unknown:
            named = ", ".join(f"'{name[:40]}'" for name in unknown[:_SHOWN])
            raise BadInput(
                f"{path}: {len(unknown)} class(es) of areas without a meaning: {named}; say what "
                f"they are, e.g. --classes {unknown[0][:40]!r} 3 (grades 0, 3, 4, 5, or 255)"
            )
        if not any(d.area.intersects(shapely.box(0, 0, *self._size)) for d in drawings.areas):
            raise BadInput(
                f"{path}: holds no area on {slide.path}, {slide.width} x {slide.height} px; "
                "expected places in pixels of its full resolution"
            )
        # Larger ones first, so that smaller ones are painted over them.
        ordered = sorted(drawings.areas, key=lambda drawing: -drawing.area.area)
        self._areas = [drawing.area for drawing in ordered]
        self._labels = [_label(grades[drawing.name]) for drawing in ordered]
        self.num_others = drawings.num_others
        self._tree = shapely.STRtree(self._areas)

    def read(self, x: float, y: float, size: tuple[int, int], scale: float) -> Pixels:
        """Labels at the centres of the pixels that `Scan.read` gives: uint8 [h, w].

        What lies outside of the slide is unknown.
        """
        xs, ys = x + (np.arange(size[0]) + 0.5) * scale, y + (np.arange(size[1]) + 0.5) * scale
        labels = np.full(size[::-1], self._outside, np.uint8)
        window = shapely.box(x, y, x + size[0] * scale, y + size[1] * scale)
        for number in sorted(self._tree.query(window, predicate="intersects").tolist()):
            area = self._areas[number]
            if not area.contains(window):
                area = area.intersection(window)
            _paint(labels, area, xs, ys, self._labels[number])
        labels[:, (xs < 0) | (xs >= self._size[0])] = IGNORE
        labels[(ys < 0) | (ys >= self._size[1])] = IGNORE
        return labels


def _label(grade: int | None) -> int:
    return IGNORE if grade in (None, IGNORE) else int(label_of_grade(grade))


def _paint(
    labels: Pixels,
    area: shapely.Geometry,
    xs: Centres,
    ys: Centres,
    label: int,
) -> None:
    """Give the pixels whose centres lie in an area its label, row by row."""
    shapely.prepare(area)
    left, right = xs[0] - 1, xs[-1] + 1
    lines = shapely.linestrings([[(left, y), (right, y)] for y in ys])
    spans, rows = shapely.get_parts(shapely.intersection(area, lines), return_index=True)
    starts, _, ends, _ = shapely.bounds(spans).T
    firsts, lasts = np.searchsorted(xs, starts), np.searchsorted(xs, ends)
    for row, first, last in zip(rows.tolist(), firsts.tolist(), lasts.tolist(), strict=True):
        labels[row, first:last] = label
