"""Planted faults, each of which must be found and named; and a clean set, where none is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc.data.check.check_sets import check_sets
from disc.data.check.report import CheckReport, Finding
from disc.data.check.request import CheckRequest
from disc.data.readers.sicapv2 import read_set
from disc.files import BadInput
from tests.data.check.faults import FAULTS, Report, share_slide
from tests.data.check.trees import (
    GRADES,
    SIDE,
    add_tile,
    draw,
    image_of,
    name_of,
    row,
    save_book,
    slide_of,
    write_clean,
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clean(tmp_path_factory.mktemp("clean") / "set")


@pytest.fixture
def tree(clean: Path, tmp_path: Path) -> Path:
    root = tmp_path / "set"
    shutil.copytree(clean, root)
    return root


def check(*roots: Path, processes: int = 1) -> CheckReport:
    return check_sets(CheckRequest(roots=roots, processes=processes))


def kinds(report: CheckReport) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in report.findings]


def only(report: CheckReport, kind: str) -> Finding:
    (finding,) = (finding for finding in report.findings if finding.kind == kind)
    return finding


def test_a_clean_set_has_no_findings_and_the_numbers_that_were_written(clean: Path) -> None:
    report = check(clean)
    assert kinds(report) == []
    (numbers,) = report.sets
    assert (numbers.images, numbers.masks, numbers.slides, numbers.patients) == (36, 36, 12, 12)
    assert (numbers.tile_px, numbers.unlisted, numbers.flat, numbers.not_images) == (64, 0, 0, 0)
    assert numbers.pixels == {"0": 36 * 64 * 64 - 27 * 40 * 48, **dict.fromkeys("345", 9 * 1920)}
    part = numbers.parts["Test/Train"]
    assert (part.tiles, part.slides, part.patients) == (24, 8, 8)
    assert part.labels == {"NC": 6, "G3": 6, "G4": 6, "G5": 6, "G4C": 0}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found_and_named(tree: Path, plant: Callable[[Path], Report]) -> None:
    severity, kind, note = plant(tree)
    report = check(tree)
    finding = only(report, kind)
    assert finding.severity == severity and finding.data_set == "set"
    assert len(finding.cases) == 1 and finding.cases[0].files
    files = " ".join(path.name for path in finding.cases[0].files)
    assert note in f"{finding.cases[0].note} {files}"
    assert finding.found and finding.expected and finding.action
    # a slide in two parts brings its patient along; a lost workbook, its tiles
    allowed = {kind} | ({"shared-patient"} if plant is share_slide else set())
    allowed |= {"shared-slide", "shared-patient"} if kind == "shared-tile" else set()
    assert {f.kind for f in report.findings if f.severity == "error"} <= allowed


def test_all_faults_at_once_are_all_found(tree: Path) -> None:
    """One fault must not hide another; those that undo each other are left out."""
    names = {
        "share_patient",
        "draw_seven",
        "truncate_image",
        "remove_mask",
        "mislabel",
        "draw_artefact",
    }
    names |= {"copy_within_part", "leave_thumbs", "resize_image", "cmyk_image"} - {"cmyk_image"}
    expected = {fault(tree)[1] for fault in FAULTS if fault.__name__ in names}
    assert expected <= {finding.kind for finding in check(tree).findings}


def test_errors_come_first_and_processes_change_nothing(tree: Path) -> None:
    for fault in FAULTS[3:7]:
        fault(tree)
    one, two = check(tree), check(tree, processes=2)
    assert one.as_json() == two.as_json()
    severities = [finding.severity for finding in one.findings]
    assert severities == sorted(severities) and len(set(severities)) == 2


def test_bands_of_the_same_slides_may_share_patients(tree: Path) -> None:
    share_slide(tree)
    (tree / "set.json").write_text(json.dumps({"is_split_by_position": True}))
    assert not {"shared-slide", "shared-patient"} & {f.kind for f in check(tree).findings}


def test_white_tiles_and_overlapping_neighbours_are_no_duplicates(tree: Path) -> None:
    """Glass is like all glass; a neighbour shows half of the same tissue."""
    strip = np.array(draw("strip", 128))
    for col in range(3):
        Image.fromarray(strip[:64, 32 * col : 32 * col + 64]).save(
            image_of(tree, name_of("A", 0, col)), quality=95
        )
        glass = np.random.default_rng(col).normal(243, 1.5, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(glass).save(image_of(tree, name_of("B", 0, col)), quality=95)
    report = check(tree)
    assert kinds(report) == []
    assert report.sets[0].flat == 3


def test_tissue_at_the_edge_of_glass_is_no_duplicate(tree: Path) -> None:
    for col in range(3):
        pixels = np.full((64, 64, 3), 244, np.uint8)
        pixels[:, :24] = np.array(draw(f"edge {col}"))[:, :24]
        Image.fromarray(pixels).save(image_of(tree, name_of("A", 0, col)), quality=95)
    assert kinds(check(tree)) == []


@pytest.mark.parametrize(("part", "severity"), [("T", "error"), ("A", "warning")])
def test_duplicates_across_sets(tree: Path, clean: Path, part: str, severity: str) -> None:
    """A picture that one set tests on and the other learns from leaks."""
    other = tree.parent / "other"
    for folder in ("images", "masks"):
        (other / folder).mkdir(parents=True)
    name = "20S0001_Block_Region_0_0_0_xini_0_yini_0"
    add_tile(other, name, 3)
    draw(name_of(part, 3), 96).resize((64, 64)).save(image_of(other, name), quality=70)
    save_book(other, "Test/Train", [row(name, 3)])
    lines = [{"slide_id": "20S0001", "patient_id": 900, "Gleason_primary": 3}]
    pd.DataFrame(lines).assign(Gleason_secondary=3).to_excel(other / "wsi_labels.xlsx", index=False)
    (other / "set.json").write_text("{}")
    draw(name_of(part, 3)).save(image_of(tree, name_of(part, 3)), quality=95)
    finding = only(check(tree, other), "duplicate-across-sets")
    assert (finding.severity, finding.data_set) == (severity, "set and other")
    assert {path.parents[1].name for path in finding.cases[0].files} == {"set", "other"}


def write_synthetic(root: Path, training_slides: str) -> None:
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    names = [f"S33N0000_Block_Region_0_0_{c}_xini_{256 * c}_yini_0" for c in range(2)]
    for name in names:
        add_tile(root, name, 3)
    save_book(root, "Test/Train", [row(name, 3) for name in names])
    columns = ["slide_id", "patient_id", "Gleason_primary", "Gleason_secondary"]
    pd.DataFrame([("S33N0000", "S33N0000", 3, 3)], columns=columns).to_excel(
        root / "wsi_labels.xlsx", index=False
    )
    rows = [{"tile": name, "training_slides": training_slides} for name in names]
    pd.DataFrame(rows).to_parquet(root / "manifest.parquet")


def test_a_generator_that_saw_a_test_slide(clean: Path, tmp_path: Path) -> None:
    trained = [slide_of("A", grade) for grade in GRADES]
    write_synthetic(tmp_path / "safe", " ".join(trained))
    write_synthetic(tmp_path / "leaky", " ".join([*trained, slide_of("T", 4)]))
    assert kinds(check(clean, tmp_path / "safe")) == []
    finding = only(check(tmp_path / "leaky", clean), "generator-saw-test")
    assert (finding.severity, finding.data_set) == ("error", "leaky")
    assert finding.cases[0].note == f"slide {slide_of('T', 4)}: seen by the generator of 2 tile(s)"
    assert len(finding.cases[0].files) == 2


def test_bands_of_the_same_slide_may_share_it_with_the_generator(
    tree: Path, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "synthetic", slide_of("T", 4))
    (tree / "set.json").write_text(json.dumps({"is_split_by_position": True}))
    assert kinds(check(tree, tmp_path / "synthetic")) == []


def test_a_generator_without_a_record(clean: Path, tmp_path: Path) -> None:
    root = tmp_path / "synthetic"
    write_synthetic(root, "")
    assert ("warning", "generator-unknown") in kinds(check(root))
    pd.DataFrame({"tile": ["a"]}).to_parquet(root / "manifest.parquet")
    assert ("error", "bad-manifest") in kinds(check(root))
    (root / "manifest.parquet").write_bytes(b"PAR1")
    assert ("error", "bad-manifest") in kinds(check(root))


@pytest.mark.parametrize("text", ["[]", '"a set"', '{"um_per_px": NaN}', '{"tile_px": -4}', "{"])
def test_a_note_that_readers_refuse_is_an_error(tree: Path, text: str) -> None:
    (tree / "set.json").write_text(text)
    (case,) = only(check(tree), "set-facts").cases
    assert f"{tree / 'set.json'}: " in case.note
    assert "counts" not in {finding.kind for finding in check(tree).findings}


def test_a_set_that_claims_to_be_sicapv2_is_counted(tree: Path) -> None:
    assert "counts" not in {finding.kind for finding in check(tree).findings}
    (tree / "set.json").unlink()
    notes = [case.note for case in only(check(tree), "counts").cases]
    assert "in all: 36 images; expected 18,783" in notes
    assert "Test/Test: 3 G5; expected 232" in notes
    assert "Test/Train: 0 G4C; expected 618" in notes
    assert "Validation/Val1/Test: 4 patients; expected 18" in notes


def test_wrong_use(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        check(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="looks like no set that is known"):
        check(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="has no images/ in it"):
        check_sets(CheckRequest(roots=(tmp_path / "empty",), kinds=("sicapv2",)))
    with pytest.raises(BadInput, match="--images: for sets of kind lapc or folder; these are sic"):
        check_sets(CheckRequest(roots=(tree,), images="photos"))
    with pytest.raises(BadInput, match="--kind has 3 words for 2 folders"):
        CheckRequest(roots=(tree, tmp_path), kinds=("auto",) * 3)
    with pytest.raises(BadInput, match="given twice"):
        check(tree, tree)
    with pytest.raises(BadInput, match="no data set"):
        check()
    with pytest.raises(BadInput, match="--processes"):
        check(tree, processes=-1)


def test_a_set_of_png_images_is_listed_as_its_reader_lists_it(tree: Path) -> None:
    """It was called 36 missing images and 36 masks without one."""
    for path in sorted((tree / "images").iterdir()):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    report = check(tree)
    assert kinds(report) == [] and report.sets[0].images == 36
    assert len(read_set(tree, SIDE)) == 36
