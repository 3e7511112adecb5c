import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from disc.files import BadInput
from disc.model.denoiser import Denoiser
from disc.sample.bank import INDEX, bundle_seed, fill_bank, list_shards, read_bank
from disc.sample.separated import denoise_labels
from disc.sample.solver import draw_noise
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.sampling import Sample, Solver

SETTINGS = Sample(solver=Solver(steps=2, spacing="trailing"))
OTHER = replace(SETTINGS, solver=Solver(steps=3, spacing="trailing"))
SMALL = DenoiserSettings(
    channels=(16, 16), attention=(False, True), head_channels=16, context=16, token_stride=8
)


@pytest.fixture(scope="module")
def denoiser():
    torch.manual_seed(0)
    return Denoiser(SMALL).eval()


@pytest.fixture(autouse=True)
def few_a_shard(monkeypatch):
    monkeypatch.setattr("disc.sample.bank.CHUNK", 2)


def fill(folder, denoiser, num=3, settings=SETTINGS, **changes):
    facts = {"labels": [0, 2], "latent_px": 8, "seed": 1, **changes}
    fill_bank(denoiser, folder, settings, num=num, **facts)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def whole(bank):
    return bank.take(range(len(bank)))


def test_a_bundle_can_be_drawn_again_from_its_seed(tmp_path, denoiser):
    fill(tmp_path, denoiser)
    bank = read_bank(tmp_path)
    assert bank.labels == (0, 2) and len(bank) == 3 and bank.num_labels == 4
    assert bank.seeds == [bundle_seed(1, i) for i in range(3)]
    wanted = torch.tensor([[True, False, True, False]])
    again = denoise_labels(denoiser, draw_noise(bank.seeds[2:], 8), wanted, SETTINGS)
    torch.testing.assert_close(bank.take([2]), again, atol=1e-4, rtol=1e-4)
    assert torch.equal(bank.draw_noise([2, 0]), draw_noise([bank.seeds[2], bank.seeds[0]], 8))


def test_bundles_are_taken_in_any_order_and_counted_from_the_first(tmp_path, denoiser):
    fill(tmp_path, denoiser, num=5)
    bank = read_bank(tmp_path)
    every = torch.cat(list(bank.shards))
    assert torch.equal(bank.take([4, 1, 2, 1]), every[[4, 1, 2, 1]])
    part = bank.first(3)
    assert torch.equal(whole(part), every[:3]) and part.seeds == bank.seeds[:3]
    expected = float(every[:, [0, 2]].std())
    assert bank.standard_deviation() == pytest.approx(expected, rel=1e-5)


def test_a_stopped_bank_goes_on_to_the_same_bytes(tmp_path, denoiser):
    fill(tmp_path / "whole", denoiser)
    fill(tmp_path / "stopped", denoiser)
    kept, last = list_shards(tmp_path / "stopped")
    moment = kept.stat().st_mtime_ns
    last.unlink()
    (tmp_path / "stopped" / INDEX).unlink()
    (tmp_path / "stopped" / f".{last.name}.1.tmp").write_bytes(b"killed")
    with pytest.raises(BadInput, match=r"stopped: unfinished \(no bank\.json\)"):
        read_bank(tmp_path / "stopped")
    fill(tmp_path / "stopped", denoiser)
    assert contents(tmp_path / "whole") == contents(tmp_path / "stopped")
    assert kept.stat().st_mtime_ns == moment


def test_a_bank_grows_to_the_bytes_of_a_larger_one_and_never_shrinks(tmp_path, denoiser):
    fill(tmp_path / "grown", denoiser, num=3)
    fill(tmp_path / "grown", denoiser, num=5)
    fill(tmp_path / "large", denoiser, num=5)
    assert contents(tmp_path / "grown") == contents(tmp_path / "large")
    with pytest.raises(BadInput, match="holds 5 bundles, not 3; ask for 5 or more"):
        fill(tmp_path / "grown", denoiser, num=3)
    assert contents(tmp_path / "grown") == contents(tmp_path / "large")


