import re
from collections import Counter
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from disc.files import BadInput
from disc.study.grid import list_cells
from disc.study.request import StudyRequest
from disc.study.runs import StudyRun


def run(fold: str, seed: int, condition: str = "") -> StudyRun:
    settings = SimpleNamespace(data=SimpleNamespace(fold=fold), seed=seed)
    return StudyRun(SimpleNamespace(run=settings), condition)  # type: ignore[arg-type]


def test_the_grid_has_every_cell_once() -> None:
    request = StudyRequest(
        runs=(Path("a"),), out=Path("o"), balance_weights=(0.1, 0.5), grader_seeds=3, pixel_seeds=2
    )
    runs = [run("Val1", 0), run("Val1", 7), run("Val2", 0), run("Val1", 0, "tile-label")]
    cells = list_cells(request, runs, ("sd", "sd-sc"))
    names = [cell.name for cell in cells]
    assert len(set(names)) == len(names)
    slides = [cell for cell in cells if cell.kind == "slides"]
    # seeds x (real of a fold, its three controls by weight; a run's variants and shuffled ones)
    assert len(slides) == 3 * (2 * (1 + 3 * 2) + 2 * (3 * 3 + 2))
    pixels = [cell for cell in cells if cell.kind == "pixels"]
    assert len(pixels) == 2 * (2 * (1 + 1) + 4 * 2)
    assert {cell.variant for cell in slides} == {
        *("real", "real-again", "real-balanced", "real-remixed", "sd-shuffled"),
        *("sd", "sd-sc", "sd (tile-label)", "sd-sc (tile-label)"),
    }
    assert {cell.generator_seed for cell in slides if cell.variant == "real"} == {0}
    assert cells[0].variant == "real" and cells[-1].variant != "real"


def test_weights_end_at_synthetic_only() -> None:
    StudyRequest(runs=(), out=Path("o"), balance_weights=(1.0,))
    for weights in ((0.0,), (1.1,)):
        try:
            StudyRequest(runs=(), out=Path("o"), balance_weights=weights)
        except BadInput:
            continue
        raise AssertionError(weights)


def test_every_encoder_has_every_grader() -> None:
    request = StudyRequest(
        runs=(Path("a"),),
        out=Path("o"),
        encoders=("carcino", "lunit-dino"),
        graders=("transmil", "mixed-supervision"),
        balance_weights=(0.1,),
        grader_seeds=1,
        pixel_seeds=1,
    )
    cells = list_cells(request, [run("Val1", 0)], ("sd",))
    assert len({cell.name for cell in cells}) == len(cells)
    found = Counter((cell.encoder, cell.grader) for cell in cells)
    # real, its controls, sd, shuffled; superpixels are of no recipe
    assert found == {
        **dict.fromkeys(product(request.encoders, ("transmil",)), 6),
        **dict.fromkeys(product(request.encoders, ("mixed-supervision",)), 5),
        ("", ""): 3,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"graders": ()}, "--graders: name one"),
        ({"controls": ("real-again", "real-again")}, "none twice"),
        (
            {"balance_weights": (0.3, 0.5, 0.30000001)},
            "--balance-weights 0.3 0.5 0.3: .*none twice",
        ),
        ({"pixel_weights": (0.1, 0.1)}, "none twice"),
        ({"external": {"real": Path()}}, "--external real: taken .*; choose another"),
        ({"external": {"../up": Path()}}, "--external ../up: no name; expected letters"),
        ({"external": {"sd g0": Path()}}, "--external sd g0: no name"),
        ({"encoders": ("carcino", "carcino")}, "none twice"),
        ({"encoders": ("files",)}, "--encoders files and --feature-files need each other"),
        ({"feature_files": Path("f")}, "--encoders files and --feature-files need each other"),
        (
            {
                "encoders": ("files",),
                "feature_files": Path("f"),
                "graders": ("mixed-supervision",),
            },
            "cuts superpixels from pixels: not with --encoders files",
        ),
        ({"processes": 4, "pixel_processes": 3}, "--pixel-processes"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        StudyRequest(runs=(), out=Path("o"), **changes)


def test_controls_go_with_a_run_that_there_is() -> None:
    request = StudyRequest(runs=(Path("a"),), out=Path("o"), balance_weights=(0.1,))
    runs = [run("Val1", 3), run("Val1", 0, "tile-label"), run("Val2", 5)]
    cells = list_cells(request, runs, ("sd",))
    found = {(cell.fold, cell.generator_seed) for cell in cells if not cell.source}
    assert found == {("Val1", 3), ("Val2", 5)}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pixel_steps": 0}, "--pixel-steps 0: must be 1 or more"),
        ({"pixel_steps": -5}, "--pixel-steps -5: must be 1 or more"),
        ({"grouped": ("lpac",)}, "--grouped lpac: no such set; the external sets are lapc"),
        ({"external_um_per_px": {"lpac": 0.5}}, "--external-um-per-px lpac 0.5: no such set"),
        ({"external_um_per_px": {"lapc": 0}}, "--external-um-per-px lapc 0: must be > 0"),
    ],
)
def test_what_names_no_test_set_or_trains_nothing_is_refused(
    tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        StudyRequest(runs=(tmp_path,), out=tmp_path, external={"lapc": tmp_path}, **asked)
