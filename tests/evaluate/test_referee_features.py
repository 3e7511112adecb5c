import numpy as np
import pytest
import torch

from disc.evaluate.referee import referee_features
from disc.grade.carcino import CarcinoNet
from disc.settings.grading import CarcinoNet as CarcinoNetSettings


@pytest.fixture(scope="module")
def referee():
    torch.manual_seed(0)
    return CarcinoNet(CarcinoNetSettings(width=8)).eval()


def tiles(num):
    return np.random.default_rng(0).integers(0, 256, (num, 32, 32, 3)).astype(np.uint8)


@torch.no_grad()
def test_they_are_the_means_of_the_two_middle_stages(referee):
    seen = {}
    for index, stage in enumerate(referee.stages):
        # the network may call a stage otherwise than by its hooks (activations computed again)
        stage[-1].register_forward_hook(lambda m, i, out, index=index: seen.update({index: out}))
    images = tiles(3)
    referee(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    assert seen[1].shape[-1] == 8
    assert seen[2].shape[-1] == 4
    expected = np.concatenate([seen[i].mean(dim=(2, 3)).numpy() for i in (1, 2)], axis=1)
    found = referee_features(referee, images)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_tile_has_the_same_features_in_any_company(referee):
    images = tiles(40)
    together = referee_features(referee, images)
    alone = np.concatenate([referee_features(referee, images[i : i + 1]) for i in (0, 35, 39)])
    np.testing.assert_array_equal(together[[0, 35, 39]], alone)
