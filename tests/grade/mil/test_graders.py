"""What holds for every slide grader."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from disc.evaluate.auroc import auroc
from disc.grade.bags import lay_out
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.build import build_grader
from disc.grade.mil.mixed import MixedSupervision, encode_places
from disc.grade.mil.scoring import attend_bags, attention_table, read_logits
from disc.grade.mil.supervision import MixedLoss, instance_loss, keep_some
from disc.grade.slides import _loss_of, score_bags, score_rows, train_slide_grader
from disc.processes import Share
from disc.train.checkpoint import State
from tests.grade.mil.toys import GRADERS, WIDTH, settings, toy_bags

every_grader = pytest.mark.parametrize("name", GRADERS)


def untrained(name: str, head: str = "sigmoids"):
    torch.manual_seed(0)
    net = build_grader(name, settings(0, head), WIDTH).eval()
    net.standardise_by(torch.randn(40, WIDTH))
    return net


def inputs_of(net, grids):
    names = ["features", "is_tile"]
    return [grids[name] for name in (names + ["places"] * isinstance(net, MixedSupervision))]


@every_grader
def test_a_bag_does_not_depend_on_padding_or_batch_mates(name: str) -> None:
    net, bags = untrained(name), toy_bags(20)
    together = read_logits(net, bags)
    alone = np.concatenate([read_logits(net, [bag]) for bag in bags])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-3
    for one, other in zip(
        attend_bags(net, bags), map(attend_bags, [net] * 20, [[b] for b in bags]), strict=True
    ):
        np.testing.assert_allclose(one, other[0], atol=1e-5)


@every_grader
def test_what_lies_on_empty_places_is_never_seen(name: str) -> None:
    net, grids = untrained(name), lay_out(toy_bags(6))
    empty = ~grids["is_tile"][..., None]
    filled = {
        **grids,
        "features": grids["features"] + 100 * empty,
        "places": grids["places"] + 7 * empty,
    }
    torch.testing.assert_close(net(*inputs_of(net, filled)), net(*inputs_of(net, grids)))


@every_grader
def test_attention_is_a_share_for_every_tile(name: str) -> None:
    net, bags = untrained(name), toy_bags(5)
    table = attention_table(net, bags)
    assert list(table) == ["slide", "tile", "x", "y", "attention"]
    sums = table.groupby("slide")["attention"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert (table["attention"] >= 0).all()
    for bag in bags:
        rows = table[table["slide"] == bag.slide_id]
        np.testing.assert_array_equal(rows[["x", "y"]].to_numpy(), bag.coords)
    nothing = attention_table(net, [])  # as of patches whose slides have no score
    assert nothing.empty and (nothing.dtypes == table.dtypes).all()


@every_grader
def test_every_weight_learns(name: str) -> None:
    net, grids = untrained(name, "ordinal").train(), lay_out(toy_bags(4))
    loss = _loss_of(name, toy_bags(4))
    batch = {f"real_{key}": value for key, value in grids.items()}
    state = State(model=net, network=net, optimizer=None, ema=None, share=Share())
    loss(state, batch, "real", torch.Generator().manual_seed(0)).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], BagGrader]:
    """A grader that was trained on the toy."""

    @cache
    def train(name: str) -> BagGrader:
        return train_slide_grader(
            net=settings(100),
            real=toy_bags(32),
            synthetic=[],
            balance_weight=0.0,
            folder=tmp_path_factory.mktemp(name),
            seed=0,
            grader=name,
        )

    return train


@pytest.mark.parametrize("name", ["abmil", "mean", "mixed-supervision"])
def test_a_separable_toy_is_learnt(learnt: Callable[[str], BagGrader], name: str) -> None:
    net = learnt(name)
    bags = toy_bags(40, purpose=1)
    truth, scores = np.array([bag.truth for bag in bags]), score_bags(net, bags)
    areas = [auroc(truth[:, k], scores[:, k])[0] for k in range(4)]
    assert min(areas) > 0.9, areas


def test_abmil_attends_to_the_tiles_that_tell(learnt: Callable[[str], BagGrader]) -> None:
    net = learnt("abmil")
    bags = [bag for bag in toy_bags(40, purpose=1) if bag.primary == 5]
    shares = [a[bag.labels == 3].sum() for a, bag in zip(attend_bags(net, bags), bags, strict=True)]
    parts = [(bag.labels == 3).mean() for bag in bags]
    assert np.mean(shares) > np.mean(parts) + 0.1


def test_the_mean_is_the_mean() -> None:
    net, (bag,) = untrained("mean"), toy_bags(1)
    tiles = net.enter(net.standardise(torch.from_numpy(bag.features)))
    np.testing.assert_allclose(
        read_logits(net, [bag])[0], net.head(tiles.mean(0)).detach(), atol=1e-5
    )


def test_an_ordinal_head_gives_groups_beside_the_four_labels(tmp_path: Path) -> None:
    def score(number: int):
        """3+4 and 4+3 by the sign of one feature, which the four labels cannot tell apart."""
        bag = toy_bags(1, purpose=number)[0]
        primary = (3, 4)[number % 2]
        features = bag.features.copy()
        features[:, 5] = 3 if primary == 4 else -3
        return replace(
            bag, slide_id=f"s{number}", features=features, truth=(0, 1, 1, 0), primary=primary
        )

    net = train_slide_grader(
        net=settings(60, "ordinal"),
        real=[score(i) for i in range(32)],
        synthetic=[],
        balance_weight=0.0,
        folder=tmp_path,
        seed=0,
    )
    rows = score_rows(net, [score(i) for i in range(100, 120)])
    isup = rows[rows["label"] == "ISUP"]
    assert set(isup["truth"]) == {2, 3}
    assert (isup["truth"] == isup["score"]).mean() > 0.9
    assert list(rows["label"][:5]) == ["NC", "GG3", "GG4", "GG5", "ISUP"]
    assert "ISUP" not in set(score_rows(untrained("transmil"), toy_bags(2))["label"])


def test_hidden_instances_are_half_of_the_bag_and_at_least_two() -> None:
    is_tile = torch.arange(20) < torch.tensor([[1], [3], [10], [20]])
    keys = torch.rand(4, 20, generator=torch.Generator().manual_seed(0))
    kept = keep_some(is_tile, keys)
    assert kept.sum(1).tolist() == [1, 2, 5, 10]
    assert not (kept & ~is_tile).any()
    assert not torch.equal(kept, keep_some(is_tile, torch.rand(4, 20)))


def test_the_instance_loss_is_of_known_labels_alone() -> None:
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 255, 3], [255, 255, 255]])
    weights = torch.tensor([2.0, 1.0, 1.0, 0.5])
    log_p = logits.log_softmax(-1)
    expected = -(2 * log_p[0, 0, 0] + 0.5 * log_p[0, 2, 3]) / 2 / 2
    torch.testing.assert_close(instance_loss(logits, labels, weights), expected)


def test_rare_labels_weigh_more() -> None:
    loss = MixedLoss([bag for bag in toy_bags(40) if bag.primary != 5 or bag.slide_id == "s3"])
    assert loss.slide_weights.argmax() == 3
    assert loss.instance_weights.argmin() == 0
    torch.testing.assert_close(loss.slide_weights.mean(), torch.tensor(1.0))


def test_mixed_supervision_learns_labels_of_instances(
    learnt: Callable[[str], BagGrader],
) -> None:
    net = learnt("mixed-supervision")
    grids = lay_out(toy_bags(20, purpose=1))
    with torch.no_grad():
        read = net(*inputs_of(net, grids), all_tokens=True)[:, 1:, :4].argmax(-1)
    is_tile = grids["is_tile"]
    assert (read == grids["labels"])[is_tile].float().mean() > 0.8


def test_places_tell_instances_apart() -> None:
    places = torch.tensor([[[0.0, 0.0], [0.1, 0.1], [0.5, 0.0], [0.0, 0.5]]])
    codes = encode_places(places, 10)[0]
    assert torch.equal(codes[0], codes[1])  # one cell
    assert not torch.equal(codes[0], codes[2])
    assert not torch.equal(codes[2], codes[3])
    assert not codes[:, 8:].any()
