from dataclasses import replace
from pathlib import Path

import pytest
import torch

from disc.pipeline.context import Context
from disc.pipeline.dry_run.networks import list_probes
from disc.pipeline.dry_run.workload import Sizes, list_work
from disc.pipeline.stage_list import judge_stages
from disc.pipeline.stages.denoiser import watch_as
from disc.presets import smoke
from disc.sample.solver import denoise, draw_noise, name_solver
from disc.settings.sampling import Sample, Solver
from tests.sample.small_denoiser import build_small_denoiser

MASKS = torch.full((1, 32, 32), 2, dtype=torch.uint8)


@pytest.fixture(scope="module")
def denoiser():
    return build_small_denoiser()


def draw(denoiser, guidance, masks=MASKS):
    solver = Solver(name="ddim", steps=3, spacing="trailing", guidance=guidance)
    return denoise(denoiser, draw_noise([1], 8), masks, Sample(solver=solver))


@torch.no_grad()
def test_guidance_is_the_formula_of_classifier_free_guidance(denoiser):
    solver = Solver(name="ddim", steps=3, spacing="trailing")
    scheduler, z = denoiser.schedule.make_scheduler(solver), draw_noise([1], 8)
    unknown = torch.full_like(MASKS, 255)
    for t in scheduler.timesteps:
        free, targets = (denoiser(z, t[None], masks) for masks in (unknown, MASKS))
        z = scheduler.step((1 - 2.5) * free + 2.5 * targets, t, z).prev_sample
    torch.testing.assert_close(draw(denoiser, 2.5), z, atol=1e-4, rtol=1e-4)


def test_none_of_it_is_plain_and_nothing_else_hides_the_mask(denoiser):
    unknown = torch.full_like(MASKS, 255)
    torch.testing.assert_close(draw(denoiser, 0.0), draw(denoiser, 1.0, unknown))


def test_a_denoiser_that_never_missed_its_mask_cannot_be_guided():
    run = smoke()
    sample = replace(run.sample, solver=replace(run.sample.solver, guidance=2.0))
    with pytest.raises(ValueError, match="condition_dropout"):
        replace(run, sample=sample)
    replace(run, sample=sample, denoiser=replace(run.denoiser, condition_dropout=0.1))


def test_tables_tell_guided_tiles_from_others():
    plain = Solver(name="ddim", steps=200, spacing="leading")
    assert name_solver(plain) == "ddim 200 leading"
    assert name_solver(replace(plain, guidance=1.5)) == "ddim 200 leading guidance 1.5"


def guided_run():
    run = smoke()
    return replace(
        run,
        sample=replace(run.sample, solver=replace(run.sample.solver, guidance=2.0)),
        denoiser=replace(run.denoiser, condition_dropout=0.1),
    )


def test_what_learns_from_a_guided_bank_is_not_guided_once_more():
    run = guided_run()
    guidance = {name: run.solver_of(name).guidance for name in run.variants}
    assert guidance == {"sd": 2, "sd-sc": 2, **dict.fromkeys(run.distil.variants, 1)}
    assert {run.solver_of(name).steps for name in ("sd", "sd-disc")} == {run.sample.solver.steps}
    assert watch_as(Context(run, Path("r")), "sd-disc").run.sample.solver.guidance == 1
    plain = Context(smoke(), Path("r"))
    assert watch_as(plain, "sd-disc") is plain


def test_an_evaluation_is_measured_without_guidance_and_counted_with_it():
    probe = list_probes(guided_run())["denoiser, an evaluation"]
    network, calls = probe.build().eval(), []
    network.unet.register_forward_hook(lambda *_: calls.append(1))
    probe.call(network, 2, torch.device("cpu"))
    assert len(calls) == probe.repeats
    plain, guided = (
        {
            work.stage: work.units
            for work in list_work(run, Sizes(train=9, slides=(1, 1, 1, 1), source=""))
        }
        for run in (smoke(), guided_run())
    )
    unit = "denoiser, an evaluation"
    assert guided["bank"][unit] == 2 * plain["bank"][unit]
    for name in smoke().synthesis.variants:
        times = 2 if name in ("sd", "sd-sc") else 1
        stage = f"synthetic/{name}"
        assert guided[stage][unit] == times * plain[stage][unit]


def test_agreement_is_measured_anew_where_distilled_variants_are_drawn_otherwise():
    """A plain run's stays as it was."""

    def solvers(run):
        (stage,) = judge_stages(Context(run, Path("r")))
        return [
            part["guidance"]
            for part in stage.settings
            if "guidance" in str(part) and "steps" in part
        ]

    assert solvers(smoke()) == [1, 1]  # of all, and of the student
    assert solvers(guided_run()) == [2, 1, 1, 1]
