"""Checks of settings."""

from __future__ import annotations


def require(condition: bool, message: str) -> None:
    """Refuse a setting that is out of range or contradicts another."""
    if not condition:
        raise ValueError(message)
