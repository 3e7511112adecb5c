from pathlib import Path

import numpy as np
import pytest
import torch

from disc.data.tiles.records import Slide
from disc.evaluate.auroc import auroc
from disc.files import BadInput
from disc.grade.bags import Bag, lay_out, read_bags
from disc.grade.features import write_features
from disc.grade.slides import score_bags, score_rows, train_slide_grader
from disc.grade.transmil import Attention, TransMIL
from disc.settings.grading import TransMIL as TransMILSettings
from disc.settings.training import Optim

WIDTH = 6


def toy_bag(number: int, purpose: int = 0) -> Bag:
    """A bag whose label is which of four directions some of its tiles point to."""
    rng = np.random.default_rng([number, purpose])
    features = rng.normal(0, 1, (int(rng.integers(3, 20)), WIDTH)).astype(np.float32)
    label = number % 4
    features[: 1 + len(features) // 3, label] += 4
    truth = tuple(int(k == label) for k in range(4))
    return Bag(
        slide_id=f"s{number}",
        patient_id=f"p{number}",
        features=rng.permutation(features),
        truth=truth,
        primary=(0, 3, 4, 5)[label],
    )


def toy_bags(count: int, purpose: int = 0) -> list[Bag]:
    return [toy_bag(number, purpose) for number in range(count)]


def settings(steps: int, dropout: float = 0.1) -> TransMILSettings:
    optim = Optim(steps=steps, batch=8, lr=2e-3, warmup=5, decay="cosine")
    return TransMILSettings(width=16, heads=2, dropout=dropout, optim=optim)


def grade(folder: Path, steps: int, **changes: object) -> TransMIL:
    arguments = {"real": toy_bags(32), "synthetic": [], "balance_weight": 0.0, "seed": 0} | changes
    return train_slide_grader(net=settings(steps), folder=folder, **arguments)


def untrained() -> TransMIL:
    torch.manual_seed(0)
    return TransMIL(settings(0), WIDTH).eval()


def weights_of(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in net.state_dict().values()])


def test_masked_attention_equals_attention_over_the_tokens_alone() -> None:
    torch.manual_seed(0)
    attention = Attention(settings(0)).eval()
    tokens = torch.randn(1, 7, 16)
    is_token = torch.tensor([[True, True, False, True, False, False, True]])
    kept = tokens[:, is_token[0]]
    joint = torch.nn.MultiheadAttention(16, 2, bias=False, batch_first=True)
    joint.in_proj_weight.data = attention.split.weight.data
    joint.out_proj.weight.data = attention.join[0].weight.data
    normed = attention.norm(kept)
    expected = kept + joint(normed, normed, normed)[0] + attention.join[0].bias
    torch.testing.assert_close(attention(tokens, is_token)[:, is_token[0]], expected)
    torch.testing.assert_close(attention(tokens, is_token, lookers=1)[:, 0], expected[:, 0])


def test_scores_do_not_depend_on_padding_or_on_the_other_bags() -> None:
    net, bags = untrained(), toy_bags(20)
    together = score_bags(net, bags)
    alone = np.concatenate([score_bags(net, [bag]) for bag in bags])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-3


def test_what_lies_on_empty_places_is_never_seen() -> None:
    net = untrained()
    grids = lay_out(toy_bags(6))
    filled = grids["features"] + 100 * ~grids["is_tile"][..., None]
    torch.testing.assert_close(
        net(filled, grids["is_tile"]), net(grids["features"], grids["is_tile"])
    )


def test_a_bag_fills_the_rows_of_its_own_square() -> None:
    five, ten = (
        Bag(
            slide_id="s",
            patient_id="p",
            features=np.arange(1, n + 1, dtype=np.float32)[:, None],
            truth=(1, 0, 0, 0),
            primary=0,
        )
        for n in (5, 10)
    )
    grids = lay_out([five, ten])
    square = grids["features"][0, :, 0].reshape(4, 4).tolist()
    assert square == [[1, 2, 3, 0], [4, 5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert grids["is_tile"].sum(1).tolist() == [5, 10]


def test_a_separable_toy_is_learnt(tmp_path: Path) -> None:
    net = grade(tmp_path, 60)
    rows = score_rows(net, toy_bags(60, purpose=1))
    for label, part in rows.groupby("label"):
        assert auroc(part["truth"], part["score"])[0] > 0.9, label
    assert rows["score"].between(0, 1).all()
    assert len(rows) == 240


def test_balance_weight_zero_is_real_only_bit_for_bit(tmp_path: Path) -> None:
    synthetic = toy_bags(8, purpose=2)
    alone = grade(tmp_path / "alone", 4)
    beside = grade(tmp_path / "beside", 4, synthetic=synthetic)
    mixed = grade(tmp_path / "mixed", 4, synthetic=synthetic, balance_weight=0.3)
    assert torch.equal(weights_of(alone), weights_of(beside))
    assert not torch.equal(weights_of(alone), weights_of(mixed))


def test_balance_weight_one_learns_from_synthetic_bags_alone(tmp_path: Path) -> None:
    def moved(number: int) -> Bag:
        bag = toy_bag(number, purpose=2)
        transformed = (*bag.truth[1:], bag.truth[0])
        return Bag(
            slide_id=bag.slide_id,
            patient_id=bag.patient_id,
            features=bag.features,
            truth=transformed,
            primary=0,
        )

    net = grade(tmp_path, 120, synthetic=[moved(i) for i in range(32)], balance_weight=1.0)
    bags = toy_bags(40, purpose=1)
    truth = np.roll(np.array([bag.truth for bag in bags]), -1, axis=1)
    assert all(auroc(truth[:, k], score_bags(net, bags)[:, k])[0] > 0.9 for k in range(4))


def test_bags_are_read_from_feature_files(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    write_features(tmp_path / "a.h5", features, np.zeros((5, 2), np.int64), 64)
    slide = Slide(slide_id="a", patient_id="p", primary=4, secondary=5)
    (bag,) = read_bags(tmp_path, [slide])
    np.testing.assert_array_equal(bag.features, features)
    assert (bag.truth, bag.primary, bag.patient_id) == ((0, 0, 1, 1), 4, "p")
    with pytest.raises(FileNotFoundError, match=r"b\.h5"):
        read_bags(tmp_path, [Slide(slide_id="b", patient_id="p", primary=3, secondary=3)])
    with pytest.raises(BadInput, match="no Gleason score"):
        read_bags(tmp_path, [Slide(slide_id="a", patient_id="p")])
    (tmp_path / "a.h5").write_bytes(b"torn")
    with pytest.raises(BadInput, match=r"a\.h5: not a feature file"):
        read_bags(tmp_path, [slide])


@pytest.mark.parametrize("place", ["real", "synthetic"])
def test_a_feature_that_is_not_finite_is_refused_by_the_slides_name(tmp_path, place) -> None:
    bags = {"real": toy_bags(8), "synthetic": toy_bags(8, 1)}
    bags[place][5].features[1, 2] = np.nan
    with pytest.raises(BadInput, match="slide s5: its features"):
        grade(tmp_path, 3, balance_weight=0.3, **bags)
