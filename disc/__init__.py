"""disc: prostate tiles with the Gleason grades you ask for, and graders trained on them."""

from importlib import import_module
from typing import Any

_PUBLIC = ("load", "masks_from_sicapv2")
"""What `disc.api` offers: disc.load(...) and what it gives."""


def __getattr__(name: str) -> Any:
    """What takes time to load is loaded when it is asked for.

    Raises:
        AttributeError: if there is no such name.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("disc-gleason")
    if name in _PUBLIC:
        return getattr(import_module("disc.api"), name)
    raise AttributeError(f"module 'disc' has no attribute {name!r}")
