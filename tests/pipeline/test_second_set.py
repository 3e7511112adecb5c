"""The out-of-distribution test set of a run, in a layout of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disc.data.tiling.request import TileRequest
from disc.data.tiling.tile_slides import tile_slides
from disc.files import BadInput, write_json
from disc.phantom.panda import write_panda_set
from disc.pipeline.context import Context
from disc.pipeline.stages.data import compare_scales
from disc.pipeline.stages.report import _data_note
from disc.presets import smoke
from disc.settings.phantom import Phantom


def write_lapc(root: Path) -> None:
    for folder in ("jpg_nameless", "mask_nameless"):
        (root / folder).mkdir(parents=True)
    Image.new("RGB", (128, 128), (200, 90, 160)).save(root / "jpg_nameless" / "a.jpg")
    values = np.repeat([[0, 1, 2, 3]], 128, 0).repeat(32, 1).astype(np.uint8)
    Image.fromarray(values).save(root / "mask_nameless" / "a.png")


def test_lapc_beside_simulated_tiles(tmp_path: Path) -> None:
    write_lapc(tmp_path / "lapc")
    run = smoke()
    data = replace(run.data, external_root=tmp_path / "lapc", external_kind="lapc", fit="resize")
    context = Context(replace(run, data=data), tmp_path / "run")
    tiles = context.read_external(tmp_path / "lapc")
    assert tiles.image(0).shape == (64, 64, 3)
    assert np.array_equal(tiles.mask(0), np.repeat([[1, 2, 3, 0]], 64, 0).repeat(16, 1))
    other = replace(data, external_values={0: 0, 1: 3, 2: 4, 3: 5})
    read = Context(replace(run, data=other), tmp_path / "run").read_external(tmp_path / "lapc")
    assert np.array_equal(read.mask(0), np.repeat([[0, 1, 2, 3]], 64, 0).repeat(16, 1))
    exact = replace(data, fit="exact")
    with pytest.raises(BadInput, match="128 x 128 px; expected 64 x 64 px"):
        Context(replace(run, data=exact), tmp_path / "run").read_external(tmp_path / "lapc").image(
            0
        )


def test_a_panda_set_must_be_cut_first(tmp_path: Path) -> None:
    """Slides in PANDA's layout are refused; the tiles that `disc tile` cuts from them are read."""
    slides = tmp_path / "panda"
    drawn = Phantom(external_slides=(1, 1, 0, 0), core_um=(400.0, 900.0))
    write_panda_set(slides, drawn, coarsening=4.0, num_unmasked=0)
    request = TileRequest(
        slides=slides / "train_images",
        masks=slides / "train_label_masks",
        labels=slides / "train.csv",
        out=tmp_path / "tiles",
        processes=1,
    )
    tile_slides(request)
    context = Context(smoke(), tmp_path / "run")
    with pytest.raises(BadInput, match="slides without tiles; cut them with disc tile"):
        context.read_external(slides)
    tiles = context.read_external(request.out)
    assert len(tiles) > 10 and {slide.primary for slide in tiles.slides.values()} == {0, 3}
    assert tiles.image(0).shape == (64, 64, 3) and tiles.mask(0).shape == (64, 64)


def test_an_external_set_is_brought_to_the_scale_of_training(tmp_path: Path) -> None:
    """LAPC's 128 px of 2 µm; tiles of 64 px have 4 µm, as the training set says, or 3."""
    write_lapc(tmp_path / "lapc")
    root = tmp_path / "real"
    (root / "images").mkdir(parents=True)
    run = smoke()
    for scale, inner in ((4.0, 128), (3.0, 96)):
        (root / "set.json").write_text(f'{{"tile_px": 64, "um_per_px": {scale}}}')
        data = replace(run.data, root=root, external_um_per_px=2.0)
        tiles = Context(replace(run, data=data), tmp_path / "run").read_external(tmp_path / "lapc")
        assert tiles.tiles[0].um_per_px == pytest.approx(scale)
        shown = (np.arange(64) + 0.5) * inner / 64 + (128 - inner) / 2
        assert np.array_equal(tiles.mask(0)[0], np.array([1, 2, 3, 0])[(shown // 32).astype(int)])
    assert compare_scales(tiles, tiles, tmp_path) == []
    other = replace(tiles, tiles=(replace(tiles.tiles[0], um_per_px=4.0),))
    assert "4 µm per pixel, training tiles 3: graders see" in compare_scales(tiles, other, root)[0]


@pytest.mark.parametrize(("facts", "said"), [("", "scale unknown"), ("0.5", "0.5 µm per pixel")])
def test_the_page_says_the_scale_of_the_set_and_not_the_presets(
    facts: str, said: str, tmp_path: Path
) -> None:
    root, run = tmp_path / "set", smoke()
    (root / "images").mkdir(parents=True)
    assert run.data.um_per_px == 4.0
    if facts:
        (root / "set.json").write_text(f'{{"tile_px": 64, "um_per_px": {facts}}}')
    context = Context(replace(run, data=replace(run.data, root=root)), tmp_path / "run")
    sizes = {"train": 2, "val": 1, "test": 1}
    write_json(tmp_path / "run/data/summary.json", {"tiles": sizes, "slides": 2, "notes": []})
    assert _data_note(context, context.um_per_px).endswith(f"tiles of 64 px, {said}")
