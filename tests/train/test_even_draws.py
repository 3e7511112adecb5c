"""Rare labels' tiles drawn as often as those of common ones."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from disc.labels import IGNORE, Label
from disc.train.even_draws import choose_evenly, main_labels
from disc.train.latents.latent_set import draw_tiles


@dataclass(frozen=True)
class Named:
    name: str


@dataclass(frozen=True)
class OfLabels:
    """Tiles each mostly of one label; -1: of none that is known."""

    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def tiles(self) -> list[Named]:
        return [Named(f"{label} {number}") for number, label in enumerate(self.labels)]

    def mask(self, index: int) -> np.ndarray:
        mask = np.full((8, 8), IGNORE, np.uint8)
        if self.labels[index] >= 0:
            mask[:3] = self.labels[index]
            mask[3:5] = (self.labels[index] + 1) % 4
        return mask


NC, GG3, GG5 = int(Label.NC), int(Label.GG3), int(Label.GG5)
MANY = (NC,) * 20 + (GG3,) * 5 + (GG5,) * 2 + (-1,)


def test_the_label_of_a_tile_covers_most_of_what_is_known() -> None:
    assert main_labels(OfLabels(MANY)).tolist() == list(MANY)  # type: ignore[arg-type]


def test_labels_take_turns_and_each_has_all_of_its_tiles_once() -> None:
    choose = choose_evenly(np.array(MANY), seed=3, purpose="p")
    drawn = [choose(draw)[0] for draw in range(60)]
    labels = np.array(MANY)[drawn]
    assert np.bincount(labels, minlength=4).tolist() == [20, 20, 0, 20]
    assert sorted(drawn[0::3]) == list(range(20))
    assert [sorted(drawn[1::3][i : i + 5]) for i in (0, 5)] == [[20, 21, 22, 23, 24]] * 2
    assert {choose(draw)[1] for draw in range(60)} == set(range(8))
    assert drawn == [choose_evenly(np.array(MANY), seed=3, purpose="p")(d)[0] for d in range(60)]


def test_where_nothing_is_labelled_all_tiles_are_drawn() -> None:
    choose = choose_evenly(np.full(5, -1), seed=0, purpose="p")
    assert sorted(choose(draw)[0] for draw in range(5)) == [0, 1, 2, 3, 4]


def test_other_processes_draw_the_same() -> None:
    choose = choose_evenly(np.array(MANY), seed=3, purpose="p")
    assert pickle.loads(pickle.dumps(choose))(7) == choose(7)


@pytest.mark.parametrize("is_even", [True, False])
def test_batches_of_the_decoder_are_even_where_asked_for(is_even: bool) -> None:
    batches = draw_tiles(OfLabels(MANY), batch=3, seed=0, is_even=is_even)  # type: ignore[arg-type]
    names = [name for step in range(10) for name in batches.names_at(step)]
    counts = [sum(name.startswith(f"{label} ") for name in names) for label in (NC, GG3, GG5)]
    assert (counts == [10, 10, 10]) == is_even
