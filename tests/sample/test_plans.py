"""Plans: their limit cases, and what may not change a tile."""

import dataclasses

import pytest
import torch

from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.sample.cost import count_evaluations
from disc.sample.plans import Plan
from disc.sample.regions import beside_borders, shrink_masks
from disc.sample.separated import denoise_labels, fuse
from disc.sample.solver import denoise, draw_noise
from disc.sample.trajectory import Order, follow_plan
from disc.settings.sampling import Sample, Solver
from tests.sample.small_denoiser import SMALL, build_small_denoiser

SOLVERS = {
    "ddim": Solver(name="ddim", steps=4, spacing="trailing"),
    "ddim eta": Solver(name="ddim", steps=4, spacing="trailing", eta=0.7),
    "dpmpp-2m": Solver(name="dpmpp-2m", steps=4, spacing="logsnr"),
    "unipc": Solver(name="unipc", steps=4, spacing="logsnr"),
    "guided": Solver(steps=4, spacing="trailing", guidance=2.0, guidance_interval=(400, 800)),
}
PLANS = [
    *("plain", "end", "switch@0.5", "late@0.5", "step", "step-null", "guide@1.5"),
    *("guide@2:300-700", "heal@500", "heal@500:2"),
]
SEEDS = [3, 1, 4, 15, 9, 2, 6]
ALIKE = {
    *(("end", "ddim"), ("end", "ddim eta"), ("end", "unipc"), ("guide@1.5", "guided")),
    *(("switch@1", "ddim eta"), ("guide@1", "guided")),
}
"""Plans and solvers that are tested always, beside all plans with one solver; others are slow."""


def with_solvers(cases, solvers=SOLVERS):
    """Cases, which begin with a plan, under every solver."""
    return [
        pytest.param(
            *case,
            solver,
            marks=() if solver == "dpmpp-2m" or (case[0], solver) in ALIKE else pytest.mark.slow,
        )
        for solver in solvers
        for case in cases
    ]


@pytest.fixture(scope="module")
def denoiser():
    return build_small_denoiser()


@pytest.fixture(scope="module")
def masks():
    """Seven tiles: two of one label, others of two and three, one partly unknown."""
    masks = torch.zeros(7, 32, 32, dtype=torch.uint8)
    masks[0] = 2
    masks[1, :, 16:] = 1
    masks[2, 8:] = 3
    masks[2, 20:, 16:] = 2
    masks[3, :20] = 255
    masks[4, 5:20, 5:20] = 3
    masks[6, :, :7] = 2
    return masks


def draw(denoiser, masks, plan, solver="dpmpp-2m", *, batch=64, seeds=None):
    seeds = seeds or SEEDS[: len(masks)]
    sample = Sample(solver=SOLVERS[solver], batch=batch)
    order = Order(draw_noise(seeds, 8), masks, seeds=seeds)
    return follow_plan(denoiser, order, Plan.parse(plan), sample)


@pytest.fixture(scope="module")
def draw_once(denoiser):
    """`draw` with this network; what was drawn for one test serves the others."""
    drawn = {}

    def find(masks, plan, solver="dpmpp-2m"):
        key = masks.numpy().tobytes(), plan, solver
        if key not in drawn:
            drawn[key] = draw(denoiser, masks, plan, solver)
        return drawn[key]

    return find


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_healing_from_before_the_last_step_is_refused(denoiser, masks):
    with pytest.raises(BadInput, match="last time step is 249"):
        draw(denoiser, masks[:2], "heal@100", "ddim")


@pytest.mark.parametrize(("plan", "solver"), with_solvers([(plan,) for plan in PLANS]))
def test_a_tile_of_one_label_is_denoised_plainly_under_every_plan(draw_once, masks, plan, solver):
    """In the company of others; with all solvers but one, of one other."""
    company = masks if solver == "dpmpp-2m" else masks[[0, 1]]
    alike = [0, 5] if solver == "dpmpp-2m" else [0]
    found = draw_once(company, plan, solver)[alike]
    close(found, draw_once(company, "plain", solver)[alike])


@pytest.mark.parametrize(
    ("plan", "limit", "solver"),
    with_solvers(
        [
            *(("switch@0", "plain"), ("switch@1", "end"), ("late@0", "end"), ("late@1", "plain")),
            *(("guide@0", "plain"), ("guide@1", "step"), ("guide@7:2-9", "plain")),
        ]
    ),
)
def test_limits_of_plans_are_other_plans(draw_once, masks, plan, limit, solver):
    some = masks if solver == "dpmpp-2m" else masks[:3]
    close(draw_once(some, plan, solver), draw_once(some, limit, solver))


