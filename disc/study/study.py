"""A study: its runs, its folder, and the tiles and features that its cells share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from disc.data.readers.read import read_source, recognise
from disc.data.readers.source import Source
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.encoder import CrossEncoder, encode_slides, train_encoder
from disc.grade.pool import TilePool
from disc.pipeline.configurations import ENCODER, FEATURES
from disc.pipeline.context import Context
from disc.pipeline.stages.grading_data import test_sets
from disc.pipeline.stages.synthesis import list_training
from disc.sample.generation import VariantSampler, generate_slides
from disc.settings.grading import CarcinoNet
from disc.settings.synthesis import STUDENT, VARIANTS, Variant, weights_of
from disc.study.grid import Cell
from disc.study.request import StudyRequest
from disc.study.runs import StudyRun, check_generator, check_patients, open_runs

VARIANT_ORDER: tuple[Variant, ...] = (*VARIANTS, STUDENT)
TestSet = tuple[str, str, TileSet]
"""Data set, split, tiles."""


@dataclass(frozen=True)
class Study:
    """A study; what it reads is kept for the next cell."""

    request: StudyRequest
    _pools: dict[str, TilePool] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def runs(self) -> list[StudyRun]:
        """One for each generator seed, fold and condition."""
        return open_runs(self.request.runs)

    @property
    def folder(self) -> Path:
        """The study's."""
        return self.request.out

    @property
    def encoders(self) -> list[str]:
        """Of slide graders' features; none where slides cannot be graded."""
        return [ENCODER] if self.request.grader_seeds else []

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

    def synthetic_root(self, run: StudyRun, variant: str) -> Path:
        """Folder of a variant's synthetic slides: the run's own, where it made them."""
        if _is_generated(run.context, variant):
            return run.context.folder / "synthetic" / variant
        return self.folder / "synthetic" / f"{run.fold} {run.name(variant)} g{run.seed}"

    def synthetic(self, run: StudyRun, variant: str) -> TileSet:
        """The synthetic slides of a variant."""
        return run.context.read(self.synthetic_root(run, variant))

    def features(self, fold: str, name: str) -> Path:
        """Folder of the features of a set: "real", a test set, or that of `synthetic_name`."""
        return self.folder / FEATURES / fold / name

    @staticmethod
    def synthetic_name(run: StudyRun, variant: str) -> str:
        """What the features of a variant's slides are called."""
        return f"{run.name(variant)} g{run.seed}"

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

    def exact_tests(self, fold: str) -> Iterator[TestSet]:
        """Those that have exact masks, with these."""
        return test_sets(self.base(fold), "masks_exact")

    def tests(self, fold: str) -> Iterator[TestSet]:
        """Validation and test sets of a fold, and the external ones, with annotations."""
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


def prepare_sets(study: Study) -> None:
    """Check patients, and generate the synthetic slides that are missing.

    Raises:
        BadInput: if a patient is learned from and tested on, by graders or by a generator.
    """
    for run in study.runs:
        context = run.context
        if context.split.by_position:
            raise BadInput(f"{context.folder}: split by position; a study needs slides to test on")
        check_patients(context.training_set, study.tests(run.fold))
        for variant in study.variants:
            root = study.synthetic_root(run, variant)
            if not (root / "manifest.parquet").exists():
                _generate(run, variant, root)
            patients = {
                slide.slide_id: slide.patient_id
                for slide in context.read(context.root).slides.values()
            }
            check_generator(root, patients, context.split.test)


def prepare_features(study: Study) -> None:
    """Train the encoder of each fold, or take its run's, and encode every slide that is missing."""
    for fold in dict.fromkeys(run.fold for run in study.runs):
        encoder = _encoder(study, fold)
        encode_slides(encoder, study.base(fold).training_set, study.features(fold, "real"))
        for data_set, _, tiles in study.tests(fold):
            name = "real" if data_set == "in" else data_set
            if any(slide.primary is not None for slide in tiles.slides.values()):
                encode_slides(encoder, tiles, study.features(fold, name))
        for run in study.runs:
            for variant in study.variants if run.fold == fold else ():
                place = study.features(fold, study.synthetic_name(run, variant))
                encode_slides(encoder, study.synthetic(run, variant), place)


def _encoder(study: Study, fold: str) -> CrossEncoder:
    context = study.base(fold)
    own, settings = context.folder / FEATURES, context.run.grade.carcino
    if not (own / "done.json").exists():
        own = study.folder / FEATURES / fold / "encoder"
    if not (own / "halves.json").exists():
        pool = TilePool(context.training_set, context.run.data.workers)
        train_encoder(settings, pool, own, study.request.seed).save(own)
    return CrossEncoder.load(own, settings)


def _is_generated(context: Context, variant: str) -> bool:
    return (context.folder / "synthetic" / variant / "done.json").exists()


def _generate(run: StudyRun, variant: Variant, root: Path) -> None:
    context = run.context
    source = VariantSampler(context.sampler(variant), variant)
    facts, scale = list_training(context), context.um_per_px
    generate_slides(
        context.recipes,
        context.book,
        source,
        root,
        facts,
        um_per_px=scale,
        is_simulated=context.is_simulated,
    )
