"""What people drew on slides with ASAP, Aperio ImageScope or QuPath: shapes and their classes."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from disc.files import MAX_TEXT, BadInput, read_bytes, reason

SUFFIXES = (".xml", ".geojson", ".json")
"""Of files that hold drawings."""
MAX_VERTICES = 2**22
_MAX_TAGS = 2**21
"""Areas and attributes of XML, each of which takes hundreds of bytes; points take 24."""
_MAX_TAG = 2**20
"""Bytes of a tag of XML, whose attributes are all held at once."""
_FARTHEST = 2**31
"""In pixels; no slide is as wide."""
_UNNAMED = "unnamed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """An area that somebody drew.

    Attributes:
        name: of its class, as the file says.
        area: a polygon or several, with their holes, in level-0 pixels.
    """

    name: str
    area: BaseGeometry


@dataclass(frozen=True, kw_only=True)
class Drawings:
    """All that a file holds.

    Attributes:
        areas: in the order of the file.
        num_others: lines, points and other things that are no area, also those in collections; they
            are left out.
    """

    areas: Sequence[Drawing]
    num_others: int


def is_drawing(path: Path) -> bool:
    """Whether a mask file holds drawings, by its name."""
    return path.suffix.lower() in SUFFIXES


def read_drawings(path: Path) -> Drawings:
    """Areas in an XML of ASAP or Aperio ImageScope, or in GeoJSON as QuPath writes it.

    Raises:
        FileNotFoundError: if there is no such file.
        BadInput: if it is none of these, or damaged.
    """
    data = read_bytes(path, MAX_TEXT)
    try:
        found = list(_read_xml(data) if path.suffix.lower() == ".xml" else _read_geojson(data))
    except _FAULTS as error:
        raise BadInput(
            f"{path}: no annotation of ASAP, Aperio or QuPath ({reason(error)}); replace it"
        ) from error
    except shapely.errors.ShapelyError as error:
        raise BadInput(f"{path}: a shape of it is none ({reason(error)}); replace it") from error
    areas = [drawing for drawing in found if drawing is not None and drawing.area.area > 0]
    if sum(int(shapely.get_num_coordinates(drawing.area)) for drawing in areas) > MAX_VERTICES:
        raise BadInput(f"{path}: shapes of more than {MAX_VERTICES:,} points; simplify them")
    return Drawings(areas=areas, num_others=len(found) - len(areas))


_FAULTS = (
    *(ValueError, LookupError, TypeError, OverflowError, RecursionError),
    ElementTree.ParseError,
)
"""Of text that is no XML, no JSON, or another one than expected."""


def _read_xml(data: bytes) -> Iterator[Drawing | None]:
    if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
        raise ValueError("it defines entities")
    if re.search(rb"<[^<]{%d}" % _MAX_TAG, data):
        raise ValueError(f"a tag or text of over {_MAX_TAG:,} bytes")
    root, points = _parse(data)
    if root.tag == "ASAP_Annotations":
        return _read_asap(root, points)
    if root.tag == "Annotations":
        return _read_aperio(root, points)
    raise ValueError(f"its root is {root.tag[:40]}; expected ASAP_Annotations or Annotations")


_Points = Mapping[ElementTree.Element, "array[float]"]
"""Of each area: the order, x and y of its points, one after the other."""


def _parse(data: bytes) -> tuple[ElementTree.Element, _Points]:
    """The root, with what says where areas lie and what they are: other things take no room."""
    builder = _Builder()
    parser = ElementTree.XMLParser(target=builder)
    parser.feed(data)
    root: ElementTree.Element = parser.close()
    return root, builder.points


class _Builder(ElementTree.TreeBuilder):
    """Builds elements and attributes that are read; points become numbers at once."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._num_kept = self._num_points = 0
        self._area: ElementTree.Element | None = None
        self.points = dict[ElementTree.Element, "array[float]"]()

    def start(self, tag: Any, attrs: dict[Any, Any]) -> Any:
        self._depth += 1
        if self._depth > 1 and tag in _AREA_OF:
            return self._add_point(tag, attrs)
        if self._depth > 1 and tag not in _TAGS:
            return None
        self._num_kept += 1
        if self._num_kept > _MAX_TAGS:
            raise ValueError(f"more than {_MAX_TAGS:,} areas and attributes; draw fewer")
        found = super().start(tag, {name: attrs[name] for name in attrs.keys() & _ATTRIBUTES})
        if tag in _AREA_OF.values():
            self._area = found
        return found

    def _add_point(self, tag: str, attrs: dict[str, str]) -> None:
        self._num_points += 1
        if self._num_points > MAX_VERTICES:
            raise ValueError(f"more than {MAX_VERTICES:,} points; simplify its shapes")
        if self._area is not None and self._area.tag == _AREA_OF[tag]:
            # Some programs write decimal commas.
            place = _place(*(attrs[axis].replace(",", ".") for axis in ("X", "Y")))
            order = float(attrs.get("Order", "0")) if tag == "Coordinate" else 0.0
            self.points.setdefault(self._area, array("d")).extend((order, *place))

    def end(self, tag: str) -> Any:
        self._depth -= 1
        if tag in _AREA_OF.values():
            self._area = None
        return super().end(tag) if not self._depth or tag in _TAGS else None

    def data(self, data: Any) -> None:
        """Text says nothing."""


_TAGS = {"Annotation", "Attribute", "Region"}
_AREA_OF = {"Coordinate": "Annotation", "Vertex": "Region"}
"""Of ASAP and of Aperio: a tag of a point, and of what it is a point of."""
_ATTRIBUTES = {"Id", "Name", "NegativeROA", "PartOfGroup", "Text", "Type"}


