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

    >>> from torch import tensor
    >>> mix_losses(tensor(1.0), tensor(3.0), 0.25).item()
    1.5

    Paper: Eq. (4), Sec. 2.4.
    """
    # Eq. (4): (1 - lambda) L_real + lambda L_synthetic, scalars
    return (1 - balance_weight) * real + balance_weight * synthetic
