"""Graders with their calibration, ready for slides."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from disc.data.wsi.scan import Scan
from disc.files import digest, printable, sync_all, whole_folder
from disc.progress import print_line
from disc.records.markers import note_files
from disc.slides.from_features import grade_features
from disc.slides.grade_slide import grade_slide
from disc.slides.grade_slides import GradeReport, grade_files, graded_key
from disc.slides.graders import Examples, Graders
from disc.slides.judging.calibrate import calibrate
from disc.slides.judging.calibration import Calibration
from disc.slides.judging.record import SCHEMA, GradeRecord
from disc.slides.reading.passes import check_passes
from disc.slides.request import PASSES
from disc.slides.wsinfer import export_wsinfer


@dataclass(frozen=True)
class Grading:
    """Graders, calibrated on validation slides when they are first used.

    Attributes:
        graders: that read slides.
        known: tiles to calibrate them on, or what these told before they were exported.
    """

    graders: Graders
    known: Examples | Calibration

    @cached_property
    def calibration(self) -> Calibration:
        """What validation slides tell of the graders."""
        known = self.known
        return known if isinstance(known, Calibration) else calibrate(self.graders, known)

    def grade(
        self, slide: Path, out: Path | None, *, mpp: float | None = None, passes: int = PASSES
    ) -> GradeRecord:
        """Grade a slide into a new folder, or (None) without keeping files."""
        check_passes(passes)
        if out is None:
            folder = Path(tempfile.mkdtemp(prefix="disc-grade-"))
            try:
                return self._grade(slide, folder, mpp, passes)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        key = self._key({"mpp": mpp, "passes": passes})
        with whole_folder(out) as folder:
            record = self._grade(slide, folder, mpp, passes)
            sync_all()
            note_files(folder, graded_key(slide, key))
        return record

    def grade_slides(
        self,
        slides: Sequence[Path],
        out: Path,
        *,
        mpp: float | None = None,
        passes: int = PASSES,
    ) -> GradeReport:
        """Grade many slides."""
        check_passes(passes)
        return grade_files(
            slides,
            out,
            self._key({"mpp": mpp, "passes": passes}),
            lambda path, folder: self._grade(path, folder, mpp, passes),
            mpp,
        )

    def grade_features(self, files: Sequence[Path], out: Path) -> GradeReport:
        """Grade many files of features."""
        return grade_files(
            files,
            out,
            self._key({"features": True}),
            lambda path, folder: grade_features(self.graders, self.calibration, path, folder),
        )

    def export_wsinfer(self, out: Path) -> str:
        """Write the pixel graders as a tile classifier."""
        return export_wsinfer(self.graders, self.calibration.temperature, out)

    def _grade(self, path: Path, folder: Path, mpp: float | None, passes: int) -> GradeRecord:
        scan = Scan(path, mpp)
        if mpp is not None and not scan.is_given_um:
            said = f"{printable(path.name)}: says {scan.um_per_px:.4g} µm per pixel itself"
            print_line(f"{said}; {mpp:g} is for slides that do not say")
        return grade_slide(self.graders, self.calibration, scan, folder, passes)

    def _key(self, settings: dict[str, object]) -> str:
        facts = {"schema": SCHEMA, "weights": dict(self.graders.hashes), **settings}
        if isinstance(self.known, Calibration):  # else it follows from weights and tiles
            facts["calibration"] = self.known.facts
        return digest(facts)