def _read_asap(root: ElementTree.Element, points: _Points) -> Iterator[Drawing | None]:
    """The class of an area is its group; of one that is in none, its name."""
    for one in root.iter("Annotation"):
        group = one.get("PartOfGroup", "None")
        name = one.get("Name", "") if group in ("None", "") else group
        is_area = one.get("Type") in ("Polygon", "Spline", "Rectangle")
        # by order, and by place where that is the same
        listed = _numbers(points, one)
        listed = listed[np.lexsort(listed.T[::-1])]
        yield _ring(listed[:, 1:], name) if is_area else None


def _numbers(points: _Points, area: ElementTree.Element) -> npt.NDArray[np.float64]:
    return np.array(points.get(area, ()), np.float64).reshape(-1, 3)


def _read_aperio(root: ElementTree.Element, points: _Points) -> Iterator[Drawing | None]:
    """The class is the layer's name; regions that are drawn as negative are holes in its others.

    Of a layer without a name it is its regions' text, or else an attribute's name. The text comes
    first, for ImageScope gives every layer an attribute `Description`.
    """
    for layer in root.iter("Annotation"):
        listed = [attribute.get("Name", "") for attribute in layer.iter("Attribute")]
        others = [*listed, f"layer {layer.get('Id', '')}"]
        regions = list(layer.iter("Region"))
        holes = [region for region in regions if region.get("NegativeROA") == "1"]
        cut = shapely.union_all([hole.area for one in holes if (hole := _region(one, points, ""))])
        for region in regions:
            if region in holes:
                continue
            said = (layer.get("Name", ""), region.get("Text", ""), *others)
            name = next(name.strip() for name in said if name.strip())
            drawing = _region(region, points, name)
            if drawing is not None and not cut.is_empty:
                drawing = Drawing(name=name, area=drawing.area.difference(cut))
            yield drawing


_POLYGON, _RECTANGLE, _ELLIPSE = "0", "1", "2"
"""Aperio's types of regions; the others are arrows and rulers."""


def _region(region: ElementTree.Element, listed: _Points, name: str) -> Drawing | None:
    points = _numbers(listed, region)[:, 1:]
    kind = region.get("Type", _POLYGON)
    if kind not in (_POLYGON, _RECTANGLE, _ELLIPSE) or len(points) < 2:
        return None
    if kind == _POLYGON:
        return _ring(points, name)
    box = (*points.min(0).tolist(), *points.max(0).tolist())
    if kind == _RECTANGLE:
        return Drawing(name=name or _UNNAMED, area=shapely.box(*box))
    (left, top, right, bottom), turns = box, [2 * math.pi * i / 256 for i in range(256)]
    across, down = (right - left) / 2, (bottom - top) / 2
    round_ = [(left + across * (1 + math.cos(t)), top + down * (1 + math.sin(t))) for t in turns]
    return _ring(round_, name)


def _place(x: str | float, y: str | float) -> tuple[float, float]:
    place = float(x), float(y)
    # Areas of points that are too far away are not finite; comparisons with NaN are false.
    if not (abs(place[0]) <= _FARTHEST and abs(place[1]) <= _FARTHEST):
        raise ValueError(f"a point at ({place[0]:g}, {place[1]:g})")
    return place


def _ring(
    points: Sequence[tuple[float, float]] | npt.NDArray[np.float64], name: str
) -> Drawing | None:
    return None if len(points) < 3 else _sound(shapely.Polygon(points), name)


def _sound(area: BaseGeometry, name: str) -> Drawing:
    """A shape whose outline may cross itself, as those drawn by hand do."""
    return Drawing(name=name or _UNNAMED, area=area if area.is_valid else shapely.make_valid(area))


def _read_geojson(data: bytes) -> Iterator[Drawing | None]:
    if max(data.count(b"{"), data.count(b"[")) > MAX_VERTICES:
        raise ValueError(f"more than {MAX_VERTICES:,} objects or points; simplify its shapes")
    whole = json.loads(data)
    features = whole if isinstance(whole, list) else _object(whole).get("features", [whole])
    for feature in features:
        if _object(feature)["type"] != "Feature":
            raise ValueError(f"'{str(feature['type'])[:40]}'; expected features")
        properties = _object(feature.get("properties") or {})
        if properties.get("objectType", "annotation") not in ("annotation", "detection"):
            yield None
            continue
        yield from _areas(_object(feature["geometry"]), _name_of(properties))


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{json.dumps(value)[:40]} where an object was expected")
    return value


def _name_of(properties: Mapping[str, Any]) -> str:
    said = properties.get("classification")
    name = said.get("name", "") if isinstance(said, dict) else said
    return str(name or properties.get("name") or _UNNAMED)


def _areas(geometry: Mapping[str, Any], name: str) -> Iterator[Drawing | None]:
    """An area, or every thing in a collection; None for each that is no area."""
    readers: Mapping[str, Callable[[Any], BaseGeometry]] = {
        "Polygon": _polygon,
        "MultiPolygon": lambda parts: shapely.union_all([_polygon(part) for part in parts]),
    }
    kind = str(geometry["type"])
    if kind == "GeometryCollection" and geometry["geometries"]:
        for part in geometry["geometries"]:
            yield from _areas(_object(part), name)
    else:
        yield _sound(readers[kind](geometry["coordinates"]), name) if kind in readers else None


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> BaseGeometry:
    """The first ring is the outline, the others are holes."""
    first, *holes = [[_place(point[0], point[1]) for point in ring] for ring in rings]
    found: BaseGeometry = shapely.make_valid(shapely.Polygon(first, holes))
    return found
