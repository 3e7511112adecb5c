import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from disc.data.tiles.tile_set import TileSet
from disc.evaluate.referee import read_tiles
from disc.files import BadInput
from disc.grade.augment import Augment
from disc.grade.carcino import CarcinoNet
from disc.grade.confusion import COUNTS, count_confusion
from disc.grade.pixels import (
    CHUNK,
    confusion_rows,
    predict_pixels,
    train_pixel_grader,
)
from disc.grade.pool import TilePool
from disc.processes import Share
from disc.settings.grading import CarcinoNet as CarcinoNetSettings
from disc.settings.training import Optim
from tests.grade.tile_sets import SIDE, write_set


def settings(steps: int, **optim: int) -> CarcinoNetSettings:
    return CarcinoNetSettings(
        width=8,
        blocks=(1, 1, 1),
        optim=Optim(steps=steps, batch=8, lr=6e-3, warmup=5, decay="cosine", **optim),
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> TileSet:
    return write_set(tmp_path_factory.mktemp("real"), [0, 3, 4, 5, 0, 3, 4, 5])


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> TileSet:
    return write_set(tmp_path_factory.mktemp("synthetic"), [5, 5], name="syn")


def weights_of(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in net.state_dict().values()])


def grade(folder: Path, steps: int, **changes: object) -> CarcinoNet:
    arguments = {"synthetic": None, "balance_weight": 0.0, "seed": 0, **changes}
    return train_pixel_grader(net=settings(steps), folder=folder, **arguments)


@pytest.mark.parametrize("sides", [(32, 64), (64, 64), (96, 32)])
def test_logits_have_the_shape_of_the_tiles(sides: tuple[int, int]) -> None:
    net = CarcinoNet(CarcinoNetSettings(width=8))
    assert net(torch.rand(2, 3, *sides)).shape == (2, 4, *sides)


def test_a_tile_is_read_alike_in_any_company() -> None:
    torch.manual_seed(0)
    net = CarcinoNet(CarcinoNetSettings(width=8)).eval()
    images = np.random.default_rng(0).integers(0, 256, (CHUNK + 3, 32, 32, 3), np.uint8)
    together = read_tiles(net, images)
    alone = np.concatenate([read_tiles(net, images[i : i + 1]) for i in (0, CHUNK, CHUNK + 2)])
    np.testing.assert_array_equal(together[[0, CHUNK, CHUNK + 2]], alone)


def test_it_learns_to_read_stripes(tmp_path: Path, real: TileSet) -> None:
    net = grade(tmp_path / "net", 120, real=real)
    unseen = write_set(tmp_path / "unseen", [0, 3, 4, 5], name="new")
    predicted = predict_pixels(net, unseen)
    assert predicted.shape == (16, 4, SIDE, SIDE)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    rows = confusion_rows(net, {"exact": unseen})
    confusion = rows[COUNTS].sum().to_numpy().reshape(4, 4)
    recalls = confusion.diagonal() / confusion.sum(axis=1)
    assert recalls.min() > 0.7, recalls
    np.testing.assert_array_equal(predict_pixels(net, unseen, [5, 2]), predicted[[5, 2]])


def test_balance_weight_zero_is_real_only_bit_for_bit(
    tmp_path: Path, real: TileSet, synthetic: TileSet
) -> None:
    alone = grade(tmp_path / "alone", 3, real=real)
    beside = grade(tmp_path / "beside", 3, real=real, synthetic=synthetic)
    mixed = grade(tmp_path / "mix", 3, real=real, synthetic=synthetic, balance_weight=0.3)
    assert torch.equal(weights_of(alone), weights_of(beside))
    assert not torch.equal(weights_of(alone), weights_of(mixed))


