"""A checkpoint that is not of this training is refused, however whole its file is."""

import pytest
import safetensors.torch
import torch

from disc.files import BadInput
from disc.train.checkpoint import NAME, restore_checkpoint, save_checkpoint
from tests.damage.run_folder import STEPS, new_state


@pytest.fixture
def written(tmp_path):
    state = new_state()
    for _ in range(3):
        state.model(torch.ones(1, 3)).sum().backward()
        state.optimizer.step()
        state.step += 1
    save_checkpoint(tmp_path, state)
    return tmp_path


def change(folder, edit):
    path = folder / NAME
    tensors = safetensors.torch.load_file(path)
    edit(tensors)
    path.write_bytes(safetensors.torch.save(tensors))  # without a seal, as older ones


def fill(name, value):
    return lambda tensors: tensors[name].fill_(value)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.update(step=torch.tensor(2**60)), "of step 1152921504606846976, where"),
        (lambda t: t.update(step=torch.tensor(-1)), "of step -1, where training takes 20"),
        (lambda t: t.pop("step"), "of step -1"),
        (lambda t: [t.pop(k) for k in list(t) if k[:9] == "optimizer"], r"'optimizer\.0\.\w+' is"),
        (lambda t: t.pop("optimizer.1.exp_avg"), r"'optimizer\.1\.exp_avg' is missing"),
        (
            lambda t: t.update({"optimizer.0.exp_avg": torch.zeros(1)}),
            r"is \[1\], expected \[2, 3\]",
        ),
        (lambda t: t.update({"optimizer.x.exp_avg": torch.zeros(1)}), "is unknown"),
        (lambda t: t.update({"ema.other": torch.zeros(1)}), r"'ema\.other' is unknown"),
        (lambda t: t.pop("ema.bias"), r"'ema\.bias' is missing"),
        (fill("ema.weight", float("nan")), r"'ema\.weight' is not finite"),
        (fill("network.bias", float("inf")), r"'network\.bias' is not finite"),
        (lambda t: t.update(best=torch.zeros(1)), r"'best\.bias' is missing"),
    ],
)
def test_it_is_refused_by_name(written, edit, said):
    change(written, edit)
    with pytest.raises(BadInput, match=rf"{NAME}: .*{said}.*delete it"):
        restore_checkpoint(written, new_state(), STEPS)


def test_an_older_one_without_a_hash_is_read(written):
    change(written, lambda tensors: None)
    state = new_state()
    restore_checkpoint(written, state, STEPS)
    assert state.step == 3


def test_a_flipped_bit_is_seen(written):
    data = bytearray((written / NAME).read_bytes())
    data[-5] ^= 1
    (written / NAME).write_bytes(bytes(data))
    with pytest.raises(BadInput, match=f"{NAME}: damaged"):
        restore_checkpoint(written, new_state(), STEPS)


def test_what_is_no_number_is_not_written(written):
    state, before = new_state(), (written / NAME).read_bytes()
    restore_checkpoint(written, state, STEPS)
    with torch.no_grad():
        state.ema.weights["bias"][0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"'ema\.bias' is not finite at step 3"):
        save_checkpoint(written, state)
    assert (written / NAME).read_bytes() == before
