"""Areas of ASAP, Aperio and QuPath as masks: places, holes, rings, names, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from disc.data.readers.class_folders import find_class
from disc.data.wsi import drawings
from disc.data.wsi.drawings import read_drawings
from disc.data.wsi.drawn_annotation import DrawnAnnotation
from disc.files import BadInput
from disc.labels import GRADES
from tests.damage.campaign import read_peak, start_peak

SQUARE = [(100, 200), (500, 200), (500, 600), (100, 600)]
HOLE = [(200, 300), (300, 300), (300, 400), (200, 400)]
FAR = [(700, 700), (900, 700), (900, 900), (700, 900)]


class Slide:
    """What an annotation asks of a slide."""

    path, width, height = Path("slide.tiff"), 1000, 1200


def asap(path: Path) -> Path:
    def ring(name, group, points, kind="Polygon"):
        places = "".join(
            f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>'
            for i, (x, y) in reversed(list(enumerate(points)))
        )
        return (
            f'<Annotation Name="{name}" Type="{kind}" PartOfGroup="{group}">'
            f"<Coordinates>{places}</Coordinates></Annotation>"
        )

    rings = ring("Annotation 0", "GG3", SQUARE) + ring("Annotation 1", "not graded", HOLE)
    rings += ring("benign", "None", FAR) + ring("Annotation 3", "GG3", [(1, 1)], kind="Dot")
    groups = '<AnnotationGroups><Group Name="GG3" PartOfGroup="None"/></AnnotationGroups>'
    path.write_text(
        f"<?xml version='1.0'?><ASAP_Annotations><Annotations>{rings}</Annotations>{groups}"
        "</ASAP_Annotations>"
    )
    return path


def aperio(path: Path) -> Path:
    def region(points, **more):
        places = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
        facts = " ".join(f'{name}="{value}"' for name, value in more.items())
        return f"<Region {facts}><Vertices>{places}</Vertices></Region>"

    first = region(SQUARE, Type=0, NegativeROA=0) + region(HOLE, Type=0, NegativeROA=1)
    second = region(FAR, Type=1, Text="benign") + region(FAR[:2], Type=4)
    path.write_text(
        f'<Annotations MicronsPerPixel="0.25"><Annotation Id="1" Name="GG3"><Regions>{first}'
        f'</Regions></Annotation><Annotation Id="2" Name=""><Regions>{second}</Regions>'
        "</Annotation></Annotations>"
    )
    return path


def qupath(path: Path) -> Path:
    def feature(kind, places, name, **more):
        properties = {"objectType": "annotation", "classification": {"name": name}, **more}
        geometry = {"type": kind, "coordinates": places}
        return {"type": "Feature", "geometry": geometry, "properties": properties}

    rings = [[*SQUARE, SQUARE[0]], [*HOLE, HOLE[0]]]
    features = [
        feature("MultiPolygon", [rings], "GG3"),
        feature("Polygon", [[*FAR, FAR[0]]], "benign"),
        feature("LineString", SQUARE, "ruler"),
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


FILES = {"asap.xml": asap, "aperio.xml": aperio, "qupath.geojson": qupath}


def grade_of(name):
    label = find_class(name)
    return {"not graded": 255}.get(name, None if label is None else GRADES[label])


def expected(size, at, scale):
    """Labels by hand: GG3 in the square but for its hole, Non-Cancer far away, else unknown."""
    pairs = zip(at, size, strict=True)
    xs, ys = (corner + (np.arange(side) + 0.5) * scale for corner, side in pairs)

    def inside(points):
        (left, top), (right, bottom) = points[0], points[2]
        return np.outer((ys > top) & (ys < bottom), (xs > left) & (xs < right))

    labels = np.full(size[::-1], 255, np.uint8)
    labels[inside(SQUARE) & ~inside(HOLE)] = 1
    labels[inside(FAR)] = 0
    return labels


@pytest.mark.parametrize(
    ("layer", "text", "attribute", "name"),
    [
        ("", "GG4", "Description", "GG4"),
        ("GG3", "GG4", "Description", "GG3"),
        (" ", " ", "GG5", "GG5"),
        ("", "", "", "layer 3"),
    ],
)
def test_what_an_aperio_region_is_called_after(tmp_path, layer, text, attribute, name):
    """ImageScope gives every layer an attribute `Description`, which is no class."""
    places = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in SQUARE)
    path = tmp_path / "a.xml"
    path.write_text(
        f'<Annotations><Annotation Id="3" Name="{layer}"><Attributes><Attribute '
        f'Name="{attribute}" Value=""/></Attributes><Regions><Region Text="{text}"><Vertices>'
        f"{places}</Vertices></Region></Regions></Annotation></Annotations>"
    )
    assert [drawing.name for drawing in read_drawings(path).areas] == [name]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("at", "size", "scale"), [((0, 0), (250, 300), 4.0), ((180.5, 290), (64, 48), 2.5)]
)
def test_labels_are_those_of_pixel_centres(tmp_path, name, at, size, scale):
    annotation = DrawnAnnotation(FILES[name](tmp_path / name), grade_of, Slide())
    assert annotation.num_others == 1
    found = annotation.read(*at, size, scale)
    np.testing.assert_array_equal(found, expected(size, at, scale))


def collect(*parts):
    return {"type": "GeometryCollection", "geometries": list(parts)}


def test_areas_within_collections_count_and_what_else_lies_there_is_counted(tmp_path):
    rings = [[*SQUARE, SQUARE[0]], [*HOLE, HOLE[0]]]
    places = {"Polygon": rings, "Point": [3, 3], "LineString": SQUARE}
    polygon, point, line = ({"type": kind, "coordinates": where} for kind, where in places.items())
    far = {"type": "MultiPolygon", "coordinates": [[[*FAR, FAR[0]]]]}
    named = {"GG3": collect(line, collect(collect(polygon), point)), "benign": collect(far)}
    features = [
        {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}}
        for name, geometry in (*named.items(), ("nothing", collect()))
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    annotation = DrawnAnnotation(path, grade_of, Slide())
    assert annotation.num_others == 3
    found = annotation.read(0, 0, (250, 300), 4.0)
    np.testing.assert_array_equal(found, expected((250, 300), (0, 0), 4.0))


@pytest.mark.parametrize("damaged", [{}, {"geometries": [1]}, {"geometries": 1}])
def test_a_damaged_collection_is_refused(tmp_path, damaged):
    path = tmp_path / "a.geojson"
    geometry = {"type": "GeometryCollection", **damaged}
    path.write_text(json.dumps([{"type": "Feature", "geometry": geometry, "properties": {}}]))
    with pytest.raises(BadInput, match=r"a\.geojson: no annotation of ASAP, Aperio or QuPath"):
        read_drawings(path)


def test_outside_may_be_benign_and_beyond_the_slide_is_unknown(tmp_path):
    annotation = DrawnAnnotation(qupath(tmp_path / "a.geojson"), grade_of, Slide(), outside=0)
    found = annotation.read(-40, 1100, (300, 50), 4.0)
    assert set(np.unique(found[:25, 10:260])) == {0}
    assert (found[:, :10] == 255).all() and (found[:, 260:] == 255).all()
    assert (found[25:] == 255).all()


def test_an_outline_that_crosses_itself(tmp_path):
    """A bow tie: both of its halves are inside, as they look."""
    bow = [(0, 0), (400, 400), (400, 0), (0, 400)]
    path = tmp_path / "bow.geojson"
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[*bow, bow[0]]]}}
    path.write_text(json.dumps([{**feature, "properties": {"name": "GG4"}}]))
    found = DrawnAnnotation(path, grade_of, Slide()).read(0, 0, (100, 100), 4.0)
    assert (found == 2).mean() == pytest.approx(0.5, abs=0.02)
    assert found[50, 5] == found[50, 94] == 2 and found[5, 50] == found[94, 50] == 255


def test_an_ellipse_of_aperio(tmp_path):
    path = tmp_path / "round.xml"
    ends = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ((100, 100), (500, 300)))
    path.write_text(
        '<Annotations><Annotation Name="GG5"><Regions><Region Type="2"><Vertices>'
        f"{ends}</Vertices></Region></Regions></Annotation></Annotations>"
    )
    (drawing,) = read_drawings(path).areas
    assert drawing.area.area == pytest.approx(np.pi * 200 * 100, rel=1e-3)


AWAY = (
    '[{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": '
    "[[[0, 0], [%(x)s, 0], [0, %(x)s], [0, 0]]]}}]"
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xml", "<Slide/>", "its root is Slide; expected ASAP_Annotations or Annotations"),
        ("a.xml", "<Annotations>", "no annotation of ASAP, Aperio or QuPath"),
        ("a.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><Annotations/>", "it defines entities"),
        ("a.xml", "<Annotations/>", "holds no area on slide.tiff, 1000 x 1200 px"),
        ("a.geojson", "[1]", "no annotation of"),
        ("a.geojson", "[" * 100_000, "no annotation of"),
        ("a.geojson", '{"type": "Feature"}', "no annotation of"),
        ("a.geojson", "null", "null where an object was expected"),
        ("a.geojson", "7", "7 where an object was expected"),
        ("a.geojson", '"word"', '"word" where an object was expected'),
        ("a.geojson", '[{"type": "Feature", "properties": [1]}]', r"\[1\] where an object"),
        ("a.geojson", AWAY % {"x": "1e308"}, r"a point at \(1e\+308, 0\)"),
        ("a.geojson", AWAY % {"x": "1" + "0" * 400}, "no annotation of"),
        ("a.geojson", AWAY % {"x": "NaN"}, r"a point at \(nan, 0\)"),
    ],
)
def test_what_is_no_annotation_is_one_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInput, match=message) as refusal:
        DrawnAnnotation(path, grade_of, Slide())
    assert str(refusal.value).startswith(str(path))


def test_a_class_without_a_meaning_is_named(tmp_path):
    path = asap(tmp_path / "a.xml")
    with pytest.raises(BadInput, match=r"1 class\(es\) .*'not graded'.*--classes 'not graded' 3"):
        DrawnAnnotation(path, {"GG3": 3, "benign": 0}.get, Slide())


@pytest.mark.parametrize(
    "part", ['<a b=""/>', '<Vertex b="" c="" d=""/>', "<Attribute>a</Attribute>"]
)
def test_what_says_nothing_of_areas_takes_no_room(tmp_path, part):
    """Seven million elements would take 2.6 GB if they were kept."""
    areas = aperio(tmp_path / "a.xml").read_text()
    right = read_drawings(tmp_path / "a.xml").areas
    many = part * (2**19 if part.startswith("<a ") else 2**18)
    (tmp_path / "a.xml").write_text(areas.replace("<Annotation ", f"{many}<Annotation ", 1))
    is_counted, before = start_peak(), read_peak()
    found = read_drawings(tmp_path / "a.xml").areas
    assert not is_counted or read_peak() - before < 2**26
    assert [(one.name, one.area) for one in found] == [(one.name, one.area) for one in right]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.xml",
            "<Annotations>" + "<Vertex/>" * 1001 + "</Annotations>",
            "more than 1,000 points; simplify its shapes",
        ),
        (
            "a.xml",
            "<Annotations>" + "<Region/>" * 1000 + "</Annotations>",
            "more than 1,000 areas and attributes; draw fewer",
        ),
        ("a.xml", "<Annotations " + "a" * 2**20 + '=""/>', "a tag or text of over 1,048,576 bytes"),
        ("a.geojson", "[" + "{}," * 1000 + "{}]", "more than 1,000 objects or points"),
        ("a.geojson", "[" + "[]," * 1000 + "[]]", "more than 1,000 objects or points"),
    ],
)
def test_too_many_things_are_refused(tmp_path, monkeypatch, name, text, message):
    monkeypatch.setattr(drawings, "MAX_VERTICES", 1000)
    monkeypatch.setattr(drawings, "_MAX_TAGS", 1000)
    monkeypatch.setattr(drawings.json, "loads", lambda _: pytest.fail("it is read"))
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=message):
        read_drawings(tmp_path / name)


@pytest.mark.parametrize("kind", ["asap", "aperio"])
def test_points_are_not_counted_as_areas(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(drawings, "_MAX_TAGS", 3)
    turns = [2 * np.pi * n / 500 for n in range(500)]
    places = [(500 + 400 * np.cos(turn), 500 + 400 * np.sin(turn)) for turn in turns]
    if kind == "asap":
        points = "".join(
            f'<Coordinate Order="{n}" X="{places[n][0]}" Y="{places[n][1]}"/>' for n in range(500)
        )
        text = (
            f'<ASAP_Annotations><Annotation Type="Polygon">{points}</Annotation></ASAP_Annotations>'
        )
    else:
        points = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in places)
        text = f"<Annotations><Annotation><Region>{points}</Region></Annotation></Annotations>"
    (tmp_path / "a.xml").write_text(text)
    (found,) = read_drawings(tmp_path / "a.xml").areas
    assert found.area.area == pytest.approx(np.pi * 400**2, rel=1e-3)
    assert len(found.area.exterior.coords) == 501
