"""Every condition: what of a mask it depends on, and what not."""

import dataclasses

import numpy as np
import pytest
import torch

from disc.data.tiles.labels import count_labels, most_frequent_grade
from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.model.tokens import tile_labels
from disc.settings.denoiser import CONDITIONS
from disc.settings.denoiser import Denoiser as DenoiserSettings

SMALL = DenoiserSettings(
    channels=(16, 32), attention=(False, True), head_channels=16, context=16, token_stride=8
)


def build(condition):
    torch.manual_seed(0)
    return Denoiser(dataclasses.replace(SMALL, condition=condition)).eval()


def halves(left, right):
    """A mask [1, 32, 32] of two labels, the left one larger."""
    mask = torch.full((1, 32, 32), left, dtype=torch.uint8)
    mask[:, :, 20:] = right
    return mask


@torch.no_grad()
def predict(denoiser, mask, slides=None):
    z = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return denoiser(z, torch.tensor([400]), mask, slides)


def differ(denoiser, one, other):
    return not torch.allclose(predict(denoiser, one), predict(denoiser, other), atol=1e-6)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_label_of_a_uniform_mask_matters(condition):
    denoiser = build(condition)
    if condition == "concat":
        # its planes enter at once; the fixed token is the same for all
        assert torch.equal(
            denoiser.encode(halves(1, 1)).tokens, denoiser.encode(halves(2, 2)).tokens
        )
    assert differ(denoiser, halves(1, 1), halves(2, 2))
    assert differ(denoiser, halves(1, 1), halves(255, 255))


@pytest.mark.parametrize(
    ("condition", "is_spatial"),
    [
        *(("crossattn", True), ("concat", True), ("hybrid", True), ("layout", True)),
        *(("tile-label", False), ("tile+slide-label", False)),
    ],
)
def test_only_spatial_conditions_depend_on_where_a_label_is(condition, is_spatial):
    mask = halves(2, 1)
    assert differ(build(condition), mask, mask.flip(2)) == is_spatial


def test_a_layout_depends_on_boxes_and_not_on_outlines():
    frame = halves(0, 0)
    frame[:, 8:24, 8:24] = 1
    cut = frame.clone()
    cut[:, 8:16, 8:16] = 0
    assert not differ(build("layout"), frame, cut)
    assert differ(build("crossattn"), frame, cut)


def test_the_label_of_a_tile_is_that_of_sicapv2():
    rng = np.random.default_rng(3)
    masks = [rng.choice([0, 0, 1, 2, 3, 255], (8, 8)).astype(np.uint8) for _ in range(40)]
    expected = [int(most_frequent_grade(count_labels(mask))) for mask in masks]
    assert tile_labels(torch.from_numpy(np.stack(masks))).tolist() == expected


def test_without_a_grade_a_tile_is_benign_or_unknown():
    masks = torch.cat([halves(255, 0), halves(255, 255)])
    assert tile_labels(masks).tolist() == [0, 4]


def test_the_slide_matters_to_its_own_condition_only():
    mask = halves(1, 1)
    slides = [torch.tensor([bits], dtype=torch.uint8) for bits in ([0, 1, 0, 0], [0, 0, 1, 1])]
    for condition in CONDITIONS:
        denoiser = build(condition)
        one, other = (predict(denoiser, mask, slide) for slide in slides)
        assert torch.equal(one, other) == (condition != "tile+slide-label"), condition


def test_the_labels_of_the_mask_replace_those_of_an_unlabelled_slide():
    denoiser, mask = build("tile+slide-label"), halves(1, 3)
    unknown = torch.full((1, 4), 255, dtype=torch.uint8)
    known = torch.tensor([[0, 1, 0, 1]], dtype=torch.uint8)
    assert torch.equal(predict(denoiser, mask, unknown), predict(denoiser, mask, known))
    assert torch.equal(predict(denoiser, mask), predict(denoiser, mask, known))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_saved_and_loaded_it_is_the_same(condition, tmp_path):
    denoiser = build(condition)
    denoiser.save(tmp_path)
    again = Denoiser.load(tmp_path, dataclasses.replace(SMALL, condition=condition))
    assert torch.equal(predict(denoiser, halves(1, 2)), predict(again, halves(1, 2)))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_weight_learns(condition):
    """Data-parallel training needs a gradient of every parameter."""
    denoiser = build(condition).train()
    z = torch.randn(1, 3, 8, 8)
    denoiser(z, torch.tensor([400]), halves(1, 2)).square().mean().backward()
    assert [name for name, p in denoiser.named_parameters() if p.grad is None] == []


def test_a_checkpoint_of_another_condition_is_refused(tmp_path):
    build("concat").save(tmp_path)
    with pytest.raises(BadInput, match=r"condition is concat; expected hybrid"):
        Denoiser.load(tmp_path, SMALL)
