"""Which options the help shows: those that people change, and those of one kind of data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from disc.command_line.options import Option, without_kinds
from disc.command_line.parse import parse_some
from disc.data.readers.read import list_fields
from disc.data.readers.source import KINDS, KindOrAuto

CHANGED = frozenset(
    {
        *("config", "dry_run", "name", "out", "seed", "until", "redo"),
        *("data.root", "data.external_root", "data.fold", "data.fit", "data.tile_px"),
        *("data.um_per_px", "data.workers", "autoencoder.source"),
        *("denoiser.condition", "denoiser.channels", "denoiser.optim.steps"),
        *("denoiser.optim.batch", "denoiser.optim.lr", "sample.solver.steps"),
        *("distil.num_bundles", "distil.optim.steps"),
        *("synthesis.slides_per_grade", "synthesis.variants"),
        *("grade.balance_weights", "grade.seeds"),
    }
)
"""Settings of a run that people change."""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    kind: KindOrAuto = "auto"


def find_kind(words: Sequence[str], prog: str) -> KindOrAuto:
    """The kind of data set that some words of a command name.

    Raises:
        BadInput: if there is no such kind.
    """
    found: _Kind = parse_some(_Kind, words, prog=prog)
    return found.kind


def keep_kind(options: list[Option], kind: KindOrAuto) -> list[Option]:
    """The options that a set of a kind has; `auto`: those that all kinds have."""
    others = {name for each in KINDS for name in list_fields(each)}
    foreign = others - list_fields(kind)
    kept = [option for option in options if option.path not in foreign]
    return kept if kind == "auto" else [without_kinds(option, KINDS) for option in kept]