def test_plans_differ_where_a_tile_has_several_labels(draw_once, masks):
    tiles = [draw_once(masks, plan)[2] for plan in PLANS]
    for i, first in enumerate(tiles):
        for second in tiles[i + 1 :]:
            assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("solver", SOLVERS)
def test_end_is_the_bank_and_a_mask(denoiser, masks, solver):
    """Eq. 2, by the bank's own way: every label of every noise, then fused."""
    known = masks[[0, 1, 2, 4, 5]]
    seeds, sample = SEEDS[:5], Sample(solver=SOLVERS[solver])
    every = torch.ones(5, 4, dtype=torch.bool)
    bundles = denoise_labels(denoiser, draw_noise(seeds, 8), every, sample, seeds=seeds)
    close(draw(denoiser, known, "end", solver), fuse(bundles, known))


def test_fused_predictions_are_the_hand_written_ones(denoiser, masks):
    """`step` and `guide`, written out for one tile with the solver of the paper."""
    mask, solver = masks[2:3], SOLVERS["ddim"]
    region = shrink_masks(mask, 8)[0]
    for plan, weight in [("step", 1.0), ("guide@1.5", 1.5)]:
        z = draw_noise([5], 8)
        scheduler = denoiser.schedule.make_scheduler(solver)
        with torch.inference_mode():
            for t in scheduler.timesteps:
                joint = denoiser(z, t[None], mask)
                fused = sum(
                    denoiser(z, t[None], torch.full_like(mask, k)) * (region == k) for k in range(4)
                )
                predicted = joint + weight * (fused - joint)
                z = scheduler.step(predicted, t, z).prev_sample
        close(draw(denoiser, mask, plan, "ddim", seeds=[5]), z)


def test_step_null_hides_the_rest_of_the_tile(denoiser, masks):
    mask, solver = masks[1:2], Solver(name="ddim", steps=1, spacing="trailing")
    noise, sample = draw_noise([1], 8), Sample(solver=solver)
    sides = [torch.where(mask == k, mask, torch.full_like(mask, 255)) for k in (0, 1)]
    left, right = (denoise(denoiser, noise, side, sample) for side in sides)
    found = follow_plan(denoiser, Order(noise, mask), Plan.parse("step-null"), sample)
    close(found[..., :4], left[..., :4])
    close(found[..., 4:], right[..., 4:])


@pytest.mark.parametrize("solver", ["dpmpp-2m", "ddim eta"])
def test_all_labels_of_a_tile_share_all_noise(denoiser, masks, solver):
    """A network that does not see its mask cannot tell labels apart: nothing else may."""
    blind = Denoiser(dataclasses.replace(SMALL, condition="concat")).eval()
    blind.unet.conv_in.weight.data[:, 3:] = 0
    plain = draw(blind, masks, "plain", solver)
    for plan in ("end", "switch@0.5", "late@0.5", "step", "guide@2"):
        close(draw(blind, masks, plan, solver), plain)


def test_unknown_pixels_follow_the_whole_mask(draw_once, masks):
    unknown, plain = draw_once(masks, "end")[3], draw_once(masks, "plain")[3]
    close(unknown[..., :5, :], plain[..., :5, :])
    assert (unknown[..., 5:, :] - plain[..., 5:, :]).abs().max() > 1e-3


def test_a_band_is_healed_and_the_rest_stays(denoiser, draw_once, masks):
    end, healed = draw_once(masks, "end"), draw(denoiser, masks, "heal@500:1")
    near = torch.zeros(8, 8, dtype=torch.bool)
    near[:, 3:5] = True
    assert torch.equal(beside_borders(shrink_masks(masks[1:2], 8), 1)[0], near)
    close(healed[1][:, ~near], end[1][:, ~near])
    assert (healed[1] - end[1])[:, near].abs().max() > 1e-3
    whole = draw_once(masks, "heal@500")
    assert (whole[1] - end[1])[:, ~near].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("plan", "solver"),
    with_solvers([(plan,) for plan in PLANS], ("dpmpp-2m", "ddim eta", "guided")),
)
def test_a_tile_depends_on_neither_batch_nor_order(denoiser, draw_once, masks, plan, solver):
    reference = draw_once(masks, plan, solver)
    transformed = draw(denoiser, masks.flip(0), plan, solver, batch=3, seeds=SEEDS[::-1])
    close(transformed.flip(0), reference)
    close(draw(denoiser, masks[4:5], plan, solver, seeds=[SEEDS[4]]), reference[4:5])


