"""Settings that were called otherwise before: the command line and old files tell the new names."""

from __future__ import annotations

from collections.abc import Mapping

RENAMED: Mapping[str, str] = {
    "denoiser.head_px": "denoiser.head_channels",
}
"""Old name to new, as in `config.json`; options have dashes where these have underscores."""


def find_new_name(name: str) -> str | None:
    """The present name of a setting that was renamed.

    Args:
        name: as in `config.json`, or as an option without its leading dashes.
    """
    return RENAMED.get(name.replace("-", "_"))
