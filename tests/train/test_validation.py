from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from disc.data.tiles.records import Slide
from disc.model.autoencoder import Autoencoder, build_vq
from disc.model.schedule import NUM_STEPS, Schedule, alpha_bar
from disc.settings.autoencoder import Autoencoder as Settings
from disc.train.validation import ValidationTiles, encode_validation, measure_bands

NUM = 70


class Fake(nn.Module):
    """A network with one weight that predicts what a function computes."""

    def __init__(self, predict):
        super().__init__()
        self.weight, self.predict = nn.Parameter(torch.zeros(1)), predict
        self.schedule = Schedule()

    def predict_noise(self, z_t, t, masks, slides):
        return self.predict(z_t, t, masks)


def tiles(num=NUM):
    latents = torch.randn(num, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    masks = torch.arange(num, dtype=torch.uint8)[:, None, None].expand(-1, 32, 32)
    names = tuple(f"tile{i}" for i in range(num))
    return ValidationTiles(latents, masks, torch.zeros(num, 4, dtype=torch.uint8), names)


def part(whole, chosen):
    names = tuple(whole.names[i] for i in chosen)
    rows = (whole.latents[chosen], whole.masks[chosen], whole.slides[chosen])
    return ValidationTiles(*rows, names)


def test_a_network_that_predicts_zero_has_the_loss_of_unit_noise():
    nothing = Fake(lambda z_t, t, masks: torch.zeros_like(z_t))
    assert measure_bands(nothing, tiles(), 4, 0) == pytest.approx([1] * 4, abs=0.05)


def test_a_network_that_knows_the_tile_has_no_loss():
    """Sec. 2.3 solved for eps; the mask holds the number of the tile."""
    whole = tiles()

    def know(z_t, t, masks):
        level = alpha_bar()[t][:, None, None, None]
        z_0 = whole.latents[masks[:, 0, 0].long()]
        return (z_t - level.sqrt() * z_0) / (1 - level).sqrt()

    assert max(measure_bands(Fake(know), whole, 3, 0)) < 1e-4


def test_bands_divide_the_time_steps_from_low_noise_to_high():
    visited = []

    def record(z_t, t, masks):
        visited.append(t)
        return torch.zeros_like(z_t)

    measure_bands(Fake(record), tiles(64), 3, 0)
    bands = [torch.cat(visited[i : i + 2]) for i in (0, 2, 4)]
    for band, (low, high) in zip(bands, [(0, 333), (333, 666), (666, 1000)], strict=True):
        assert len(band) == 64
        assert low <= int(band.min())
        assert int(band.max()) < high <= NUM_STEPS
        assert len(band.unique()) > 40


def test_a_tiles_loss_depends_on_no_other_and_is_the_same_every_time():
    half = Fake(lambda z_t, t, masks: 0.5 * z_t)
    whole = tiles()
    first = measure_bands(half, whole, 2, 0)
    torch.manual_seed(99)
    assert measure_bands(half, whole, 2, 0) == first
    assert measure_bands(half, whole, 2, 1) != first
    backwards = measure_bands(half, part(whole, list(range(NUM))[::-1]), 2, 0)
    assert backwards == pytest.approx(first, rel=1e-6)
    parts = [measure_bands(half, part(whole, [i]), 2, 0) for i in range(NUM)]
    assert np.mean(parts, axis=0) == pytest.approx(first, rel=1e-6)


class FewTiles:
    """Twenty tiles whose pixels and masks hold their number."""

    tiles = tuple(SimpleNamespace(name=f"tile{i}", slide_id="S") for i in range(20))
    slides = MappingProxyType({"S": Slide(slide_id="S", patient_id="P", primary=3, secondary=4)})

    def __len__(self):
        return len(self.tiles)

    def image(self, index):
        return np.full((32, 32, 3), 10 * index, np.uint8)

    def mask(self, index):
        return np.full((32, 32), index, np.uint8)


def test_a_random_subset_is_encoded_with_its_masks_and_names():
    torch.manual_seed(0)
    autoencoder = Autoencoder(build_vq(Settings(channels=(16, 16, 16), num_codes=16))).eval()
    found = encode_validation(autoencoder, FewTiles(), 6, 0)
    numbers = found.masks[:, 0, 0].tolist()
    assert len(set(numbers)) == 6
    assert found.slides.tolist() == [[0, 1, 1, 0]] * 6
    assert list(found.names) == [f"tile{i}" for i in numbers]
    images = torch.stack([torch.from_numpy(FewTiles().image(i)) for i in numbers])
    torch.testing.assert_close(found.latents, autoencoder.encode(images))
    assert encode_validation(autoencoder, FewTiles(), 6, 1).names != found.names
    assert len(encode_validation(autoencoder, FewTiles(), 99, 0).names) == 20
