"""Outlines of a large map: one region after the other."""

import tracemalloc

import numpy as np
from scipy import ndimage

from disc.slides.writing.regions import find_areas

SIDE_PX = 2000


def patchy_part() -> np.ndarray:
    """A canvas's planes, of tissue everywhere: some 1,200 pieces."""
    rng = np.random.default_rng(0)
    fields = [
        ndimage.zoom(rng.standard_normal((SIDE_PX // 40, SIDE_PX // 40), np.float32), 40, order=1)
        for _ in range(4)
    ]
    labels = np.argmax(fields, 0).astype(np.uint8)
    return np.concatenate([np.full((4, *labels.shape), 128, np.uint8), labels[None]])


def test_memory_is_that_of_one_region_beside_the_map() -> None:
    part = patchy_part()
    edges = np.arange(SIDE_PX + 1), np.arange(SIDE_PX + 1)
    tracemalloc.start()
    try:
        areas, dropped = find_areas(part, edges, 2.0)
        num_drawn = sum(1 for _ in areas)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert num_drawn > 300 and len(dropped) > 300
    # Two numbers of 4 bytes a pixel and two of one while a label's regions are looked for.
    assert peak < 12 * SIDE_PX**2
