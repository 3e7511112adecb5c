"""Settings that were called otherwise before: the command line and old files tell the new names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from disc.settings.autoencoder import DecoderTuning

_VALIDATION = ("every", "num_tiles", "num_bands", "num_rows", "num_masks", "keep", "tensorboard")
RENAMED: Mapping[str, str] = {
    "data.shifted_root": "data.external_root",
    "data.shifted_kind": "data.external_kind",
    "data.shifted_values": "data.external_values",
    "phantom.shifted_slides": "phantom.external_slides",
    "denoiser.head_px": "denoiser.head_channels",
    "denoiser.turns": "denoiser.dihedral",
    "denoiser.uniform_share": "denoiser.uniform_fraction",
    **{f"watch.{name}": f"validation.{name}" for name in _VALIDATION},
}
"""Settings of a run, old name to new, as in `config.json`; options have dashes for underscores."""
OTHERS: Mapping[str, str] = {
    "watch": "validation",
    "rim_px": "artefact_px",
    "tissue.least_um2": "tissue.min_um2",
    "tissue.least_hole_um2": "tissue.min_hole_um2",
    "tissue.most_holes": "tissue.max_holes",
}
"""The same of a group of settings, and of the options of other commands."""


def is_hashed(name: str, value: Any) -> bool:
    """Whether a setting enters the hash of a stage: not if it came later and changes nothing."""
    return name not in ADDED or value != ADDED[name]


ADDED: dict[str, Any] = {
    "eta": 0.0,
    "guidance_interval": (0, 999),
    "external_um_per_px": None,
    "betas": (0.9, 0.999),
    "crop_px": 0,
    "groups": 16,
    "latent_noise": 0.0,
    "latent_penalty": 0.0,
    "loss": "l1",
    "mid_attention": True,
    "head": "sigmoids",
    "architecture": "own",
    "encoder_weights": None,
    "classes": 4,
    "validate_every": 100,
    "patience": 0,
    "sizes": "range",
    "pixel_variants": None,
    "discriminator_weight": 0.0,
    "discriminator_start": 0.1,
    "even_labels": False,
}
"""Settings that came later, by the last part of their name, with the value that changes nothing."""


def find_new_name(name: str) -> str | None:
    """The present name of a setting that was renamed.

    Args:
        name: as in `config.json`, or as an option without its leading dashes.
    """
    name = name.replace("-", "_")
    return RENAMED.get(name) or OTHERS.get(name)


def name_as_hashed(name: str) -> str:
    """The name under which a setting enters the hash of a stage: its first, so that runs stay done.

    Args:
        name: the last part of a setting's name, as in `head_channels`.
    """
    olds = (_last(old) for old, new in RENAMED.items() if _last(new) == name)
    return next(olds, name)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def as_json(settings: Any) -> Any:
    """A settings dataclass as plain values, for hashing, without what changes speed only.

    Names are those that a setting had first, and what was added since counts where it changes
    something: what was trained before stays done.
    """

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            name_as_hashed(name): value
            for name, value in pairs
            if name != "speed" and is_hashed(name, value)
        }

    return asdict(settings, dict_factory=gather)


ADDED["decoder"] = as_json(DecoderTuning())
