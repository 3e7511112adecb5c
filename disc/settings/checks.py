"""Checks of settings."""

from __future__ import annotations

import math
from collections.abc import Iterable


def require(condition: bool, message: str) -> None:
    """Refuse a setting that is out of range or contradicts another."""
    if not condition:
        raise ValueError(message)


def require_least(room: str, least: int, **counts: int | Iterable[int]) -> None:
    """Refuse counts of a room that are below the least that makes sense."""
    for name, found in counts.items():
        values = [found] if isinstance(found, int) else [*found]
        said = f"{room}.{name} {found}: must be {least} or more"
        require(bool(values) and min(values) >= least, said)


def require_finite(room: str, **values: float) -> None:
    """Refuse numbers of a room that are below 0, infinite or none."""
    for name, value in values.items():
        require(0 <= value < math.inf, f"{room}.{name} must be >= 0, and finite")


def require_distinct(name: str, values: Iterable[str | float]) -> None:
    """Refuse a list in which one comes twice; numbers are equal if their six digits are."""
    named = [value if isinstance(value, str) else f"{value:g}" for value in values]
    require(len(set(named)) == len(named), f"{name}: one comes twice")