def test_groups_of_tiles_change_nothing(denoiser, draw_once, masks, monkeypatch):
    reference = draw_once(masks, "step")
    monkeypatch.setattr("disc.sample.trajectory.GROUP", 1)
    close(draw(denoiser, masks, "step", batch=2), reference)


@pytest.mark.parametrize(
    ("plan", "solver"),
    [*((plan, "dpmpp-2m") for plan in PLANS), ("end", "guided"), ("guide@1.5", "guided")],
)
def test_what_a_plan_costs_is_what_the_network_is_asked(denoiser, masks, plan, solver, monkeypatch):
    targets = []
    original = Denoiser.predict

    def predict(self, z_t, t, condition):
        targets.append(len(z_t))
        return original(self, z_t, t, condition)

    monkeypatch.setattr(Denoiser, "predict", predict)
    draw(denoiser, masks, plan, solver)
    counted = count_evaluations(masks.numpy(), Plan.parse(plan), denoiser.schedule, SOLVERS[solver])
    assert counted.sum() == sum(targets)
    cost = dict(zip(PLANS, [4, 12, 8, 8, 12, 12, 16, 14, 14, 14], strict=True))
    if solver == "dpmpp-2m" and "heal" not in plan and "-" not in plan:
        assert counted[2] == cost[plan]  # three labels, four steps
        assert counted[0] == 4


@pytest.mark.parametrize("plan", ["plain", "end", "step", "heal@500"])
def test_every_step_is_told_and_the_teller_may_end_it(denoiser, masks, plan, monkeypatch):
    monkeypatch.setattr("disc.sample.trajectory.GROUP", 1)
    order, told = Order(draw_noise(SEEDS, 8), masks, seeds=SEEDS), []
    sample = Sample(solver=SOLVERS["dpmpp-2m"], batch=3)

    def end(done, total):
        raise TimeoutError(done)

    follow_plan(denoiser, order, Plan.parse(plan), sample, lambda *step: told.append(step))
    (total,) = {total for _, total in told}
    done = [number for number, _ in told]
    assert done == sorted(set(done)) and done[-1] <= total
    assert "heal" in plan or done == list(range(1, total + 1))
    assert total % sample.solver.steps == 0 or "heal" in plan
    with pytest.raises(TimeoutError, match="1"):
        follow_plan(denoiser, order, Plan.parse(plan), sample, end)


def test_batches_are_full_but_for_the_last(denoiser, masks, monkeypatch):
    sizes = []
    original = Denoiser.predict
    monkeypatch.setattr(
        Denoiser, "predict", lambda self, z, t, c: sizes.append(len(z)) or original(self, z, t, c)
    )
    draw(denoiser, masks, "end", batch=4)
    rows = 2 * 1 + 2 * 4 + 3  # of one label; of two, one being unknown; of three
    assert sizes == [4, 4, 4, rows - 12] * 4


def test_a_condition_is_encoded_once(denoiser, masks, monkeypatch):
    encoded = []
    original = denoiser.encode.forward
    monkeypatch.setattr(
        denoiser.encode, "forward", lambda m, s=None: encoded.extend(m) or original(m, s)
    )
    draw(denoiser, masks, "end")
    different = {mask.numpy().tobytes() for mask in encoded}
    assert len(encoded) == len(different) == 4 + 5  # uniform ones, and those of several labels


def test_noise_without_seeds_is_refused(denoiser, masks):
    sample = Sample(solver=SOLVERS["ddim eta"])
    with pytest.raises(ValueError, match="seeds"):
        denoise(denoiser, draw_noise([1], 8), masks[:1], sample)


def test_slides_labels_reach_every_label_of_a_tile(masks):
    torch.manual_seed(0)
    by_slide = Denoiser(dataclasses.replace(SMALL, condition="tile+slide-label")).eval()
    sample = Sample(solver=SOLVERS["ddim"])
    bits = torch.tensor([[1, 0, 1, 0]], dtype=torch.uint8)
    noise, mask = draw_noise([1], 8), masks[1:2]
    found = follow_plan(by_slide, Order(noise, mask, bits), Plan.parse("end"), sample)
    right = denoise(by_slide, noise, torch.ones_like(mask), sample, bits)
    close(found[..., 4:], right[..., 4:])
    other = follow_plan(by_slide, Order(noise, mask, 1 - bits), Plan.parse("end"), sample)
    assert (found - other).abs().max() > 1e-4


@pytest.mark.parametrize("text", ["guide@1.2345678", "switch@0.75", "heal@250:2", "guide@1e-07"])
def test_a_plan_is_read_back_as_it_was(text):
    assert Plan.parse(str(Plan.parse(text))) == Plan.parse(text)
