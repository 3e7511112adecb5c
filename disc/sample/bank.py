"""The bank: bundles of latents, one a label, denoised once and fused under any mask later."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from disc.files import BadInput, sweep, write_json
from disc.labels import NUM_LABELS
from disc.model.denoiser import Denoiser
from disc.model.latent_shape import LATENT_CHANNELS
from disc.model.store import hash_weights
from disc.processes import own_share, wait_for_all
from disc.progress import Bar
from disc.records.typed import read_record
from disc.sample.separated import denoise_labels
from disc.sample.shards import BankFacts, Shard, damaged, open_shard, write_shard
from disc.sample.solver import draw_noise, name_solver
from disc.seeds import derive
from disc.settings.sampling import Sample

CHUNK = 60
"""Bundles of a shard; a stopped bank resumes at the next missing shard."""
INDEX = "bank.json"
"""Written last: facts of the bank, and its shards with the hash of their content."""
VERSION = 1
_ELSEWHERE = "give another folder, or delete this one"
Indices = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A shard, as the index lists it."""

    file: str
    bundles: int
    content: str


@dataclass(frozen=True, kw_only=True)
class _Index:
    version: int
    facts: BankFacts
    shards: tuple[_Entry, ...]


@dataclass(frozen=True)
class Bank:
    """Bundles and the seeds that their noise can be drawn from again.

    Attributes:
        shards: float [n, K, 3, h, w] each, memory-mapped if they were read from files; labels that
            were not requested are zero.
        seeds: one a bundle.
        labels: the labels that bundles hold.
        facts: how they were made; None: not said, as in banks from before there was an index.
    """

    shards: Sequence[torch.Tensor]
    seeds: list[int]
    labels: tuple[int, ...]
    facts: BankFacts | None = None

    def __len__(self) -> int:
        """Number of bundles."""
        return len(self.seeds)

    @property
    def num_labels(self) -> int:
        """K: labels that a bundle has room for."""
        return self.shards[0].shape[1]

    def take(self, bundles: Indices) -> torch.Tensor:
        """Some bundles, float [n, K, 3, h, w]; nothing else is read."""
        ends = list(accumulate(len(shard) for shard in self.shards))
        numbers = np.searchsorted(ends, bundles, side="right").tolist()
        places = zip(numbers, map(int, bundles), strict=True)
        return torch.stack([self.shards[n][i - ends[n]] for n, i in places])

    def first(self, num: int) -> Bank:
        """The bank of the first `num` bundles."""
        starts = accumulate((len(shard) for shard in self.shards), initial=0)
        parts = [shard[: max(0, num - at)] for shard, at in zip(self.shards, starts, strict=False)]
        kept = [part for part in parts if len(part)]
        return Bank(kept, self.seeds[:num], self.labels, self.facts)

    def draw_noise(self, bundles: Sequence[int]) -> torch.Tensor:
        """The noise z_T [n, 3, h, w] that bundles were denoised from; of the seed alone."""
        return draw_noise([self.seeds[i] for i in bundles], self.shards[0].shape[-1])

    def standard_deviation(self) -> float:
        """Standard deviation of all latents; the data's is 1."""

        def parts() -> Iterator[torch.Tensor]:
            # a shard at a time: choosing labels copies it
            return (shard[:, list(self.labels)].double() for shard in self.shards)

        num = sum(part.numel() for part in parts())
        mean = sum(float(part.sum()) for part in parts()) / num
        squares = sum(float((part - mean).square().sum()) for part in parts())
        return math.sqrt(squares / (num - 1))


def bundle_seed(seed: int, index: int) -> int:
    """The noise seed of a bundle."""
    return derive(seed, "bundle", index)


def fill_bank(
    denoiser: Denoiser,
    folder: Path,
    settings: Sample,
    *,
    num: int,
    labels: Sequence[int],
    latent_px: int,
    seed: int,
) -> None:
    """Denoise `num` bundles into shards of the folder; whole shards that stand are kept.

    A bank that stands can be made larger. Processes share the work.

    Raises:
        BadInput: if the folder holds bundles made in another way, or more of them.

    Paper: Sec. 2.3 (20,000 separated samples).
    """
    share = own_share()
    facts = BankFacts(
        weights=hash_weights(denoiser),
        solver=name_solver(settings.solver),
        precision=settings.precision,
        labels=tuple(labels),
        latent_px=latent_px,
        seed=seed,
    )
    found = {path: len(_open_own(path, facts).seeds) for path in list_shards(folder)}
    _refuse_fewer(folder, found, num)
    starts = {shard_path(folder, start): start for start in range(0, num, CHUNK)}
    wait_for_all()
    if share.is_first:
        sweep(folder)
        if sum(found.values()) < num:
            # a bank that grows is no bank until it is whole again
            (folder / INDEX).unlink(missing_ok=True)
    wait_for_all()
    bar = Bar("bank", total=num, unit="bundle", start=sum(found.values()), shown=share.is_first)
    for number, (path, start) in enumerate(starts.items()):
        size = min(CHUNK, num - start)
        is_whole = found.get(path) == size
        if share.has(number) and is_whole:
            open_shard(path).check()
        elif share.has(number):
            seeds = [bundle_seed(seed, i) for i in range(start, start + size)]
            write_shard(path, _denoise(denoiser, seeds, settings, facts), seeds, facts)
        bar.advance(0 if is_whole else size - found.get(path, 0))
    bar.close()
    wait_for_all()
    if share.is_first:
        shards = [open_shard(path) for path in starts]
        listed = tuple(_describe(shard) for shard in shards)
        write_json(folder / INDEX, asdict(_Index(version=VERSION, facts=facts, shards=listed)))
    wait_for_all()


