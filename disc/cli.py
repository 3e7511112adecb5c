"""The command `disc`: parse, call, show. Heavy imports happen inside commands."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from disc.audit.request import AuditRequest
from disc.command_line.help import Command
from disc.command_line.termination import Termination, hear_termination, tell_error
from disc.command_line.understand import understand
from disc.data.check.request import CheckRequest
from disc.data.tiling.request import TileRequest
from disc.data.writing.request import ConvertRequest, SelectRequest
from disc.files import BadInput, printable
from disc.model.request import ImportRequest
from disc.phantom.request import PhantomRequest
from disc.pipeline.request import DoctorRequest, RunRequest
from disc.pipeline.weights.request import ExportRequest
from disc.processes import own_share
from disc.sample.request import BankRequest, SampleRequest, SynthesisRequest
from disc.slides.request import GradeRequest, WsinferRequest
from disc.studio.request import StudioRequest
from disc.study.request import StudyRequest

ALLOCATOR = {-3: 2**25, -1: 2**31 - 1, -2: 2**28}
"""mallopt's mmap threshold (32 MiB: glibc refuses more), trim threshold and top padding."""
SPINS = "10000"
"""Turns of a loop that a thread of libgomp waits before it sleeps; 300,000 by default."""


def run(request: RunRequest) -> int:
    """Do what is missing or stale of a run: data, generator, synthetic slides, graders, report."""
    prepare_process()
    if request.dry_run:
        from disc.pipeline.dry_run.estimate import estimate_run
        from disc.report.estimate import print_estimate

        print_estimate(estimate_run(request.run))
        return 0
    from disc.pipeline.run import execute, split_folds

    for one in split_folds(request.run):
        page = execute(one)
        if one.until == "report":
            print(printable(f"report: {page}"))
    return 0


def tile(request: TileRequest) -> int:
    """Cut slides, and masks beside them, into tiles in the SICAPv2 layout."""
    prepare_process()
    from disc.data.tiling.tile_slides import tile_slides

    report = tile_slides(request)
    print(printable(str(report)))
    return 1 if report.failures else 0


def check(request: CheckRequest) -> int:
    """Find what is wrong with data sets; exit code 1 if anything is an error."""
    from disc.command_line.check import check_and_tell

    return check_and_tell(request)


def audit(request: AuditRequest) -> int:
    """Hold synthetic tiles beside real ones; exit code 1 if a limit is not kept."""
    prepare_process()
    from disc.command_line.audit import audit_and_tell

    return audit_and_tell(request)


def select(request: SelectRequest) -> int:
    """Select as many slides of every primary grade, by a seed, and write their names."""
    from disc.data.writing.select import select_slides

    print(printable(select_slides(request)))
    return 0


def convert(request: ConvertRequest) -> int:
    """Write a set of any kind in the SICAPv2 layout, which every command reads."""
    from disc.data.writing.convert import convert_set

    report = convert_set(request)
    print(printable(str(report)))
    return 1 if report.misnamed else 0


def phantom(request: PhantomRequest) -> int:
    """Draw a small simulated data set in the layout of SICAPv2, PANDA or LAPC."""
    prepare_process()
    from disc.phantom.layouts import draw_set

    draw_set(request)
    print(printable(f"{request.kind}: {request.out}"))
    return 0


def import_(request: ImportRequest) -> int:
    """Import a public VQ autoencoder (vq-f4), and check on tiles what it keeps of them."""
    prepare_process()
    from disc.command_line.import_autoencoder import import_autoencoder

    print(printable(import_autoencoder(request)))
    return 0


def sample(request: SampleRequest) -> int:
    """Generate tiles from masks or for a Gleason score."""
    prepare_process()
    from disc.command_line.sample import sample_tiles

    return _say(sample_tiles(request))


def synthesize(request: SynthesisRequest) -> int:
    """Generate synthetic slides that balance the primary grades."""
    prepare_process()
    from disc.command_line.synthesize import synthesize_slides

    return _say(synthesize_slides(request))


def bank(request: BankRequest) -> int:
    """Fill a bank of separated conditions, from which tiles are then only decoded."""
    prepare_process()
    from disc.command_line.bank import make_bank

    return _say(make_bank(request))


def study(request: StudyRequest) -> int:
    """Train graders over variants, weights and seeds, and say whether synthetic slides helped."""
    prepare_process()
    from disc.study.conduct import conduct

    return _say(conduct(request))


def grade(request: GradeRequest) -> int:
    """Grade slides with trained graders; exit code 1 if one could not be. Research use only."""
    prepare_process()
    from disc.command_line.grade import grade_all

    read_by = "those that disc ships: simulated tissue only" if request.run is None else request.run
    print(printable(f"graders: {read_by}"))
    report = grade_all(request)
    print(printable(str(report)))
    return 1 if report.failures else 0


