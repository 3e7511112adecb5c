"""The synthetic slides of a study that its runs have not made; several processes share the work."""

from __future__ import annotations

from functools import partial

from disc.files import BadInput, require
from disc.pipeline.stages.synthesis import list_training
from disc.processes import share_threads, spread
from disc.progress import Bar, no_progress
from disc.records.markers import check_files, marked
from disc.sample.generation import VariantSampler, generate_slides
from disc.settings.synthesis import Variant
from disc.study.keys import refuse_stale, set_key
from disc.study.parts import is_kept
from disc.study.request import StudyRequest
from disc.study.runs import MANIFEST, StudyRun, check_generator, check_patients
from disc.study.study import Study, open_study


def check_sets(study: Study) -> None:
    """See that variants and test sets are there, and who is learned from and tested on.

    Raises:
        FileNotFoundError: if a test set is not there.
        BadInput: if a run has no such variant, a patient is learned from and tested on, or a file
            of the sets is missing, damaged or changed.
    """
    for run in study.runs:
        if run.context.split.by_position:
            raise BadInput(
                f"{run.context.folder}: split by position; a study needs slides to test on"
            )
        check_files(run.context.folder / "data")
        check_patients(run.context.training_set, study.tests(run.fold))
    require(bool(study.variants), f"{study.folder}: no variant to add; name one with --variants")


def prepare_sets(study: Study) -> None:
    """Generate the synthetic slides that are missing.

    Raises:
        BadInput: if a generator saw a patient who is tested on, or a file is missing or changed.
    """
    _generate_missing(study)
    for run in study.runs:
        context = run.context
        patients = {
            slide.slide_id: slide.patient_id for slide in context.read(context.root).slides.values()
        }
        for variant in study.variants:
            check_generator(study.synthetic_root(run, variant), patients, context.split.test)


def _generate_missing(study: Study) -> None:
    missing = [
        (place, variant)
        for place, run in enumerate(study.runs)
        for variant in study.variants
        if not _is_made(study, run, variant)
    ]
    if not missing:
        return
    bar = Bar("synthetic slides", total=len(missing), unit="set")
    with spread(min(study.request.processes, len(missing))) as run:
        for _ in run(partial(generate_set, study.request), *zip(*missing, strict=True)):
            bar.advance()
    bar.close()


def _is_made(study: Study, run: StudyRun, variant: Variant) -> bool:
    """Whether a set is there, and is what its run generates today.

    Raises:
        BadInput: if it is another, or a file is missing or changed.
    """
    root = study.synthetic_root(run, variant)
    if not study.is_own(run, variant):
        return is_kept(root, MANIFEST, set_key(run, variant))
    refuse_stale(run, variant)
    check_files(root)
    return True


def generate_set(request: StudyRequest, place: int, variant: Variant) -> None:
    """Generate the slides of a variant of one of the runs."""
    study = open_study(request)
    share_threads(request.processes)
    run = study.runs[place]
    context = run.context
    root = study.synthetic_root(run, variant)
    with no_progress(), marked(root, set_key(run, variant)):
        generate_slides(
            context.recipes,
            context.book,
            VariantSampler(context.sampler(variant), variant),
            root,
            list_training(context),
            um_per_px=context.um_per_px,
            is_simulated=context.is_simulated,
        )
