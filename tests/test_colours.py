"""Colours of labels and of pictures, as readers see them who lack a kind of cone.

Simulated with the matrices of Machado, Oliveira and Fernandes (IEEE Trans. Vis. Comput. Graph.
15(6), 2009; severity 1), which act on linear RGB; compared by CIEDE2000.
"""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from disc.data.pixels.mask_colours import colour_mask, colour_table, name_colours
from disc.data.tiling.overview import _DROPPED, _KEPT, _TISSUE
from disc.labels import NAMES, PALETTES, UNKNOWN_COLOUR, Label
from disc.report.check.pictures import STRANGE

WHITE = (255, 255, 255)
LEAST = 20
"""Distance that colours must keep; from about 10 on they are told apart at a glance."""
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def list_trained_on(colours: Iterable[tuple[int, int, int]], sight: str) -> np.ndarray:
    """CIELAB of colours as they are seen, [N, 3]."""
    values = np.array(list(colours)) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    coded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab: np.ndarray = rgb2lab(coded[None])[0]
    return lab


def closest(colours: Iterable[tuple[int, int, int]], sight: str) -> float:
    pairs = itertools.combinations(list_trained_on(colours, sight), 2)
    return min(float(deltaE_ciede2000(one, other)) for one, other in pairs)


@pytest.mark.parametrize("sight", SIGHT)
def test_labels_unknown_and_white_are_told_apart(sight: str) -> None:
    assert closest([*PALETTES["safe"].values(), UNKNOWN_COLOUR, WHITE], sight) > LEAST


@pytest.mark.parametrize("sight", SIGHT)
def test_lines_on_slides_and_wrong_values_are_told_apart(sight: str) -> None:
    assert closest([_TISSUE, _KEPT, _DROPPED, WHITE], sight) > LEAST
    assert closest([*PALETTES["safe"].values(), UNKNOWN_COLOUR, STRANGE], sight) > LEAST


def test_the_measure_finds_what_was_wrong_with_the_papers_colours() -> None:
    paper = PALETTES["paper"]
    assert closest([paper[Label.NC], paper[Label.GG5]], "protanopia") == pytest.approx(2.2, abs=0.1)
    assert closest(paper.values(), "normal") > LEAST


@pytest.mark.parametrize("palette", PALETTES)
def test_a_mask_is_drawn_in_the_colours_that_its_legend_names(palette: str) -> None:
    mask = np.array([[0, 1, 2, 3, 255]], np.uint8)
    drawn = colour_mask(mask, palette)[0].tolist()  # type: ignore[arg-type]
    named = name_colours(palette)  # type: ignore[arg-type]
    assert [list(colour) for _, colour in named] == drawn
    assert [name for name, _ in named] == [*NAMES.values(), "unknown"]


def test_values_without_a_meaning_have_a_colour_of_their_own() -> None:
    table = colour_table(unexplained=STRANGE)
    assert table[[4, 254]].tolist() == [list(STRANGE)] * 2
    assert table[255].tolist() == list(UNKNOWN_COLOUR)
