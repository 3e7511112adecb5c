"""Memory while a set is encoded and read must not depend on how large the set is."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from disc.model.autoencoder import Autoencoder, build_vq
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.train.latents.encoding import encode_tiles
from disc.train.latents.latent_set import draw_batches, read_latents


class Pooling(Autoencoder):
    """Means of 4 x 4 pixels in place of an encoder, so that a large set takes seconds."""

    def encode(self, tiles):
        return torch.nn.functional.avg_pool2d(tiles.movedim(-1, 1).float(), 4)


class ManyTiles:
    """Tiles generated on access; records the memory of the process then."""

    def __init__(self, num):
        self.tiles = [SimpleNamespace(name=f"tile{i}") for i in range(num)]
        self.bytes = []

    def __len__(self):
        return len(self.tiles)

    def image(self, index):
        self.bytes.append(own_bytes())
        return np.random.default_rng(index).integers(0, 256, (128, 128, 3), dtype=np.uint8)

    def mask(self, index):
        return np.full((128, 128), index % 4, np.uint8)


def own_bytes():
    """Anonymous memory: pages of memory-mapped shards may be dropped at any time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_does_not_grow_with_the_set(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.train.latents.encoding.CHUNK", 16)
    torch.manual_seed(0)
    network, peaks = Pooling(build_vq(AutoencoderSettings(channels=(16, 16, 16)))), {}
    for num in (64, 1280):
        tiles = ManyTiles(num)
        encode_tiles(network, tiles, tmp_path / str(num), 8)
        batch_at = draw_batches(
            read_latents(tmp_path / str(num)), batch=16, uniform_fraction=0.5, seed=0, purpose="x"
        )
        for step in range(2 * num // 8):
            batch_at(step)
            tiles.bytes.append(own_bytes())
        peaks[num] = max(tiles.bytes)
    kept = sum(path.stat().st_size for path in tmp_path.glob("1280/shards/*"))
    assert kept > 100e6
    assert peaks[1280] - peaks[64] < 16e6
