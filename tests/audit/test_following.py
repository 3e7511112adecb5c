"""Figures of masks that are followed rest on enough tiles, of labels that the masks hold."""

from types import SimpleNamespace

import numpy as np
import pytest

from disc.audit.asked import following, transfer
from disc.audit.asked.following import measure_asked
from disc.audit.asked.learnt import Readers
from disc.audit.figures import Figure
from disc.audit.sets import hold_arrays
from disc.labels import Label

SIDE = 32


def hold(name, masks):
    images = np.random.default_rng(0).integers(0, 256, (*masks.shape, 3), np.uint8)
    return hold_arrays(name, images, masks, [f"P{i % 4}" for i in range(len(masks))], 4.0)


def quarters(num):
    """Every tile holds all labels, a quarter each."""
    masks = np.zeros((num, SIDE, SIDE), np.uint8)
    masks[:, :16, 16:], masks[:, 16:, :16], masks[:, 16:, 16:] = 1, 2, 3
    return masks


def ask(real, made, monkeypatch, steps=0):
    """All figures, where everything is read as the masks say."""
    for module in (following, transfer):
        monkeypatch.setattr(module, "read_tiles", lambda net, images: net[: len(images)])
    monkeypatch.setattr(transfer, "train_segmenter", lambda *words, **options: real.masks)
    readers = Readers(SimpleNamespace(nets=(made.masks,)), real.masks, {})
    found = measure_asked(real, made, readers, steps=steps, seed=0)
    return {figure.name: figure for figure in found}


def test_of_few_real_tiles_nothing_is_told(monkeypatch):
    """Four real tiles kept every limit."""
    made = hold("made", quarters(40))
    found = ask(hold("real", quarters(12)), made, monkeypatch, steps=1)
    assert {"agreement", "size.20-50%", "boundary.4", "confusion.GG4>GG4", "train-real"} < set(
        found
    )
    for figure in found.values():
        assert "would do" in figure.refused and np.isnan(figure.value)
    assert found["agreement"].refused == "12 labelled real tiles; 30 would do"
    enough = ask(hold("real", quarters(40)), made, monkeypatch, steps=1)
    for name in ("agreement", "size.20-50%", "confusion.GG4>GG4", "train-synthetic", "train-real"):
        assert enough[name].value == 1


def test_a_confusion_of_few_tiles_is_refused(monkeypatch):
    masks = np.zeros((40, SIDE, SIDE), np.uint8)
    masks[0, :16] = Label.GG4
    found = ask(hold("real", quarters(40)), hold("made", masks), monkeypatch)
    assert found["confusion.GG4>GG4"].refused == "1 tiles; 30 would do"
    assert found["confusion.NC>NC"].value == 1


def test_a_stray_pixel_of_a_label_that_no_mask_holds_is_no_dice_of_0():
    """One misread pixel made a quarter of a mean of 1, and so did the ceiling."""
    masks = np.zeros((40, SIDE, SIDE), np.uint8)
    tiles, read = hold("real", masks), masks.copy()
    read[0, 0, :3] = 1, 2, 3
    blank = Figure(part="asked", name="train-real", text="")
    found = transfer._measure(blank, tiles, [read], (masks, read))
    assert min(found.value, found.low, found.ceiling) > 0.999
    masks = np.full_like(masks, 255)
    masks[:, 0, 0] = 0
    refused = transfer._measure(blank, hold("real", masks), [read], (masks, read))
    assert "no label covers 5 % of 5 tiles or more" in refused.refused


def test_dice_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    masks = np.where(rng.random((40, SIDE, SIDE)) < 0.3, 255, quarters(40))
    read = rng.integers(0, 4, masks.shape).astype(np.uint8)
    tiles = hold("real", masks)
    blank = Figure(part="asked", name="train-real", text="")
    found = transfer._measure(blank, tiles, [read], (masks, read))
    asked, seen = ([part == k for k in range(4)] for part in (masks, np.where(masks < 4, read, 9)))
    dice = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(asked, seen, strict=True)]
    assert found.value == found.ceiling == pytest.approx(np.mean(dice))
