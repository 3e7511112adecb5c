import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

from disc.grade.focal import balance_labels, dice_loss, focal_loss, pixel_loss
from disc.grade.mixing import check_balance_weight, mix_losses


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def masks() -> torch.Tensor:
    masks = torch.randint(0, 3, (3, 8, 8), generator=torch.Generator().manual_seed(1))
    masks[0, :3] = 255
    return masks


def test_gamma_zero_is_cross_entropy(logits: torch.Tensor, masks: torch.Tensor) -> None:
    expected = F.cross_entropy(logits, masks, ignore_index=255)
    torch.testing.assert_close(focal_loss(logits, masks, None, 0.0), expected)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    expected = F.cross_entropy(logits, masks, weights, ignore_index=255)
    torch.testing.assert_close(focal_loss(logits, masks, weights, 0.0), expected)


def test_focal_loss_turns_to_hard_pixels() -> None:
    truth = torch.tensor([[[0, 0]]])
    logits = torch.zeros(1, 4, 1, 2, requires_grad=True)
    with torch.no_grad():
        logits[0, 0, 0, 0] = 4.0
    fractions = []
    for gamma in (0.0, 2.0):
        (gradient,) = torch.autograd.grad(focal_loss(logits, truth, None, gamma), logits)
        fractions.append(float(gradient[0, 0, 0, 0] / gradient[0, 0].sum()))
    assert fractions[1] < 0.1 * fractions[0]


def test_dice_of_a_sure_reading_is_one_minus_f1(logits: torch.Tensor, masks: torch.Tensor) -> None:
    read = logits.argmax(1)
    sure = 50.0 * F.one_hot(read, 4).movedim(-1, 1)
    is_known = masks != 255
    f1 = f1_score(
        masks[is_known], read[is_known], labels=[0, 1, 2], average="macro", zero_division=0
    )
    assert float(dice_loss(sure, masks)) == pytest.approx(1 - f1, abs=1e-5)


def test_unknown_pixels_do_not_count(logits: torch.Tensor, masks: torch.Tensor) -> None:
    other = logits.clone()
    other[0, :, :3] += 5 * torch.randn(4, 3, 8)
    masks = masks.to(torch.uint8)
    torch.testing.assert_close(pixel_loss(other, masks), pixel_loss(logits, masks))
    nothing = torch.full_like(masks, 255)
    assert float(pixel_loss(logits, nothing)) == 0.0


def test_label_weights_are_even_bounded_and_average_one() -> None:
    torch.testing.assert_close(balance_labels([0.25] * 4), torch.ones(4))
    weights = balance_labels([0.7, 0.2, 0.1, 0.0])
    assert float(weights[3]) == 4.0
    assert (weights.diff() > 0).all()
    fractions = torch.tensor([0.4, 0.3, 0.2, 0.1])
    torch.testing.assert_close(
        (fractions * balance_labels(fractions.tolist())).sum(), torch.tensor(1.0)
    )


def test_mixing_is_linear_between_its_ends() -> None:
    real, synthetic = torch.tensor(2.0), torch.tensor(6.0)
    assert [float(mix_losses(real, synthetic, w)) for w in (0, 0.25, 1)] == [2, 3, 6]


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_balance_weights_outside_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="not in"):
        check_balance_weight(weight, has_synthetic=True)


def test_a_balance_weight_needs_synthetic_data() -> None:
    check_balance_weight(0, has_synthetic=False)
    with pytest.raises(ValueError, match="there is none"):
        check_balance_weight(0.3, has_synthetic=False)
