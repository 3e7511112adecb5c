"""A grade by slide graders alone, from features of an encoder that reads no labels in tiles."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.files import BadInput, digest
from disc.grade.bags import Bag
from disc.grade.features import FeatureFile, read_feature_file
from disc.slides.grade_slides import GradeReport, grade_files
from disc.slides.graders import SlideGraders
from disc.slides.judging.attention import attend
from disc.slides.judging.record import SCHEMA, GradeRecord, write_record
from disc.slides.judging.slide_verdict import (
    SlideCalibration,
    calibrate_slide_graders,
    judge_features,
)
from disc.slides.make_record import describe_source, make_record
from disc.slides.writing.page import Shown, write_page

COLUMNS = ("x", "y", "width", "attention")
"""Of `attention.csv`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SlideExamples:
    """What slide graders are calibrated on.

    Attributes:
        train: features of training tiles, float32 [n, D].
        val: bags of other slides, with their scores.
    """

    train: npt.NDArray[np.float32]
    val: Sequence[Bag]


@dataclass(frozen=True)
class SlideGrading:
    """Slide graders, calibrated on validation slides when they are first used."""

    graders: SlideGraders
    known: SlideExamples

    @cached_property
    def calibration(self) -> SlideCalibration:
        """What validation slides tell of the graders."""
        return calibrate_slide_graders(self.graders.nets, self.known.train, self.known.val)

    def grade_features(self, files: Sequence[Path], out: Path) -> GradeReport:
        """Grade many files of features."""
        facts = {"weights": dict(self.graders.hashes), "features": self.graders.encoder}
        return grade_files(files, out, digest({"schema": SCHEMA, **facts}), self._grade)

    def _grade(self, path: Path, folder: Path) -> GradeRecord:
        """Grade from a file of features into a folder that is empty.

        Raises:
            FileNotFoundError: if there is no such file.
            BadInput: if it is damaged, or holds features of another encoder.
        """
        found, width = read_feature_file(path), self.known.train.shape[1]
        if found.features.shape[1] != width:
            raise BadInput(
                f"{path}: {found.features.shape[1]} features a tile; the slide graders of "
                f"{self.graders.folder} on {self.graders.encoder} read {width}; give features of "
                "that encoder"
            )
        record = make_record(
            self.graders,
            judge_features(found.features, self.graders.nets, self.calibration),
            floors={},
            far=self.calibration.far,
            source=describe_source(self.graders, path, None),
            num_tiles=len(found.features),
            tissue_mm2=None,
            map=None,
            regions=None,
        )
        self._write_attention(folder / "attention.csv", found)
        write_record(folder, record)
        write_page(folder / "report.html", Shown(record=record))
        return record

    def _write_attention(self, path: Path, found: FeatureFile) -> None:
        """How much each tile counted, mean over the graders, where the file says where it is."""
        if found.coords is None:
            return
        counted = attend(self.graders.nets, found.features)
        side = "" if found.tile_px is None else round(found.tile_px)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for (x, y), share in zip(found.coords, counted, strict=True):
                writer.writerow([x, y, side, f"{share:.6g}"])
