"""Tensors for training: the set's own pixels, whatever process decodes them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.train.tile_batches import Batches, TileDraws, change_stain

SIDE = 16
NUM = 6


@dataclass(frozen=True)
class Numbered:
    """Tiles in memory whose image holds their number and the values of their mask."""

    num: int = NUM

    def __len__(self) -> int:
        return self.num

    def mask(self, index: int) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 4, (SIDE, SIDE)).astype(np.uint8)

    def image(self, index: int) -> np.ndarray:
        image = np.full((SIDE, SIDE, 3), index, np.uint8)
        image[..., 1] = 60 * self.mask(index)
        return image


@pytest.fixture
def on_disk(tmp_path: Path) -> TileSet:
    tiles = []
    for number in range(NUM):
        rng = np.random.default_rng(number)
        image, mask = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(image)
        Image.fromarray(rng.choice([0, 3, 4, 5], (SIDE, SIDE)).astype(np.uint8)).save(mask)
        tiles.append(Tile(name=str(number), slide_id="s", image=image, mask=mask, x=0, y=0))
    slides = {"s": Slide(slide_id="s", patient_id="p")}
    return TileSet(slides=slides, tiles=tuple(tiles), tile_px=SIDE)


def test_any_number_of_workers_gives_the_same(on_disk: TileSet) -> None:
    draws = TileDraws(on_disk, seed=1, stain=0.1)
    runs = [
        [batches(step) for step in range(5)]
        for batches in (Batches(draws, size=4, workers=workers) for workers in (0, 1, 99))
    ]
    for other in runs[1:]:
        for one, another in zip(runs[0], other, strict=True):
            assert one.keys() == another.keys() == {"images", "masks"}
            assert all(torch.equal(one[key], another[key]) for key in one)
    assert not torch.equal(runs[0][0]["images"], runs[0][1]["images"])
    resumed = Batches(draws, size=4, workers=1)(3)
    assert torch.equal(resumed["images"], runs[0][3]["images"])


def test_masks_are_flipped_and_rotated_with_their_tiles() -> None:
    draws = TileDraws(Numbered(), seed=0)
    seen = set()
    for draw in range(40):
        item = draws[draw]
        assert item["images"].shape == (3, SIDE, SIDE) and item["masks"].dtype == torch.uint8
        assert torch.equal(item["images"][1], 60 * item["masks"])
        original = Numbered().mask(int(item["images"][0, 0, 0]))
        transformed = [np.rot90(m, k) for m in (original, original[:, ::-1]) for k in range(4)]
        (place,) = (
            i for i, m in enumerate(transformed) if np.array_equal(m, item["masks"].numpy())
        )
        seen.add(place)
    assert seen == set(range(8))


def test_every_tile_comes_once_an_epoch() -> None:
    draws = TileDraws(Numbered(), seed=5, has_masks=False)
    epochs = [
        [int(draws[NUM * epoch + i]["images"][0, 0, 0]) for i in range(NUM)] for epoch in range(4)
    ]
    assert all(sorted(epoch) == list(range(NUM)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert set(draws[0]) == {"images"}


def test_stain_is_a_factor_on_optical_density() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(20, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    factors = np.array([0.8, 1.0, 1.3])
    changed = change_stain(image, factors)
    expected = 255 * np.exp(-factors * -np.log(image / 255))
    assert np.abs(changed - expected).max() <= 0.501
    assert np.array_equal(changed[..., 1], image[..., 1])
    still = TileDraws(Numbered(), seed=0)
    jittered = TileDraws(Numbered(), seed=0, stain=0.2)
    assert torch.equal(still[3]["masks"], jittered[3]["masks"])
    assert not torch.equal(still[3]["images"], jittered[3]["images"])
    assert torch.equal(jittered[3]["images"], jittered[3]["images"])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_one_line(on_disk: TileSet, workers: int) -> None:
    broken = on_disk.tiles[2].image
    broken.write_bytes(broken.read_bytes()[:60])
    batches = Batches(TileDraws(on_disk, seed=0), size=NUM, workers=workers)
    with pytest.raises(BadInput) as caught:
        batches(0)
    assert str(caught.value).startswith(f"{broken}: damaged") and "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_random_state_of_a_training_is_left_alone(on_disk: TileSet) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Batches(TileDraws(on_disk, seed=0), size=2, workers=1)(0)
    assert torch.equal(torch.rand(3), expected)


def test_resized_sets_keep_their_masks_values(on_disk: TileSet) -> None:
    small = replace(on_disk, tile_px=SIDE // 2, reading=replace(on_disk.reading, fit="resize"))
    item = TileDraws(small, seed=0, choose=lambda draw: (draw, 0))[1]
    assert item["images"].shape == (3, SIDE // 2, SIDE // 2)
    assert np.array_equal(item["masks"].numpy(), on_disk.mask(1)[1::2, 1::2])


def test_a_process_decodes_only_its_rows() -> None:
    decoded = list[int]()

    class Told(Numbered):
        def image(self, index: int) -> np.ndarray:
            decoded.append(index)
            return super().image(index)

    draws = TileDraws(Told(), seed=1)
    whole = Batches(draws, size=4)(3)
    decoded.clear()
    part = Batches(draws, size=4)(3, range(2, 4))
    assert len(decoded) == 2
    assert all(torch.equal(part[key], whole[key][2:]) for key in whole)
