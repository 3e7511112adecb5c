"""The picture of a tiled slide: kept and dropped tiles, mask, scale bar, legend."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from disc.data.pixels.mask_colours import name_colours
from disc.data.pixels.mask_values import RADBOUD, Meaning
from disc.data.pixels.picture_legend import choose_bar_um, draw_column, draw_rows, encode_small_png
from disc.data.tiling.overview import Overview, draw_overview
from disc.data.wsi.annotation import Annotation
from disc.data.wsi.scan import Scan
from disc.labels import PALETTES, Label
from tests.data.scans import HEIGHT, UM, WIDTH, draw_mask, save_slide

SCALE = 4
"""Level-0 pixels per pixel of the picture: its level 1, as it is."""
PANEL = WIDTH // SCALE


def overview_of(root: Path, meaning: Meaning = RADBOUD, **changes: object) -> Overview:
    save_slide(root, "a")
    scan = Scan(root / "slides" / "a.tiff")
    parts: dict[str, object] = {
        "scan": scan,
        "annotation": Annotation(root / "masks" / "a_mask.tiff", meaning, scan),
        "tissue": draw_mask() > 0,
        "kept": [(512, 1024)],
        "dropped": [(0, 1024)],
        "side": 512,
    }
    return Overview(**(parts | changes))  # type: ignore[arg-type]


def test_kept_and_dropped_tiles_are_drawn_at_their_places(tmp_path: Path) -> None:
    with_tiles = draw_overview(overview_of(tmp_path))[:, :PANEL].astype(int)
    bare = draw_overview(overview_of(tmp_path, kept=[], dropped=[]))[:, :PANEL].astype(int)
    y, x = np.nonzero((with_tiles != bare).any(-1))
    kept = x >= 512 // SCALE
    assert (x[kept].min(), x[kept].max()) == (128, 256)
    assert (x[~kept].min(), y.min(), y.max()) == (0, 256, 384)
    kept_ink, dropped_ink = with_tiles[256, 140], with_tiles[256, 20]
    assert kept_ink[2] > kept_ink[0] + 30, "kept: blue"
    assert np.ptp(dropped_ink) < 30 and dropped_ink.max() < 160, "dropped: black over glass"


def test_the_mask_stands_beside_in_the_colours_of_its_labels(tmp_path: Path) -> None:
    values = draw_mask()[::SCALE, ::SCALE]
    tissue = maximum_filter(values > 0, 5)
    overview = overview_of(tmp_path, tissue=tissue)
    panel = draw_overview(overview)[:, PANEL + 6 : 2 * PANEL + 6].astype(int)
    slide = np.asarray(Scan(tmp_path / "slides" / "a.tiff").read_whole(UM * SCALE)).astype(int)
    for value, label in ((1, Label.NC), (3, Label.GG3), (4, Label.GG4)):
        where = minimum_filter(values, 5) == maximum_filter(values, 5)  # away from borders
        where &= values == value
        where[-80:] = False  # the scale bar
        expected = 0.6 * np.array(PALETTES["safe"][label]) + 0.4 * slide[where]
        assert np.abs(panel[where] - expected).max() <= 1
    glass = ~maximum_filter(tissue, 5)
    glass[-80:] = False
    np.testing.assert_array_equal(panel[glass], slide[glass])


def test_without_a_mask_there_is_one_panel(tmp_path: Path) -> None:
    both = draw_overview(overview_of(tmp_path))
    alone = draw_overview(overview_of(tmp_path, annotation=None, dropped=[]))
    assert both.shape[0] == alone.shape[0] == HEIGHT // SCALE
    assert alone.shape[1] < both.shape[1] - PANEL


def test_a_value_without_a_meaning_outside_of_tiles_costs_the_mask_alone(tmp_path: Path) -> None:
    unread = overview_of(tmp_path, Meaning({0: 0, 1: 0, 3: 3}))
    picture = draw_overview(unread)
    alone = draw_overview(overview_of(tmp_path, annotation=None))
    np.testing.assert_array_equal(picture, alone)


def test_the_scale_bar_is_as_long_as_it_says(tmp_path: Path) -> None:
    """384 px of 2 µm: a third is 256 µm, so the bar says 200 µm and is 100 px long."""
    picture = draw_overview(overview_of(tmp_path, kept=[], dropped=[]))
    row = picture[-11, :PANEL].max(-1) < 40
    assert row.sum() == 100 and choose_bar_um(PANEL * UM * SCALE) == 200


@pytest.mark.parametrize(
    ("width", "bar"), [(384, 100), (256, 50), (3.1, 1), (0.9, 0.2), (6000, 2000), (1e5, 20000)]
)
def test_bars_are_round_numbers_up_to_a_third(width: float, bar: float) -> None:
    assert choose_bar_um(width) == pytest.approx(bar)


def test_a_legend_shows_every_colour_and_is_as_wide_as_asked(tmp_path: Path) -> None:
    entries = [(f"entry {i}", (10 * i, 200, 90)) for i in range(9)]
    rows, column = draw_rows(entries, 300), draw_column(entries, 40)
    assert rows.shape[1] == 300 and column.shape[0] >= 9 * 24
    for legend in (rows, column):
        colours = {tuple(pixel) for pixel in legend.reshape(-1, 3).tolist()}
        assert all(colour in colours for _, colour in entries)
    Image.fromarray(rows).save(tmp_path / "rows.png")


def test_a_note_has_no_swatch() -> None:
    """It is no colour of the picture: nothing but its letters stands there."""
    note, entry = draw_rows([("note", None)], 300), draw_rows([("note", (255, 255, 255))], 300)
    inks = [int((legend < 128).all(-1).sum()) for legend in (note, entry)]
    assert inks[1] - inks[0] == 4 * 14  # the outline of a square


def test_a_small_png_keeps_the_colours_of_the_legend() -> None:
    """Beside a thousand purples, the grey of unknown labels stays grey."""
    tissue = np.random.default_rng(0).integers((120, 60, 120), (240, 200, 240), (60, 300, 3))
    legend = draw_rows(name_colours(), 300)
    whole = np.concatenate([tissue.astype(np.uint8), legend])
    small = np.asarray(
        Image.open(io.BytesIO(encode_small_png(Image.fromarray(whole)))).convert("RGB")
    )
    for _, colour in name_colours():
        is_colour = (whole == colour).all(-1)
        assert np.abs(small[is_colour].astype(int) - colour).max() <= 8
