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


def name_as_hashed(name: str) -> str:
    """The name under which a setting enters the hash of a stage: its first, so that runs stay done.

    Args:
        name: the last part of a setting's name, as in `head_channels`.
    """
    olds = (_last(old) for old, new in RENAMED.items() if _last(new) == name)
    return next(olds, name)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