@pytest.mark.parametrize("name", ["old", "000001"])
def test_a_file_that_no_bank_writes_is_refused(name, tmp_path, denoiser):
    fill(tmp_path, denoiser)
    shutil.copy(list_shards(tmp_path)[0], tmp_path / f"bundles_{name}.safetensors")
    before = contents(tmp_path)
    with pytest.raises(BadInput, match=rf"bundles_{name}.safetensors: no shard that a bank"):
        fill(tmp_path, denoiser, num=5)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": OTHER}, "solver dpmpp-2m 2 trailing, not dpmpp-2m 3 trailing"),
        ({"labels": [0, 1]}, r"labels \(0, 2\), not \(0, 1\)"),
        ({"seed": 2}, "seed 1, not 2"),
        ({"latent_px": 16}, "latent_px 8, not 16"),
    ],
)
def test_bundles_of_other_settings_are_not_mixed(tmp_path, denoiser, changes, said):
    fill(tmp_path, denoiser)
    before = contents(tmp_path)
    with pytest.raises(BadInput, match=rf"bundles_000000.safetensors: made with {said}"):
        fill(tmp_path, denoiser, **{"num": 5, **changes})
    assert contents(tmp_path) == before


def test_bundles_of_other_weights_are_not_mixed(tmp_path, denoiser):
    fill(tmp_path, denoiser)
    torch.manual_seed(1)
    with pytest.raises(BadInput, match=r"made with weights \w+, not \w+; give another folder"):
        fill(tmp_path, Denoiser(SMALL).eval(), num=5)


def flip_a_bit(path: Path, name: str) -> None:
    data = bytearray(path.read_bytes())
    value = safetensors.torch.load(bytes(data))[name].numpy().tobytes()
    data[data.index(value) + 5] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: flip_a_bit(path, "latents"), r"damaged \(another hash than when"),
        (lambda path: flip_a_bit(path, "seeds"), r"damaged \(seeds that are not those of seed 1"),
        (cut, r"damaged \("),
        (Path.unlink, "no such shard"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused_and_made_again(tmp_path, denoiser, damage, said):
    fill(tmp_path, denoiser)
    before, path = contents(tmp_path), list_shards(tmp_path)[1]
    damage(path)
    with pytest.raises((BadInput, FileNotFoundError), match=rf"bundles_000002.safetensors: {said}"):
        read_bank(tmp_path)
    path.unlink(missing_ok=True)
    fill(tmp_path, denoiser)
    assert contents(tmp_path) == before


def test_a_damaged_shard_does_not_go_into_a_bank_that_is_continued(tmp_path, denoiser):
    fill(tmp_path, denoiser)
    flip_a_bit(list_shards(tmp_path)[0], "latents")
    with pytest.raises(BadInput, match=r"damaged .* delete it, and the same command"):
        fill(tmp_path, denoiser)


def test_a_shard_of_another_bank_is_refused(tmp_path, denoiser):
    fill(tmp_path / "one", denoiser)
    fill(tmp_path / "two", denoiser, settings=OTHER)
    name = list_shards(tmp_path / "one")[1].name
    shutil.copy(tmp_path / "two" / name, tmp_path / "one" / name)
    with pytest.raises(BadInput, match=r"not the shard that bank\.json lists"):
        read_bank(tmp_path / "one")
    (tmp_path / "one" / INDEX).write_text(json.dumps({"version": 1}))
    with pytest.raises(BadInput, match=r"bank\.json: damaged \(facts: Field required"):
        read_bank(tmp_path / "one")


def test_banks_from_before_there_was_an_index_are_read_and_not_added_to(tmp_path, denoiser):
    fill(tmp_path / "new", denoiser)
    for path in list_shards(tmp_path / "new"):
        plain = safetensors.torch.save(safetensors.torch.load(path.read_bytes()))
        (tmp_path / path.name).write_bytes(plain)
    old, new = read_bank(tmp_path), read_bank(tmp_path / "new")
    assert torch.equal(whole(old), whole(new))
    assert (old.labels, old.seeds, old.facts) == (new.labels, new.seeds, None)
    with pytest.raises(BadInput, match=f"older bank.*delete the folder {tmp_path}, and the same"):
        fill(tmp_path, denoiser)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells what is mapped")
def test_latents_are_mapped_and_not_held(tmp_path, denoiser):
    fill(tmp_path, denoiser)
    bank = read_bank(tmp_path)
    mapped = {
        line.split()[-1]: [int(end, 16) for end in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text().splitlines()
    }
    for path, latents in zip(list_shards(tmp_path), bank.shards, strict=True):
        first, last = mapped[str(path)]
        assert first <= latents.data_ptr() < last