def test_stopped_and_started_again_it_ends_in_the_same_weights(
    tmp_path: Path, real: TileSet, synthetic: TileSet
) -> None:
    mixed = {"real": TilePool(real), "synthetic": TilePool(synthetic), "balance_weight": 0.5}
    settled = {"steps": 6, "checkpoint_every": 3}
    straight = train_pixel_grader(
        net=settings(**settled), folder=tmp_path / "straight", seed=0, **mixed
    )

    class Stop(Exception):
        pass

    class Stopping(TilePool):
        def draw_batch(self, size: int, *, step: int, **rest: object) -> object:
            if step == 4:
                raise Stop
            return super().draw_batch(size, step=step, **rest)

    with pytest.raises(Stop):
        train_pixel_grader(
            net=settings(**settled),
            folder=tmp_path / "stopped",
            seed=0,
            **{**mixed, "real": Stopping(real)},
        )
    again = train_pixel_grader(
        net=settings(**settled), folder=tmp_path / "stopped", seed=0, **mixed
    )
    assert torch.equal(weights_of(straight), weights_of(again))


def test_batches_show_a_rare_label_often(tmp_path: Path) -> None:
    pool = TilePool(write_set(tmp_path, [0] * 11 + [5], tiles_each=2))
    natural = pool.label_counts[:, 3].sum() / pool.label_counts.sum()
    batches = [pool.draw_batch(16, step=i, seed=0, purpose="test")["masks"] for i in range(20)]
    shown = float((torch.stack(batches) == 3).float().mean())
    assert natural < 0.05
    assert shown > 2 * natural
    assert pool.label_fractions[3] == pytest.approx(shown, rel=0.15)
    again = pool.draw_batch(16, step=7, seed=0, purpose="test")["masks"]
    assert torch.equal(batches[7], again)
    images = pool.draw_batch(4, step=0, seed=0, purpose="test")["images"]
    assert (images.shape, images.dtype) == ((4, 3, SIDE, SIDE), torch.uint8)


def test_a_set_too_large_for_memory_gives_the_same_batches(
    real: TileSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = TilePool(real).draw_batch(8, step=0, seed=0, purpose="test")
    monkeypatch.setattr("disc.grade.pool.MAX_BYTES", 0)
    large = TilePool(real).draw_batch(8, step=0, seed=0, purpose="test")
    assert all(torch.equal(small[key], large[key]) for key in small)


def test_confusion_counts_leave_unknown_pixels_out() -> None:
    truth = np.array([[0, 1, 255], [3, 3, 3]], np.uint8)
    predicted = np.array([[0, 2, 2], [3, 3, 0]])
    counts = dict(zip(COUNTS, count_confusion(truth, predicted), strict=True))
    assert {key: n for key, n in counts.items() if n} == {
        "n_NC_NC": 1,
        "n_GG3_GG4": 1,
        "n_GG5_GG5": 2,
        "n_GG5_NC": 1,
    }


def test_confusion_rows_for_two_kinds_of_truth(real: TileSet) -> None:
    torch.manual_seed(0)
    net = CarcinoNet(settings(0))
    rows = confusion_rows(net, {"annotation": real, "exact": real})
    one, other = (part.reset_index(drop=True) for _, part in rows.groupby("truth_kind"))
    pd.testing.assert_frame_equal(one.drop(columns="truth_kind"), other.drop(columns="truth_kind"))
    assert (one[COUNTS].sum(axis=1) == SIDE**2).all()
    assert one["patient"][5] == "ps1"
    parts = [confusion_rows(net, {"exact": real}, chosen) for chosen in (range(9), range(9, 32))]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), other)
    with pytest.raises(ValueError, match="other tiles"):
        confusion_rows(net, {"annotation": real, "exact": real.only(range(31, -1, -1))})


def test_augment_changes_stain_alone_and_each_process_its_part() -> None:
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def change(part: torch.Tensor, share: Share, **settings: float) -> torch.Tensor:
        return Augment(**settings).change(part, torch.Generator().manual_seed(1), share)

    assert torch.equal(change(images, Share(), stain=0.0, blur=0.0), images)
    whole = change(images, Share(), stain=0.2, blur=0.5)
    second = change(images[2:], Share(1, 2), stain=0.2, blur=0.5)
    torch.testing.assert_close(whole[2:], second)
    ratio = change(images, Share(), stain=0.2).clamp(1e-3, 0.999).log() / images.log()
    inner = (images > 0.05) & (images < 0.95)
    for ratios, kept in zip(ratio.flatten(0, 1), inner.flatten(0, 1), strict=True):
        assert float(ratios[kept].std()) < 0.02


