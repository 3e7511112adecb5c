"""A model of the rules by which QuPath reads GeoJSON: what it would refuse raises here.

After its reader's source: QuPathTypeAdapters, GsonTools, ROITypeAdapters and PathIO.
"""

import gzip
import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import shapely

KINDS = {"annotation", "detection", "tile", "cell", "root"}


@dataclass(frozen=True)
class PathObject:
    """What QuPath makes of a feature."""

    kind: str
    polygon: shapely.Polygon
    name: str | None
    classification: str | None
    colour: tuple[int, int, int] | None
    measurements: dict[str, float]
    identity: uuid.UUID | None
    is_locked: bool


def read_objects(path: Path) -> list[PathObject]:
    """The objects of a file, or ValueError where QuPath would import nothing."""
    if path.suffix == ".gz":
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    elif path.suffix in {".geojson", ".json"}:
        text = path.read_text(encoding="utf-8")
    else:
        raise ValueError(f"{path.suffix}: a file that QuPath does not open")
    top = json.loads(text)
    features = top["features"] if top["type"] == "FeatureCollection" else [top]
    found = [_read_object(feature) for feature in features]
    identities = [each.identity for each in found if each.identity is not None]
    if len(set(identities)) < len(identities):
        raise ValueError("two objects of the same id: QuPath asks what to do")
    return found


def _read_object(feature: dict) -> PathObject:
    properties = feature.get("properties", {})
    classified, colour = properties.get("classification"), None
    if isinstance(classified, dict):
        if "color" not in classified or not ("name" in classified or "names" in classified):
            raise ValueError("a classification without name or colour")
        colour = tuple(classified["color"])
        if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
            raise ValueError(f"colour {colour}")
        classified = classified.get("name")
    kind = properties.get("objectType", "annotation")
    metadata = properties.get("metadata", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("metadata that is no text")
    return PathObject(
        # The reader takes what it does not know for an annotation.
        kind=kind if kind in KINDS else "annotation",
        polygon=_read_roi(feature["geometry"]),
        name=properties.get("name"),
        classification=classified,
        colour=colour,
        measurements=_read_measurements(properties.get("measurements", {})),
        identity=_read_id(feature.get("id")),
        is_locked=bool(properties.get("isLocked", False)),
    )


def _read_roi(geometry: dict) -> shapely.Polygon:
    """Coordinates snapped to a grid of 0.01; an invalid ring refuses the whole file."""
    if geometry["type"] != "Polygon":
        raise ValueError(geometry["type"])
    rings = [[(round(x, 2), round(y, 2)) for x, y in ring] for ring in geometry["coordinates"]]
    if any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
        raise ValueError("a ring that is not closed")
    polygon = shapely.Polygon(rings[0], rings[1:])
    if not polygon.is_valid:
        raise ValueError(shapely.is_valid_reason(polygon))
    return polygon


def _read_measurements(values: dict) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _read_id(text: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None