def export_wsinfer(request: WsinferRequest) -> int:
    """Write a run's pixel grader for QuPath's WSInfer extension."""
    prepare_process()
    from disc.command_line.grade import export_classifier

    print(printable(export_classifier(request)))
    return 0


def _say(what: str) -> int:
    """Print what all processes did together, once."""
    if own_share().is_first:
        print(printable(what))
    return 0


def export(request: ExportRequest) -> int:
    """Write a run's weights to a folder that diffusers loads."""
    prepare_process()
    from disc.pipeline.weights.export import export_run

    print(printable(export_run(request)))
    return 0


def studio(request: StudioRequest) -> int:
    """Serve a page to paint masks on, until it is interrupted."""
    prepare_process()
    from disc.studio.serve import serve_studio

    with suppress(KeyboardInterrupt):  # that is how it ends; of two, none may be left of it
        serve_studio(request)
    print("studio ended")
    return 0


def doctor(request: DoctorRequest) -> int:
    """Say which files of a run are whole; exit code 1 if any is damaged or missing."""
    from disc.command_line.doctor import tell_health

    text, is_whole = tell_health(request)
    print(printable(text))
    return 0 if is_whole else 1


ABOUT = """disc makes as many correctly labelled tiles of prostate tissue as a grader needs, from a
few annotated slides, trains graders on real and synthetic tiles, and says what that gained."""
RUNS, SETS, MODELS = "train and evaluate", "data sets", "models"
COMMANDS = {
    "run": Command(
        run, RunRequest, "Train a generator and graders, evaluate both, write a report.", RUNS
    ),
    "doctor": Command(
        doctor, DoctorRequest, "Say which files of a run are whole, and what to do.", RUNS
    ),
    "sample": Command(
        sample, SampleRequest, "Generate tiles from masks, or for a Gleason score.", RUNS
    ),
    "synthesize": Command(
        synthesize, SynthesisRequest, "Generate slides that balance the primary grades.", RUNS
    ),
    "bank": Command(
        bank, BankRequest, "Denoise each label alone, for tiles that need decoding only.", RUNS
    ),
    "study": Command(
        study, StudyRequest, "Train graders over variants, weights and seeds, and test them.", RUNS
    ),
    "grade": Command(
        grade, GradeRequest, "Grade slides, or say why not: map, score, files for QuPath.", RUNS
    ),
    "check": Command(
        check, CheckRequest, "Find what is wrong with data sets; exit code 1 on errors.", SETS
    ),
    "audit": Command(
        audit,
        AuditRequest,
        "Hold synthetic tiles beside real ones; exit code 1 past a limit.",
        SETS,
    ),
    "tile": Command(tile, TileRequest, "Cut slides, and masks beside them, into tiles.", SETS),
    "convert": Command(
        convert, ConvertRequest, "Write a set of any kind in the layout of SICAPv2.", SETS
    ),
    "select": Command(
        select, SelectRequest, "Select as many slides of every primary grade, by a seed.", SETS
    ),
    "phantom": Command(
        phantom, PhantomRequest, "Draw a small simulated set: SICAPv2's, PANDA's or LAPC's.", SETS
    ),
    "export": Command(
        export, ExportRequest, "Write a run's weights to a folder that diffusers loads.", MODELS
    ),
    "export-wsinfer": Command(
        export_wsinfer, WsinferRequest, "Write a pixel grader for QuPath's WSInfer.", MODELS
    ),
    "studio": Command(
        studio, StudioRequest, "Paint masks in the browser, and see tiles of them.", MODELS
    ),
    "import": Command(
        import_, ImportRequest, "Import a public VQ autoencoder (vq-f4), and check it.", MODELS
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what a user got wrong is one line and exit code 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        with hear_termination():
            return understand(words, COMMANDS, ABOUT)()
    except (BadInput, OSError, FloatingPointError) as error:
        print(f"disc: {printable(' '.join(tell_error(error).split()))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("disc: stopped; the same command goes on, or begins anew", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(stop, Termination) else signal.SIGINT)


def prepare_process() -> None:
    """Set what PyTorch's libraries read when they are loaded; what the user has set stays.

    Memory is kept between training steps; glibc else gives it back and asks for it again
    (benchmarks/allocator.py). A thread that waits for another spins for a short time only and then
    sleeps, so that the other finds a core where neighbours compute (benchmarks/neighbours.py).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")
    if sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "mallopt"):
        for option, value in ALLOCATOR.items():
            ctypes.CDLL(None).mallopt(option, value)


if __name__ == "__main__":
    sys.exit(main())
