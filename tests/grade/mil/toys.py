"""Bags whose slide label is which of four directions some of their instances point to."""

from typing import get_args

import numpy as np

from disc.grade.bags import Bag
from disc.settings.grading import SlideGrader
from disc.settings.grading import TransMIL as Settings
from disc.settings.training import Optim

WIDTH = 8
GRADERS = get_args(SlideGrader)


def toy_bag(number: int, purpose: int = 0) -> Bag:
    rng = np.random.default_rng([number, purpose])
    label = number % 4
    count = int(rng.integers(3, 20))
    labels = np.zeros(count, np.uint8)
    labels[: 1 + count // 3] = label
    order = rng.permutation(count)
    features = rng.normal(0, 1, (count, WIDTH)).astype(np.float32)
    features[np.arange(count), labels] += 4
    return Bag(
        slide_id=f"s{number}",
        patient_id=f"p{number}",
        features=features[order],
        truth=tuple(int(k == label) for k in range(4)),
        primary=(0, 3, 4, 5)[label],
        coords=rng.integers(0, 640, (count, 2)),
        tile_px=64,
        labels=labels[order],
    )


def toy_bags(count: int, purpose: int = 0) -> list[Bag]:
    return [toy_bag(number, purpose) for number in range(count)]


def settings(steps: int, head: str = "sigmoids") -> Settings:
    optim = Optim(steps=steps, batch=8, lr=1e-2, warmup=5, decay="cosine")
    return Settings(width=16, heads=2, head=head, optim=optim)
