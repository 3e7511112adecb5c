"""What processes read of a batch is their part of it, and nothing else."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from disc.processes import Share
from disc.train.diagnose import part_of
from disc.train.latents.dropout import drop_masks
from disc.train.latents.latent_set import draw_batches, draw_tiles
from disc.train.objectives.autoencoder import UsedCodes
from disc.train.objectives.distil import cotrain_batches, distil_batches
from disc.train.objectives.student import student_batches
from tests.train.objectives.test_batches import bank, latent_set
from tests.train.test_tile_batches import NUM, Numbered

SHAPES = [np.repeat(np.array([[0], [1]], np.uint8), 8, 0) * np.ones(16, np.uint8)] * 3


class Read(Numbered):
    """Tiles that say which of them were decoded."""

    seen: ClassVar[list[int]] = []
    tiles: ClassVar[list[None]] = [None] * NUM

    def image(self, index):
        self.seen.append(index)
        return super().image(index)


def real(size):
    tiles = latent_set([0, 1, 2, -1, -1, 3])
    return draw_batches(tiles, batch=size, uniform_fraction=0.25, seed=1, purpose="x")


def distilled(size):
    return distil_batches(bank(), SHAPES, batch=size, seed=1, purpose="x")


SOURCES = {
    "real": lambda: real(8),
    "distilled": lambda: distilled(8),
    "cotrained": lambda: cotrain_batches(real(4), distilled(4)),
    "dropped": lambda: drop_masks(cotrain_batches(real(4), distilled(4)), 0.5, seed=1, purpose="x"),
    "student": lambda: student_batches(bank(), SHAPES, batch=8, seed=1, purpose="x"),
    "tiles": lambda: draw_tiles(Read(), batch=8, seed=1),
}


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("name", SOURCES)
def test_the_parts_of_all_processes_are_the_batch(name, count):
    batch_at = SOURCES[name]()
    assert batch_at.part_at is not None
    whole = batch_at(5)
    parts = [part_of(batch_at, 5, Share(rank, count), 8) for rank in range(count)]
    assert set(whole) == set(parts[0])
    for key, value in whole.items():
        assert torch.equal(torch.cat([part[key] for part in parts]), value)


def test_a_process_decodes_its_part_alone():
    Read.seen.clear()
    part_of(draw_tiles(Read(), batch=8, seed=1), 0, Share(1, 4), 8)
    assert len(Read.seen) == 2


def test_codes_in_use_are_those_of_all_pieces():
    used = torch.tensor([[1, 0, 0, 1], [0, 0, 1, 1]], dtype=torch.bool)
    count = UsedCodes(2)
    for _ in range(2):
        parts = [count.count(one, Share(rank, 2)) for rank, one in enumerate(used)]
        assert float(torch.stack(parts).mean()) == pytest.approx(3 / 4)