def read_bank(folder: Path) -> Bank:
    """All bundles of a folder, memory-mapped, once all of their content was checked.

    A bank from before there was an index is taken as its shards are.

    Raises:
        FileNotFoundError: if there are none.
        BadInput: if the bank is unfinished, or anything in it is not what was written.
    """
    paths = list_shards(folder)
    if not paths:
        raise FileNotFoundError(f"{folder}: no bundles; disc bank or the stage 'bank' writes them")
    if (folder / INDEX).exists():
        return _read_indexed(folder)
    shards = [open_shard(path) for path in paths]
    if any(shard.facts is not None for shard in shards):
        raise BadInput(f"{folder}: unfinished (no {INDEX}); the command that fills it goes on")
    held = torch.stack([shard.latents.ne(0).flatten(2).any(2).any(0) for shard in shards]).any(0)
    labels = tuple(torch.nonzero(held).flatten().tolist())
    return _join(shards, labels, None)


def list_shards(folder: Path) -> list[Path]:
    """The shards of a bank, in order.

    Raises:
        BadInput: if a file is named like one, and is none that a bank writes.
    """
    paths = sorted(folder.glob("bundles_*.safetensors"))
    for path in paths:
        start = path.stem.removeprefix("bundles_")
        if not start.isdecimal() or path != shard_path(folder, int(start)):
            raise _stray(path)
    return paths


def shard_path(folder: Path, start: int) -> Path:
    """Path of the shard that begins with bundle `start`."""
    return folder / f"bundles_{start:06d}.safetensors"


def _denoise(
    denoiser: Denoiser, seeds: list[int], settings: Sample, facts: BankFacts
) -> torch.Tensor:
    wanted = torch.zeros(len(seeds), NUM_LABELS, dtype=torch.bool)
    wanted[:, list(facts.labels)] = True
    noise = draw_noise(seeds, facts.latent_px)
    return denoise_labels(denoiser, noise, wanted, settings, seeds=seeds)


def _open_own(path: Path, facts: BankFacts) -> Shard:
    """A shard that stands where another of these facts is wanted.

    Raises:
        BadInput: if it was made in another way, or is damaged.
    """
    shard = open_shard(path)
    if shard.facts is None:
        raise BadInput(
            f"{path}: does not say how it was made (of an older bank, which cannot be continued); "
            f"delete the folder {path.parent}, and the same command fills it anew"
        )
    if said := shard.facts.find_difference(facts):
        raise BadInput(f"{path}: made with {said}; {_ELSEWHERE}")
    return shard


def _stray(path: Path) -> BadInput:
    return BadInput(f"{path}: no shard that a bank writes; move it elsewhere")


def _refuse_fewer(folder: Path, found: dict[Path, int], num: int) -> None:
    starts = {int(path.stem.removeprefix("bundles_")): path for path in found}
    for start, path in starts.items():
        if start % CHUNK:
            raise _stray(path)
    last = max(starts, default=0)
    stands = last + found[starts[last]] if starts else 0
    if stands > num:
        raise BadInput(f"{folder}: holds {stands} bundles, not {num}; ask for {stands} or more")


def _describe(shard: Shard) -> _Entry:
    return _Entry(file=shard.path.name, bundles=len(shard.seeds), content=shard.content)


def _read_indexed(folder: Path) -> Bank:
    path = folder / INDEX
    index = read_record(path, _Index, "delete it, and the command that fills the bank goes on")
    if index.version != VERSION:
        raise BadInput(f"{path}: of version {index.version}; this program reads version {VERSION}")
    shards, facts = list[Shard](), index.facts
    for entry in index.shards:
        shard = open_shard(folder / Path(entry.file).name)
        _check(shard, entry, facts, first=sum(len(before.seeds) for before in shards))
        shards.append(shard)
    if not shards:
        raise BadInput(f"{path}: damaged (no shards); delete the folder {folder}")
    return _join(shards, facts.labels, facts)


def _check(shard: Shard, entry: _Entry, facts: BankFacts, *, first: int) -> None:
    """Refuse a shard that is not the one that the index lists, or not as it was written."""
    if shard.facts is None or shard.facts.find_difference(facts) or _describe(shard) != entry:
        raise damaged(shard.path, f"not the shard that {INDEX} lists")
    num, side = len(shard.seeds), facts.latent_px
    if tuple(shard.latents.shape) != (num, NUM_LABELS, LATENT_CHANNELS, side, side):
        raise damaged(shard.path, f"latents {list(shard.latents.shape)} of side {side}")
    if shard.seeds != [bundle_seed(facts.seed, i) for i in range(first, first + num)]:
        raise damaged(shard.path, f"seeds that are not those of seed {facts.seed}")
    shard.check()


def _join(shards: Sequence[Shard], labels: tuple[int, ...], facts: BankFacts | None) -> Bank:
    seeds = [seed for shard in shards for seed in shard.seeds]
    return Bank([shard.latents for shard in shards], seeds, labels, facts)
