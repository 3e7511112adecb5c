"""Shards of a bank: bundles in a memory-mapped file that says how they were made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from disc.files import BadInput, reason, write_bytes
from disc.labels import NUM_LABELS


@dataclass(frozen=True, kw_only=True)
class BankFacts:
    """What the bundles of a bank are a function of, beside their index.

    Attributes:
        weights: hash of the denoiser's.
        solver: as tables name it.
        plan: how labels are joined, under any mask.
        precision: of the network's products.
        labels: that every bundle holds.
        latent_px: side of the latents.
        seed: of all bundles.
    """

    weights: str
    solver: str
    plan: str = "end"
    precision: str
    labels: tuple[int, ...]
    latent_px: int
    seed: int

    @classmethod
    def read(cls, values: dict[str, Any]) -> BankFacts:
        """Facts as JSON gives them back; others beside them are left out.

        Raises:
            KeyError: if one is missing.
            TypeError: if one is of another kind.
        """
        found = {field.name: values[field.name] for field in fields(cls)}
        made = cls(**{**found, "labels": tuple(values["labels"])})
        if not set(made.labels) <= set(range(NUM_LABELS)) or not isinstance(made.latent_px, int):
            raise TypeError(f"labels {made.labels} of side {made.latent_px}")
        return made

    def find_difference(self, other: BankFacts) -> str:
        """The first fact in which another bank differs, for people; "": none."""
        own, its = asdict(self), asdict(other)
        names = [name for name in own if own[name] != its[name]]
        return f"{names[0]} {own[names[0]]}, not {its[names[0]]}" if names else ""


@dataclass(frozen=True)
class Shard:
    """One file of bundles.

    Attributes:
        path: the file.
        latents: float [n, K, 3, h, w], memory-mapped: read where it is touched.
        seeds: one a bundle.
        facts: how they were made; None: a shard from before shards said so.
        content: hash of latents and seeds as they were written; "": not said.
    """

    path: Path
    latents: torch.Tensor
    seeds: list[int]
    facts: BankFacts | None
    content: str

    def check(self) -> None:
        """Read everything once.

        Raises:
            BadInput: if it is not what was written.
        """
        if self.content != hash_bundles(self.latents, self.seeds):
            raise damaged(self.path, "another hash than when it was written")


def write_shard(path: Path, latents: torch.Tensor, seeds: list[int], facts: BankFacts) -> None:
    """Write bundles [n, K, 3, h, w], whole or not at all."""
    noted = {**asdict(facts), "content": hash_bundles(latents, seeds)}
    tensors = {"latents": latents.contiguous(), "seeds": torch.tensor(seeds)}
    # one metadata entry: safetensors writes several in an order that differs from run to run
    write_bytes(path, safetensors.torch.save(tensors, {"facts": json.dumps(noted)}))


def open_shard(path: Path) -> Shard:
    """Map a shard into memory; its content is not read.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is no shard of a bank.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such shard; {_REMEDY}")
    try:
        file: Any = safe_open(path, "pt")
        latents, seeds = file.get_tensor("latents"), file.get_tensor("seeds").tolist()
        noted = json.loads((file.metadata() or {}).get("facts", "null"))
        facts = None if noted is None else BankFacts.read(noted)
        content = "" if noted is None else str(noted["content"])
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise damaged(path, reason(error)) from error
    if latents.dtype != torch.float32 or not all(isinstance(seed, int) for seed in seeds):
        raise damaged(path, f"latents of {latents.dtype}")
    if latents.ndim != 5 or len(latents) != len(seeds) or not seeds:
        raise damaged(path, f"latents {list(latents.shape)} beside {len(seeds)} seeds")
    return Shard(path, latents, seeds, facts, content)


def hash_bundles(latents: torch.Tensor, seeds: list[int]) -> str:
    """A hash of bundles and their seeds."""
    found = hashlib.sha256(json.dumps([list(latents.shape), seeds]).encode())
    found.update(latents.contiguous().numpy().data)
    return found.hexdigest()[:32]


def damaged(path: Path, why: str) -> BadInput:
    """What is said of a shard that cannot be used."""
    return BadInput(f"{path}: damaged ({why}); {_REMEDY}")


_REMEDY = "delete it, and the same command that fills the bank makes it again"
