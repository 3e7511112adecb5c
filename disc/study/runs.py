"""The runs of a study: that they fit together, and that no test patient was learned from."""

from __future__ import annotations

import filecmp
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from disc.data.tiles.names import split_ids
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.records.typed import read_table

MANIFEST = "manifest.parquet"
"""Of a synthetic set."""
MAX_NAMED = 6


@dataclass(frozen=True)
class StudyRun:
    """A run, and which generator it stands for.

    Attributes:
        condition: of its denoiser, where it is not that of the first run; else "".
    """

    context: Context
    condition: str = ""

    @property
    def fold(self) -> str:
        """Fold that generator and graders are of."""
        return self.context.run.data.fold

    @property
    def seed(self) -> int:
        """Of the generator."""
        return self.context.run.seed

    def name(self, variant: str) -> str:
        """What tables call a variant of this run."""
        return f"{variant} ({self.condition})" if self.condition else variant


def open_runs(folders: Sequence[Path]) -> list[StudyRun]:
    """Open the runs of a study.

    Raises:
        FileNotFoundError: if there is no run.
        BadInput: if two are of the same generator seed, fold and condition, or of other data.
    """
    contexts = [_open(folder) for folder in folders]
    if not contexts:
        raise BadInput("disc study needs the folder of a run, or several")
    plain = contexts[0].run.denoiser.condition
    runs = [
        StudyRun(context, "" if (kind := context.run.denoiser.condition) == plain else kind)
        for context in contexts
    ]
    seen: dict[tuple[str, int, str], Path] = {}
    for run in runs:
        key = (run.fold, run.seed, run.condition)
        if key in seen:
            raise BadInput(
                f"{run.context.folder}: fold {run.fold} and seed {run.seed}, as {seen[key]}; give "
                "runs that differ in --data.fold, --seed or --denoiser.condition"
            )
        seen[key] = run.context.folder
    _check_grid(runs)
    _check_same_data(contexts)
    return runs


def _check_grid(runs: Sequence[StudyRun]) -> None:
    """See that every fold has a run of every condition and of each of its seeds.

    Else means over folds and seeds would be of other folds for one variant than for another.
    """
    folds = list(dict.fromkeys(run.fold for run in runs))
    for condition in dict.fromkeys(run.condition for run in runs):
        some = [run for run in runs if run.condition == condition]
        there = {(run.fold, run.seed) for run in some}
        for fold, seed in product(folds, sorted({run.seed for run in some})):
            if (fold, seed) not in there:
                kind = some[0].context.run.denoiser.condition
                raise BadInput(
                    f"no run of fold {fold}, seed {seed} and condition {kind} as "
                    f"{some[0].context.folder} has; give one, or leave that fold or seed out"
                )


def _open(folder: Path) -> Context:
    if not (folder / "config.json").is_file():
        found = "no config.json in it" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(f"{folder}: {found}; give the folder of a run")
    return Context(read_config(folder / "config.json"), folder)


def _check_same_data(contexts: Sequence[Context]) -> None:
    first = contexts[0]
    names = {tile.name for tile in first.split.test.tiles}
    for other in contexts[1:]:
        if {tile.name for tile in other.split.test.tiles} != names:
            raise BadInput(
                f"{other.folder}: its test tiles are not those of {first.folder}; a study compares "
                "runs on the same data"
            )


def check_patients(train: TileSet, tests: Iterable[tuple[str, str, TileSet]]) -> None:
    """See that no patient is learned from and tested on.

    Args:
        train: tiles that graders learn from.
        tests: data set, split and tiles; those of other hospitals count no patient as the same,
            but may not hold a tile that is learned from.

    Raises:
        BadInput: with the names.
    """
    learned = _patients(train)
    for data_set, split, tiles in tests:
        if copies := [] if data_set == "in" else _shared_tiles(train, tiles):
            raise BadInput(
                f"{len(copies)} tile(s) of {data_set} are learned from, first {copies[0]}; give "
                "a test set of other slides"
            )
        if data_set == "in" and (shared := learned & _patients(tiles)):
            raise BadInput(
                f"patient(s) {_name(shared)} are learned from and in {split}; correct the "
                "partition of the data"
            )


def check_generator(root: Path, patients: Mapping[str, str], tested: TileSet) -> None:
    """See that what generated a set of tiles saw no test patient.

    Args:
        root: of the synthetic set, with its manifest.
        patients: of slides by id, of the whole data set.
        tested: test tiles.

    Raises:
        BadInput: with the patients' names, or if the manifest does not say what was seen.
    """
    path = root / MANIFEST
    remedy = "it must say what its generator saw: make the set again"
    table = read_table(path, ("tile", "training_slides"), remedy)
    counts = table["training_slides"].value_counts(dropna=False)
    found: dict[str, int] = {}
    for text, count in counts.items():
        slides = split_ids(str(text), path)
        if unknown := [slide for slide in slides if slide not in patients]:
            raise BadInput(
                f"{path}: names {len(unknown)} slide(s) that the runs' data lack, first "
                f"{unknown[0]}; make the set again"
            )
        seen = {patients[slide] for slide in slides}
        for patient in seen & _patients(tested):
            found[patient] = found.get(patient, 0) + int(count)
    if found:
        raise BadInput(
            f"{root}: {max(found.values())} synthetic tile(s) whose generator saw test patient(s) "
            f"{_name(found)}; train the generator without them"
        )


def _shared_tiles(train: TileSet, tested: TileSet) -> list[str]:
    """Names of tested tiles that both hold, byte for byte, whatever they are called."""
    by_size: dict[int, list[Path]] = {}
    for tile in train.tiles:
        by_size.setdefault(tile.image.stat().st_size, []).append(tile.image)
    shared = []
    for tile in tested.tiles:
        like = by_size.get(tile.image.stat().st_size, [])
        if any(filecmp.cmp(path, tile.image, shallow=False) for path in like):
            shared.append(tile.name)
    return shared


def _patients(tiles: TileSet) -> set[str]:
    return {slide.patient_id for slide in tiles.slides.values()}


def _name(names: Collection[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - MAX_NAMED
    return ", ".join(ordered[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
