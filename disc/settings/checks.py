"""How settings are checked."""

from __future__ import annotations


def require(condition: bool, message: str) -> None:
    """Refuse a setting that cannot be."""
    if not condition:
        raise ValueError(message)
