"""GeoJSON as QuPath reads it: streamed features, ids that a second import recognises."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import shapely

from disc.labels import PALETTES, UNKNOWN_COLOUR, Label
from disc.slides.judging.record import RESEARCH

Ring = npt.NDArray[np.int64]
UNREADABLE = "Unreadable"
_NAMESPACE = uuid.UUID("5b0a7a56-7f4b-5f0e-9c3c-6d2c6a0d1e55")


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Whose features they are.

    Attributes:
        slide: its name.
        run: identity of the graders.
        version: of the program.
        bounds: what is taken off level-0 coordinates, for QuPath shows the recorded part alone.
        trained_on: what the graders have seen.
        abstained: codes of the reasons why nothing is said of the slide; "": it was graded.
    """

    slide: str
    run: str
    version: str
    bounds: tuple[int, int] = (0, 0)
    trained_on: str = ""
    abstained: str = ""

    def name(self, kind: str, number: int) -> str:
        """The UUID of the n-th thing of a kind: the same whenever the slide is graded again."""
        return str(uuid.uuid5(_NAMESPACE, "\n".join([self.slide, self.run, kind, str(number)])))

    @property
    def metadata(self) -> dict[str, str]:
        """What every annotation carries."""
        said = {"trained on": self.trained_on, "no grade": self.abstained}
        known = {name: text for name, text in said.items() if text}
        return {"run": self.run, "disc": self.version, "intended use": RESEARCH, **known}


@dataclass(frozen=True, kw_only=True, eq=False)
class Area:
    """A region to be written.

    Attributes:
        kind: class, such as GG4.
        shell: its outline at level 0.
        holes: what it leaves out.
        measurements: numbers by name.
    """

    kind: str
    shell: Ring
    holes: Sequence[Ring]
    measurements: Mapping[str, float]


def area_features(areas: Iterable[Area], stamp: Stamp) -> Iterator[dict[str, Any]]:
    """Annotations, checked.

    Raises:
        ValueError: if an outline is not valid, which would make QuPath refuse the whole file.
    """
    numbers: dict[str, int] = {}
    for area in areas:
        number = numbers[area.kind] = numbers.get(area.kind, -1) + 1
        rings = [_close(ring - stamp.bounds) for ring in (area.shell, *area.holes)]
        polygon = shapely.Polygon(rings[0], rings[1:])
        if not shapely.is_valid(polygon):
            reason = shapely.is_valid_reason(polygon)
            raise ValueError(f"region {number} of {area.kind}: {reason}")
        size = area.measurements.get("Area mm2")
        yield {
            "type": "Feature",
            "id": stamp.name(area.kind, number),
            "geometry": {"type": "Polygon", "coordinates": [ring.tolist() for ring in rings]},
            "properties": {
                "objectType": "annotation",
                "name": area.kind if size is None else f"{area.kind} {size:.2f} mm2",
                "classification": classify(area.kind),
                "isLocked": True,
                "measurements": dict(area.measurements),
                "metadata": stamp.metadata,
            },
        }


def tile_feature(
    corners: tuple[int, int, int, int], kind: str, measurements: Mapping[str, float], identity: str
) -> dict[str, Any]:
    """A tile: a detection, of which QuPath shows many quickly.

    Args:
        corners: left, top, right, bottom, bounds taken off.
        kind: class of the highest probability.
        measurements: numbers by name.
        identity: UUID.
    """
    left, top, right, bottom = corners
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {
        "type": "Feature",
        "id": identity,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "tile",
            "classification": classify(kind),
            "measurements": dict(measurements),
        },
    }


def classify(kind: str) -> dict[str, Any]:
    """A class with its name and colour; without a colour QuPath refuses the file."""
    colour = PALETTES["safe"][Label[kind]] if kind in Label.__members__ else UNKNOWN_COLOUR
    return {"name": kind, "color": list(colour)}


def write_features(path: Path, features: Iterable[Mapping[str, Any]]) -> int:
    """Write a FeatureCollection feature by feature; how many there were.

    Args:
        path: ends in .geojson, or in .geojson.gz to be packed.
        features: never held together.
    """
    count = 0
    with path.open("wb") as raw:
        is_packed = path.suffix == ".gz"
        # Without a time and a name in it, the same features give the same bytes.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if is_packed else raw
        file = cast(BinaryIO, packed)
        file.write(b'{"type":"FeatureCollection","features":[\n')
        for feature in features:
            line = json.dumps(feature, separators=(",", ":"), allow_nan=False)
            file.write((",\n" if count else "").encode() + line.encode())
            count += 1
        file.write(b"\n]}\n")
        if is_packed:
            file.close()
    return count


def _close(ring: Ring) -> Ring:
    return np.concatenate([ring, ring[:1]])
