import threading

import pytest
import torch

from disc.files import BadInput
from disc.train.prefetch import Prefetcher


def batch_at(step):
    return {"numbers": torch.full((2,), step)}


def test_batches_are_the_same_in_any_order():
    prefetcher = Prefetcher(batch_at)
    for step in (0, 1, 2, 7, 8, 3, 3, 0):
        assert torch.equal(prefetcher(step)["numbers"], batch_at(step)["numbers"])


def test_the_next_batch_is_made_while_this_one_is_used():
    made = threading.Event()

    def slow(step):
        if step == 1:
            made.set()
        return batch_at(step)

    Prefetcher(slow)(0)
    assert made.wait(30)


def test_an_error_is_raised_when_its_batch_is_requested():
    def damaged(step):
        if step == 1:
            raise BadInput("shard 3: damaged")
        return batch_at(step)

    prefetcher = Prefetcher(damaged)
    assert torch.equal(prefetcher(0)["numbers"], torch.zeros(2))
    with pytest.raises(BadInput, match="shard 3"):
        prefetcher(1)
