"""Tiles side by side: variants and plans from one mask and one noise, read again by the referee."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.api import Model
from disc.asked import Masks, Tiles
from disc.evaluate.agreement import primary_measure, recalls
from disc.files import BadInput, require
from disc.labels import IGNORE, Label
from disc.model.store import hash_weights
from disc.sample.cost import count_evaluations
from disc.sample.plans import plan_of
from disc.sample.sampler import Sampler
from disc.sample.solver import name_solver
from disc.seeds import derive
from disc.settings.synthesis import Variant, weights_of
from disc.studio.workshop import Task

MAX_COLUMNS, MAX_SEEDS, MAX_SEED = 8, 4, 2**53
SHELF_BYTES = 2**26
"""Of pictures that are kept for downloading."""


@dataclass(frozen=True)
class Column:
    """A variant, and for `sd-sc` a plan; None: the run's."""

    variant: str
    plan: str | None = None

    @classmethod
    def parse(cls, text: str) -> Column:
        """Read `sd`, or `sd-sc:switch@0.75`."""
        variant, _, plan = text.partition(":")
        return cls(variant, plan or None)


@dataclass(frozen=True, kw_only=True)
class Order:
    """Pictures that are asked for.

    Attributes:
        mask: classes, uint8 [H, W].
        columns: how they are made.
        seeds: of the noise, the same for all columns.
        steps: of the solver; None: the run's.
        is_read: whether the referee reads them.
    """

    mask: Masks
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]
    steps: int | None = None
    is_read: bool = True

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            BadInput: if they cannot be.
        """
        require(
            1 <= len(self.columns) <= MAX_COLUMNS,
            f"{len(self.columns)} variants and plans; choose 1 to {MAX_COLUMNS}",
        )
        require(
            1 <= len(self.seeds) <= MAX_SEEDS, f"{len(self.seeds)} seeds; choose 1 to {MAX_SEEDS}"
        )
        is_seed = all(0 <= seed < MAX_SEED for seed in self.seeds)
        require(is_seed, "the seed lies outside of 0 to 9,007,199,254,740,991")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A generated tile, and all that is known of it.

    Attributes:
        tile: uint8 [H, W, 3].
        mask: asked for, uint8 [H, W].
        reading: the referee's, uint8 [H, W]; None: it was not read.
        facts: by which it can be made again.
    """

    tile: Tiles
    mask: Masks
    reading: Masks | None
    facts: dict[str, Any]


class Shelf:
    """The last pictures, as many as fit."""

    def __init__(self, max_bytes: int = SHELF_BYTES) -> None:
        """An empty shelf."""
        self.max_bytes = max_bytes
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock, self._count = Lock(), 0

    def put(self, picture: Picture) -> str:
        """Keep a picture; returns its name."""
        with self._lock:
            self._count += 1
            name = f"p{self._count}"
            self._kept[name] = picture
            while len(self._kept) > 1 and self.num_bytes > self.max_bytes:
                self._kept.popitem(last=False)
        return name

    def get(self, name: str) -> Picture:
        """A picture that is still kept.

        Raises:
            BadInput: if it is not.
        """
        with self._lock:
            if name not in self._kept:
                raise BadInput("that picture is no longer kept here; generate it again")
            return self._kept[name]

    @property
    def num_bytes(self) -> int:
        """Bytes of all pictures."""
        return sum(picture.tile.nbytes + 2 * picture.mask.nbytes for picture in self._kept.values())


