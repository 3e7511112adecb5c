"""A referee that does not know a label in real tiles is told of, since it judges others by it."""

import numpy as np
import pandas as pd

from disc.evaluate.referee import find_lost, find_unread
from disc.labels import Label


def row(variant: str, fractions: dict[str, float], recalls: dict[str, float]) -> dict[str, object]:
    found = {f"fraction_{label.name}": fractions.get(label.name, 0.0) for label in Label}
    read = {f"recall_{label.name}": recalls.get(label.name, np.nan) for label in Label}
    return {"variant": variant, **found, **read}


def test_a_label_that_is_hardly_read_in_real_tiles_is_named() -> None:
    table = pd.DataFrame(
        [
            row("real", {"NC": 0.6, "GG5": 0.4}, {"NC": 0.9, "GG5": 0.1}),
            row("real", {"NC": 0.5, "GG5": 0.5}, {"NC": 0.8, "GG5": 0.3}),
            row("real", {"GG4": 0.99, "GG5": 0.01}, {"GG4": 0.7, "GG5": 1.0}),  # too little of it
            row("sd", {"GG3": 1.0}, {"GG3": 0.0}),  # a variant's fault, not the referee's
        ]
    )
    assert find_unread(table) == {"GG5": 0.2}
    assert find_unread(table[table["variant"] == "sd"]) == {}


def test_a_label_that_the_autoencoder_loses_is_named() -> None:
    table = pd.DataFrame(
        [
            *[row("real", {"NC": 0.6, "GG5": 0.4}, {"NC": 0.9, "GG5": 0.75})] * 5,
            *[row("reconstruction", {"NC": 0.6, "GG5": 0.4}, {"NC": 0.85, "GG5": 0.5})] * 5,
            row("real", {"GG4": 1.0}, {"GG4": 0.9}),  # a single tile
            row("reconstruction", {"GG4": 1.0}, {"GG4": 0.1}),
            row("sd", {"NC": 1.0}, {"NC": 0.0}),
        ]
    )
    assert find_lost(table) == {"GG5": (0.5, 0.75)}
    assert find_lost(table[table["variant"] == "real"]) == {}
