"""How much cancer on a map is no error of graders: set on validation slides, measured on slides."""

from pathlib import Path

import numpy as np
import pytest

from disc.labels import Label
from disc.slides.grade_slide import find_focus
from disc.slides.judging.calibrate import MARGIN, _Seen, _set_benign_limits
from disc.slides.judging.pixel_sample import PixelSample
from disc.slides.reading.canvas import Canvas
from disc.slides.reading.map_grid import MapGrid


def see(slides: dict[str, tuple[float, float, float]]) -> _Seen:
    """Slides of a true and a read share of GG4, and the largest piece that graders are sure of."""
    seen = _Seen(PixelSample.of(1))
    for name, (true, read, focus) in slides.items():
        counts = np.zeros((2, 4), np.int64)
        counts[:, Label.GG4] = np.round(np.array([true, read]) * 10_000)
        counts[:, Label.NC] = 10_000 - counts[:, Label.GG4]
        seen.counts[name], seen.foci[name] = counts, focus
    return seen


BENIGN = {"a": (0.0, 0.0, 0.0), "b": (0.0, 0.03, 0.012), "c": (0.0, 0.05, 0.02)}
ILL = {"d": (0.3, 0.4, 0.14), "e": (0.6, 0.5, 0.14)}


def test_limits_lie_little_above_what_is_read_in_benign_slides() -> None:
    found = _set_benign_limits(see({**BENIGN, **ILL}))
    assert found["cancer_floor"] == pytest.approx(MARGIN * 0.05)
    assert found["focus_mm2"] == pytest.approx(MARGIN * 0.02)


def test_a_slide_of_a_true_small_focus_hides_no_other() -> None:
    """It is neither benign nor much of a cancer, so what is read in it says nothing of errors."""
    small = {"f": (0.008, 0.06, 0.08)}
    assert _set_benign_limits(see({**BENIGN, **small, **ILL})) == _set_benign_limits(
        see({**BENIGN, **ILL})
    )


@pytest.mark.parametrize("temperature", [1.0, 0.8])
def test_a_focus_is_measured_in_mm2_before_the_temperature(
    tmp_path: Path, temperature: float
) -> None:
    grid = MapGrid(width=8, height=4, scale=4.0, um_per_px=20.0, slide_px=(32, 16))
    canvas = Canvas.create(tmp_path / "map", 8, 4)
    raw = np.zeros((4, 4, 8), np.float32)
    raw[:] = np.array([0.8, 0.1, 0.05, 0.05])[:, None, None]
    raw[:, :2, :3] = np.array([0.05, 0.25, 0.4, 0.3])[:, None, None]  # sure, of 6 px
    raw[:, 3, 5:] = np.array([0.2, 0.0, 0.8, 0.0])[:, None]  # cancer, and not sure
    cooled = raw ** (1 / temperature)
    tissue = np.ones((4, 8), bool)
    tissue[0, 0] = False
    canvas.write(canvas.whole(), cooled / cooled.sum(0) * tissue, tissue)
    part = canvas.read(canvas.whole())
    focus = find_focus(part, grid.edges, grid.um_per_slide_px, temperature)
    assert focus == pytest.approx(5 * 0.02**2)