class Painter:
    """Makes pictures with a model."""

    def __init__(self, model: Model, shelf: Shelf) -> None:
        """Of a model, onto a shelf."""
        self.model, self.shelf = model, shelf
        self._hashes: dict[Variant, str] = {}

    def check(self, order: Order) -> None:
        """Refuse what cannot be made, before it is queued.

        Raises:
            BadInput: as `Model.sample`; of a mask, in a sentence for people.
        """
        check_mask(order.mask)
        for column in order.columns:
            require(
                column.variant in self.model.variants,
                f"no variant {column.variant[:40]!r}; there are {', '.join(self.model.variants)}",
            )
            plan_of(column.variant, column.plan or "end")
            require(
                column.plan is None or column.variant == "sd-sc",
                f"only sd-sc fuses labels by a plan; leave it out with {column.variant}",
            )
        require(
            order.steps is None or 1 <= order.steps <= 999,
            f"{order.steps} steps; choose 1 to 999",
        )

    def paint(self, order: Order, task: Task) -> dict[str, Any]:
        """Make all pictures, column by column; each is reported when it is there."""
        began = time.perf_counter()
        stack = np.stack([order.mask] * len(order.seeds))
        for number, column in enumerate(order.columns):
            sampler = self.model.sampler(column.variant, plan=column.plan, steps=order.steps)
            facts = self._describe(column, sampler)
            start = time.perf_counter()
            tiles = self._sample(order, stack, number, task)
            facts |= {
                "seconds": round((time.perf_counter() - start) / len(tiles), 3),
                "evaluations": count(sampler, facts["variant"], order.mask),
            }
            readings = self.model.segment(tiles) if order.is_read else [None] * len(tiles)
            for seed, tile, reading in zip(order.seeds, tiles, readings, strict=True):
                picture = Picture(
                    tile=tile, mask=order.mask, reading=reading, facts={**facts, "seed": seed}
                )
                task.report("picture", (number, self.shelf.put(picture), picture))
        return {"seconds": round(time.perf_counter() - began, 2)}

    def find_checkpoint(self, column: Column) -> str:
        """The hash of the weights behind a column; weights are hashed once."""
        own = weights_of(self.model.find_variant(column.variant))
        if own not in self._hashes:
            denoisers = self.model.sampler(column.variant, plan=column.plan).denoisers
            self._hashes[own] = hash_weights(denoisers[own])
        return self._hashes[own]

    def _sample(self, order: Order, stack: Masks, number: int, task: Task) -> Tiles:
        column, num = order.columns[number], len(order.columns)

        def on_step(done: int, total: int) -> None:
            task.step(number * total + done, num * total, column.variant)

        # as disc.load(...).sample(mask, seed=seed) draws it
        seeds = [derive(seed, "sample", 0) for seed in order.seeds]
        return self.model.sample(
            stack,
            variant=column.variant,
            plan=column.plan,
            steps=order.steps,
            seed=seeds,
            on_step=on_step,
        )

    def _describe(self, column: Column, sampler: Sampler) -> dict[str, Any]:
        """Variant, checkpoint, solver and plan."""
        variant = self.model.find_variant(column.variant)
        solver = sampler.solver_of(variant)
        return {
            "variant": variant,
            "plan": str(plan_of(variant, sampler.settings.plan)),
            "solver": name_solver(solver),
            "steps": solver.steps,
            "checkpoint": self.find_checkpoint(column),
        }


def count(sampler: Sampler, variant: Variant, mask: Masks) -> int:
    """Evaluations of the network that a tile takes."""
    schedule = sampler.denoisers[weights_of(variant)].schedule
    plan = plan_of(variant, sampler.settings.plan)
    return int(count_evaluations(mask[None], plan, schedule, sampler.solver_of(variant))[0])


def check_mask(mask: Masks) -> None:
    """Refuse values that are no class, and masks that ask for nothing.

    Raises:
        BadInput: in a sentence.
    """
    wrong = set(np.unique(mask).tolist()) - {*map(int, Label), IGNORE}
    require(not wrong, f"the mask holds the value {min(wrong, default=0)}; expected 0 to 3, or 255")
    require(bool((mask != IGNORE).any()), "everything in the mask is unknown; paint something")


def judge(picture: Picture) -> dict[str, Any]:
    """How well the referee's reading agrees with the mask: the primary measure, and each label."""
    if picture.reading is None:
        return {"agreement": None, "recalls": {}}
    mask, reading = picture.mask[None], picture.reading[None]
    each, asked = recalls(mask, reading)[0], np.unique(mask).tolist()
    return {
        "agreement": _number(primary_measure(mask, reading)[0]),
        "recalls": {label.name: _number(each[label]) for label in Label if label in asked},
    }


def _number(value: float | npt.NDArray[Any]) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
