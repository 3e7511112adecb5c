"""How windows are blended into a map: by where they lie, and by how much of them is tissue."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from disc.api import Model
from disc.data.wsi.scan import Scan
from disc.labels import Label
from disc.slides.graders import Graders
from disc.slides.reading.cells import Cells
from disc.slides.reading.map_grid import Box, lay_grid
from disc.slides.reading.mapping import Plan, map_slide
from disc.slides.reading.overview import read_overview
from disc.slides.reading.passes import GENERATORS, list_offsets, trust
from disc.slides.request import GradeRequest


def read_map(graders: Graders, scan: Scan, **plan: object) -> np.ndarray:
    """The map of a part of a slide, [4, h, w]."""
    grid = lay_grid(scan, graders.um_per_px)
    tissue = np.zeros((64, 32), bool)
    tissue[20:40, 8:24] = True
    found = np.zeros((4, grid.height, grid.width), np.float32)
    for part in map_slide(
        graders, Cells(scan, grid, tissue), Plan(grid=grid, tissue=tissue, **plan)
    ):
        found[(slice(None), *part.box.slices)] = part.probabilities
    return found


def test_the_map_does_not_depend_on_blocks(
    model: Model, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, graders = Scan(slide), model.gradings.of_slides().graders
    whole = read_map(graders, scan, passes=5)
    assert np.allclose(whole.sum(0)[whole.any(0)], 1, atol=1e-4)
    monkeypatch.setattr("disc.slides.reading.map_grid.MAX_BLOCK_PX", 2 * graders.tile_px)
    assert np.abs(whole - read_map(graders, scan, passes=5)).max() < 1e-4


class Striped(torch.nn.Module):
    """Reads GG3 by the place in the window alone, in stripes as wide as a network's stride."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        waves = 0.3 * torch.cos(torch.arange(images.shape[-1]) * 2 * torch.pi / 16)
        stripes = waves + waves[:, None]
        logits = torch.zeros(len(images), 4, *images.shape[-2:])
        logits[:, 1] = stripes
        return logits * self.one

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images] * 3


def test_where_windows_lie_hardly_changes_the_map(
    model: Model, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of windows that count alike, as those without glass do."""
    monkeypatch.setattr("disc.slides.reading.mapping.trust", lambda share: np.float32(1))
    graders = replace(
        model.gradings.of_slides().graders, pixel=(Striped(),), encoder=None, tile_px=96
    )
    scan = Scan(slide)

    def share(passes: int) -> float:
        """Of pixels within .02 in probability when windows move by half of their distance."""
        still, moved = (
            read_map(graders, scan, passes=passes, shift=shift) for shift in ((0, 0), (3, 5))
        )
        return float((np.abs(still - moved).max(0) <= 0.02)[still.any(0)].mean())

    assert share(10) >= 0.99
    assert share(1) < 0.5


def test_passes_are_unlike_along_both_axes() -> None:
    assert tuple(GENERATORS) == get_args(get_type_hints(GradeRequest)["passes"])
    for side, passes in product((64, 96, 320, 512), (5, 10, 17)):
        offsets = list_offsets(side, passes)
        assert offsets[0] == (0, 0)
        for axis in zip(*offsets, strict=True):
            assert len({place % 16 for place in axis}) >= min(5, passes)
            assert max(np.diff(sorted([*axis, side // 2]))) <= side / 2 / passes + 17


class GlassShy(torch.nn.Module):
    """Reads GG4, but Non-Cancer in all of a window that has a tenth of glass."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        brightness = images.mean(dim=1)
        is_shy = (brightness > 0.9 * brightness.max()).float().mean(dim=(1, 2)) > 0.1
        logits = torch.zeros(len(images), 4, *images.shape[-2:])
        logits[is_shy, Label.NC], logits[~is_shy, Label.GG4] = 4.0, 4.0
        return logits * self.one

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images] * 3


def test_the_rim_of_tissue_is_read_in_windows_that_hold_little_glass(
    model: Model, slide: Path
) -> None:
    graders = replace(
        model.gradings.of_slides().graders, pixel=(GlassShy(), GlassShy()), encoder=None, tile_px=32
    )
    scan = Scan(slide)
    grid = lay_grid(scan, graders.um_per_px)
    tissue = read_overview(scan, 8.0)[0].mean(axis=2) < 225
    parts = list(map_slide(graders, Cells(scan, grid, tissue), Plan(grid=grid, tissue=tissue)))
    for labels in (
        [part.probabilities.argmax(0)[part.tissue] for part in parts],
        [part.opinions[1][part.tissue] for part in parts],
    ):
        assert (np.concatenate(labels) == Label.GG4).mean() > 0.85


def test_a_pixel_is_the_weighted_mean_of_the_windows_over_it(model: Model, slide: Path) -> None:
    """Held against a sum over all windows, written out."""
    graders = replace(
        model.gradings.of_slides().graders, pixel=(Striped(),), encoder=None, tile_px=32
    )
    scan = Scan(slide)
    found = read_map(graders, scan, passes=5, temperature=2.0)
    y, x = (int(places.mean()) for places in np.nonzero(found.any(0)))
    y = int(np.flatnonzero(found[:, :, x].any(0))[2])  # where windows hold unlike much glass
    tissue = np.zeros((64, 32), bool)
    tissue[20:40, 8:24] = True
    grid, ramp = lay_grid(scan, graders.um_per_px), np.sin(np.pi * (np.arange(32) + 0.5) / 32)
    logits = Striped()(torch.zeros(1, 3, 32, 32))[0, 1].detach().numpy()
    total, counted, shares = 0.0, 0.0, set()
    for right, down in list_offsets(32, 5):
        for left, top in product(range(x - 31, x + 1), range(y - 31, y + 1)):
            if (left - right) % 16 or (top - down) % 16:
                continue
            share = grid.spread(tissue, Box(left, top, 32, 32)).mean()
            weight = ramp[y - top] * ramp[x - left] * trust(share)
            total, counted = total + weight * logits[y - top, x - left], counted + weight
            shares.add(float(share))
    assert len(shares) > 3
    odds = np.exp(total / counted / 2.0)
    assert found[Label.GG3, y, x] == pytest.approx(odds / (odds + 3), rel=1e-4)
