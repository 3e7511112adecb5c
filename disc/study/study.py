"""A study: its runs, its folder, and the tiles and features that its cells share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path

from disc.data.readers.read import read_source, recognise
from disc.data.readers.source import Source
from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.bags import Bag, read_bags
from disc.grade.pool import TilePool
from disc.pipeline.configurations import FEATURES, SUPERPIXELS, features_of
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import test_sets
from disc.records.listing import DONE
from disc.records.markers import has_marker
from disc.settings.grading import GIVEN, CarcinoNet, EncoderName
from disc.settings.synthesis import STUDENT, VARIANTS, Variant, weights_of
from disc.study.grid import Cell
from disc.study.request import StudyRequest
from disc.study.runs import StudyRun, open_runs

VARIANT_ORDER: tuple[Variant, ...] = (*VARIANTS, STUDENT)
TestSet = tuple[str, str, TileSet]
"""Data set, split, tiles."""


@dataclass(frozen=True)
class Study:
    """A study; what it reads is kept for the next cell."""

    request: StudyRequest
    _pools: dict[str, TilePool] = field(default_factory=dict, repr=False, compare=False)
    _tests: dict[str, list[TestSet]] = field(default_factory=dict, repr=False, compare=False)
    _synthetic: dict[Path, TileSet] = field(default_factory=dict, repr=False, compare=False)
    _bags: dict[Path, Bag] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def runs(self) -> list[StudyRun]:
        """One for each generator seed, fold and condition."""
        return open_runs(self.request.runs)

    @property
    def folder(self) -> Path:
        """The study's."""
        return self.request.out

    @property
    def encoders(self) -> tuple[EncoderName, ...]:
        """Of slide graders' features; none where no slide is graded."""
        return self.request.encoders if self.request.grader_seeds else ()

    @property
    def reading_encoders(self) -> tuple[EncoderName, ...]:
        """Those that read tiles; the features of the other are another program's."""
        return tuple(name for name in self.encoders if name != GIVEN)

    @property
    def has_superpixels(self) -> bool:
        """Whether a grader reads superpixels."""
        return "mixed-supervision" in self.request.graders

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Of the generator.

        Raises:
            BadInput: if a run has no weights of one.
        """
        wanted = self.request.variants or self.runs[0].context.run.synthesis.variants
        for run in self.runs:
            folder, known = run.context.folder, run.context.run.variants
            for name in wanted:
                if name not in known:
                    raise BadInput(f"{folder}: no variant {name}; it has {', '.join(known)}")
                kept = folder / "denoiser" / weights_of(name) / "denoiser.json"
                if not (kept.exists() or _is_generated(run.context, name)):
                    raise BadInput(f"{folder}: {name} is not trained yet; disc run it first")
        return tuple(name for name in VARIANT_ORDER if name in wanted)

    def base(self, fold: str) -> Context:
        """The run of a fold whose settings and encoder all its cells share."""
        runs = [run for run in self.runs if run.fold == fold and not run.condition]
        return min(runs, key=lambda run: run.seed).context

    def run_of(self, cell: Cell) -> StudyRun:
        """The run whose synthetic slides a cell adds."""
        key = (cell.fold, cell.generator_seed, cell.condition)
        return next(run for run in self.runs if (run.fold, run.seed, run.condition) == key)

    def place(self, cell: Cell) -> Path:
        """Folder of a cell."""
        return self.folder / "cells" / cell.name

    def is_own(self, run: StudyRun, variant: str) -> bool:
        """Whether a run made a variant's synthetic slides itself."""
        is_here = has_marker(self._set_place(run, variant), DONE)
        return _is_generated(run.context, variant) and not is_here

    def _set_place(self, run: StudyRun, variant: str) -> Path:
        return self.folder / "synthetic" / f"{run.fold} {self.synthetic_name(run, variant)}"

    def synthetic_root(self, run: StudyRun, variant: str) -> Path:
        """Folder of a variant's synthetic slides: the study's, or its run's where only that is."""
        if self.is_own(run, variant):
            return run.context.folder / "synthetic" / variant
        return self._set_place(run, variant)

    def synthetic(self, run: StudyRun, variant: str) -> TileSet:
        """The synthetic slides of a variant."""
        root = self.synthetic_root(run, variant)
        if root not in self._synthetic:
            self._synthetic[root] = run.context.read(root)
        return self._synthetic[root]

    def features(
        self, encoder: EncoderName, fold: str, name: str, *, of_superpixels: bool = False
    ) -> Path:
        """Folder of the features of a set: "real", a test set, or that of `synthetic_name`."""
        place = self.folder / features_of(encoder)
        return (place / SUPERPIXELS if of_superpixels else place) / fold / name

    def given_features(self, fold: str, name: str) -> Path:
        """Folder of the files of another program for a set, called as in `features`."""
        assert self.request.feature_files is not None  # the request says so
        is_synthetic = self.find_synthetic(fold, name) is not None
        return self.request.feature_files / (f"{fold} {name}" if is_synthetic else name)

    def encoder_place(self, fold: str) -> Path:
        """Folder of the embedded encoder of a fold, where its run has none."""
        return self.folder / FEATURES / fold / "encoder"

    def embedded_encoder(self, fold: str) -> Path:
        """Folder of a fold's embedded encoder: the study's, or its run's where only that is."""
        own, place = self.base(fold).folder / FEATURES, self.encoder_place(fold)
        return own if has_marker(own, DONE) and not has_marker(place, DONE) else place

    def bags(self, cell: Cell, name: str, slides: Iterable[Slide]) -> list[Bag]:
        """Bags as the grader of a cell reads them, each read once."""
        assert cell.encoder  # of no other cell are bags asked for
        is_mixed = cell.grader == "mixed-supervision"
        place = self.features(cell.encoder, cell.fold, name, of_superpixels=is_mixed)
        wanted = {place / slide.slide_id: slide for slide in slides}
        missing = [path for path in wanted if path not in self._bags]
        read = read_bags(place, [wanted[path] for path in missing])
        self._bags.update(zip(missing, read, strict=True))
        return [self._bags[path] for path in wanted]

    @staticmethod
    def synthetic_name(run: StudyRun, variant: str) -> str:
        """What the features of a variant's slides are called."""
        return f"{run.name(variant)} g{run.seed}"

    def find_synthetic(self, fold: str, name: str) -> tuple[StudyRun, Variant] | None:
        """Run and variant of a set by the name of its features; None: it is no synthetic one."""
        for run, variant in product(self.runs, self.variants):
            if run.fold == fold and self.synthetic_name(run, variant) == name:
                return run, variant
        return None

    def real_pool(self, fold: str) -> TilePool:
        """Tiles that pixel graders of a fold learn from, decoded once."""
        if fold not in self._pools:
            context = self.base(fold)
            self._pools[fold] = TilePool(context.training_set, context.run.data.workers)
        return self._pools[fold]

    @property
    def pixel_settings(self) -> CarcinoNet:
        """Of the pixel grader."""
        settings = self.runs[0].context.run.grade.carcino
        steps = self.request.pixel_steps
        return (
            settings
            if steps is None
            else replace(settings, optim=replace(settings.optim, steps=steps))
        )

    def has_exact(self, fold: str) -> bool:
        """Whether its tests have exact masks too."""
        context = self.base(fold)
        return context.is_simulated and context.run.data.external_root is None

    def exact_tests(self, fold: str) -> list[TestSet]:
        """Those that have exact masks, with these."""
        return self._listed(f"{fold} exact", lambda: test_sets(self.base(fold), "masks_exact"))

    def tests(self, fold: str) -> list[TestSet]:
        """Validation and test sets of a fold, and the external ones, with annotations."""
        return self._listed(fold, lambda: self._list_tests(fold))

    def pool(self, key: str, tiles: TileSet) -> TilePool:
        """A test set whose tiles are decoded once for all cells of this process."""
        return self._pools.setdefault(key, TilePool(tiles))

    def _listed(self, key: str, read: Callable[[], Iterable[TestSet]]) -> list[TestSet]:
        if key not in self._tests:
            self._tests[key] = list(read())
        return self._tests[key]

    def _list_tests(self, fold: str) -> Iterator[TestSet]:
        yield from test_sets(self.base(fold))
        for name, root in self.request.external.items():
            yield name, "test", self._read_external(self.base(fold), name, root)

    def _read_external(self, context: Context, name: str, root: Path) -> TileSet:
        kind, data = recognise(root), context.run.data
        scale = self.request.external_um_per_px.get(name)
        if kind == "panda":
            raise BadInput(f"{root}: slides, not tiles; cut them with disc tile, and give those")
        source = Source(
            root=root,
            kind=kind,
            tile_px=data.tile_px,
            fit=data.fit,
            um_per_px=scale,
            to_um_per_px=scale and context.um_per_px,
        )
        return read_source(source)


_OPEN: list[Study] = []
"""The study that this process works on."""


def open_study(request: StudyRequest) -> Study:
    """A study, opened once in each process."""
    if not _OPEN or _OPEN[0].request != request:
        _OPEN[:] = [Study(request)]
    return _OPEN[0]


def _is_generated(context: Context, variant: str) -> bool:
    return has_marker(context.folder / "synthetic" / variant, DONE)
