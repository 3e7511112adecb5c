"""Mixing the losses of real and synthetic samples: Eq. 4, for pixels and for slides."""

from __future__ import annotations

from torch import Tensor


def check_balance_weight(balance_weight: float, *, has_synthetic: bool) -> None:
    """See that a balance weight is in [0, 1], and above 0 only where there is synthetic data.

    Raises:
        ValueError: if not.
    """
    if not 0 <= balance_weight <= 1:
        raise ValueError(f"balance weight {balance_weight} is not in [0, 1]")
    if balance_weight > 0 and not has_synthetic:
        raise ValueError(f"balance weight {balance_weight} asks for synthetic data; there is none")


def mix_losses(real: Tensor, synthetic: Tensor, balance_weight: float) -> Tensor:
    """(1 - balance weight) real + balance weight synthetic.

    Paper: Eq. (4), Sec. 2.4.
    """
    return (1 - balance_weight) * real + balance_weight * synthetic