def test_the_tiles_of_a_batch_are_named(real: TileSet) -> None:
    pool, draw = TilePool(real), {"step": 3, "seed": 0, "purpose": "x"}
    by_name = {tile.name: index for index, tile in enumerate(real.tiles)}
    names = pool.batch_names(8, **draw)
    for name, image in zip(names, pool.draw_batch(8, **draw)["images"], strict=True):
        # turned and mirrored, a tile has the pixels that it had
        shown, whole = image.flatten().sort().values, real.image(by_name[name])
        np.testing.assert_array_equal(shown, np.sort(whole, axis=None))


def test_a_pair_of_tiles_is_named_where_the_loss_is_not_finite(
    real: TileSet, synthetic: TileSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A synthetic tile without any known pixel, where the loss forgets to expect one."""
    mask = torch.full((SIDE, SIDE), 255, dtype=torch.uint8)
    drawn = TilePool.draw_batch

    def blind(pool, size, *, step, seed, purpose, rows=None):
        batch = dict(drawn(pool, size, step=step, seed=seed, purpose=purpose, rows=rows))
        if step == 2 and "synthetic" in purpose:
            batch["masks"] = batch["masks"].clone()
            batch["masks"][5] = mask
        return batch

    def loss(logits, masks, weights, sum_all=None):
        each = [logits[i].mean() / (masks[i] != 255).any() for i in range(len(masks))]
        return torch.stack(each).mean()

    monkeypatch.setattr(TilePool, "draw_batch", blind)
    monkeypatch.setattr("disc.grade.pixels.pixel_loss", loss)
    pools = {"real": TilePool(real), "synthetic": TilePool(synthetic)}
    pair = [
        pool.batch_names(8, step=2, seed=0, purpose=f"{name} pixels")[5]
        for name, pool in pools.items()
    ]
    with pytest.raises(FloatingPointError, match=f"at step 2, from {' or '.join(pair)};"):
        grade(tmp_path, 4, real=real, synthetic=synthetic, balance_weight=0.3)


def test_of_three_labels_gg5_is_gg4(tmp_path: Path, real: TileSet) -> None:
    net = train_pixel_grader(
        net=replace(settings(2), classes=3),
        real=real,
        synthetic=None,
        balance_weight=0,
        folder=tmp_path,
        seed=0,
    )
    assert predict_pixels(net, real, [0]).shape == (1, 3, SIDE, SIDE)
    rows = confusion_rows(net, {"annotation": real})
    assert rows[[name for name in COUNTS if "GG5" in name]].to_numpy().sum() == 0
    assert rows[COUNTS].to_numpy().sum() == len(real) * SIDE**2


def test_training_ends_where_validation_gets_no_better(tmp_path: Path, real: TileSet) -> None:
    """With a rate of 0 the first validation stays the best one; stopped before, it ends alike."""
    still = settings(50, checkpoint_every=3)
    still = replace(still, optim=replace(still.optim, lr=0.0), patience=2, validate_every=2)
    how = {"synthetic": None, "balance_weight": 0, "seed": 0, "validation": real}
    train_pixel_grader(net=still, real=real, folder=tmp_path, **how)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation" in line] == [2, 4, 6]
    again = train_pixel_grader(net=still, real=real, folder=tmp_path, **how)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == len(lines)
    assert weights_of(again).isfinite().all()


def test_patience_needs_validation_tiles(tmp_path: Path, real: TileSet) -> None:
    with pytest.raises(BadInput, match="asks for validation tiles"):
        train_pixel_grader(
            net=replace(settings(2), patience=1),
            real=real,
            synthetic=None,
            balance_weight=0,
            folder=tmp_path,
            seed=0,
        )


def test_the_labels_shown_are_those_that_are_said(real: TileSet) -> None:
    """A tile that is drawn for one label shows the others in it, too."""
    pool = TilePool(real)
    masks = torch.cat(
        [pool.draw_batch(64, step=i, seed=0, purpose="p")["masks"] for i in range(12)]
    )
    counted = torch.bincount(masks.flatten().long(), minlength=4)[:4].double()
    np.testing.assert_allclose(counted / counted.sum(), pool.label_fractions, atol=0.05)
    assert np.abs(pool.label_fractions - pool.chances).max() > 0.1
