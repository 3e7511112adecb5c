"""disc: prostate tiles with the Gleason grades you ask for, and graders trained on them."""

from typing import Any


def __getattr__(name: str) -> Any:
    """What takes time to load is loaded when it is asked for.

    Raises:
        AttributeError: if there is no such name.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("disc-gleason")
    raise AttributeError(f"module 'disc' has no attribute {name!r}")
