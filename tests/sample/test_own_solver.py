"""A variant with a solver of its own, beside others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from disc.model.denoiser import Denoiser
from disc.pipeline.context import Context
from disc.pipeline.run import all_stages
from disc.presets import PRESETS, gpu, laptop, paper
from disc.sample.sampler import Sampler
from disc.sample.solver import denoise, draw_noise
from disc.settings.distillation import Student
from disc.settings.sampling import Sample, Solver
from disc.settings.synthesis import STUDENT, VARIANTS
from tests.sample.small_denoiser import SMALL, build_small_denoiser

FAST = ("sd-disc", "sd-disc-cotrain", "sd-disc-fast")


def test_the_student_is_sampled_by_its_own_solver_and_others_are_not():
    denoiser = build_small_denoiser()
    settings = Sample(solver=Solver(steps=3, spacing="trailing"))
    own = Student(evaluations=2).solver
    sampler = Sampler(
        None, {"sd": denoiser, "sd-disc-fast": denoiser}, settings, {"sd-disc-fast": own}
    )
    masks, noise = np.full((2, 32, 32), 1, np.uint8), draw_noise([1, 2], 8)
    calls = []
    denoiser.unet.register_forward_hook(lambda *_: calls.append(1))
    fast = sampler.draw_latents("sd-disc-fast", masks, [1, 2])
    assert len(calls) == 2
    plain = sampler.draw_latents("sd", masks, [1, 2])
    assert len(calls) == 5
    targets = torch.from_numpy(masks)
    torch.testing.assert_close(
        fast, denoise(denoiser, noise, targets, replace(settings, solver=own))
    )
    torch.testing.assert_close(plain, denoise(denoiser, noise, targets, settings))


@pytest.mark.parametrize("evaluations", [1, 2, 4])
def test_its_time_steps_are_those_that_it_learns_on(evaluations):
    student = Student(evaluations=evaluations)
    steps = Denoiser(SMALL).schedule.make_scheduler(student.solver).timesteps.tolist()
    assert steps == sorted(steps, reverse=True)
    assert len(steps) == evaluations
    assert steps[0] == 999
    assert set(steps) <= set(student.visited)


@pytest.mark.parametrize("name", PRESETS)
def test_small_presets_alone_have_a_student_and_none_generates_slides_with_it(name):
    run = PRESETS[name]()
    names = [stage.name for stage in all_stages(Context(run, Path("nowhere")))]
    students = [STUDENT] if name in {"smoke", "demo", "laptop", "phantom"} else []
    assert [name for name in names if STUDENT in name] == [f"denoiser/{s}" for s in students]
    expected = ("sd", "sd-sc") if name == "phantom" else VARIANTS
    assert run.variants == (*expected, *students)


def test_a_run_with_a_student_leaves_other_stages_as_they_are():
    with_student = laptop()
    run = replace(with_student, distil=replace(with_student.distil, variants=FAST[:2]))
    one, other = (
        {stage.name: stage for stage in all_stages(Context(r, Path("nowhere")))}
        for r in (run, with_student)
    )
    assert set(other) - set(one) == {"denoiser/sd-disc-fast"}
    changed = {name for name in one if one[name].settings != other[name].settings}
    assert changed == {"agreement"}
    assert other["agreement"].needs == (*one["agreement"].needs, "denoiser/sd-disc-fast")


def test_a_student_of_a_network_that_gives_noise_is_refused():
    run = paper()
    with pytest.raises(ValueError, match=r"denoiser\.predicts v"):
        replace(run, distil=replace(run.distil, variants=FAST))


def test_slides_of_a_variant_that_is_not_trained_are_refused():
    run = gpu()
    with pytest.raises(ValueError, match=r"synthesis\.variants sd-disc-fast"):
        replace(run, synthesis=replace(run.synthesis, variants=("sd", "sd-disc-fast")))
    with pytest.raises(ValueError, match="comes twice"):
        replace(run.distil, variants=("sd-disc", "sd-disc"))
