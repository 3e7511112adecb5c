"""Latents in shards, against latents in memory that diffusers and NumPy alone make."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch

from disc.files import BadInput, write_bytes
from disc.model.autoencoder import Autoencoder, build_vq
from disc.processes import Share
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings
from disc.train.latents.encoding import encode_tiles
from disc.train.latents.latent_set import LatentSet, draw_batches, read_latents, unknown_slides

TINY = AutoencoderSettings(channels=(16, 16, 16), num_codes=32)
PX = 32
DIHEDRAL = [
    lambda x: x,
    lambda x: np.swapaxes(x, 0, 1)[::-1],
    lambda x: x[::-1, ::-1],
    lambda x: np.swapaxes(x, 0, 1)[:, ::-1],
    lambda x: x[:, ::-1],
    lambda x: np.swapaxes(x, 0, 1)[::-1, ::-1],
    lambda x: x[::-1],
    lambda x: np.swapaxes(x, 0, 1),
]
"""The symmetries of a square, by transposition and flips."""


class Tiles:
    """Generated tiles; every fourth mask is single-class, every fifth has unlabelled pixels."""

    def __init__(self, num, seed=0):
        rng = np.random.default_rng(seed)
        self.images = rng.integers(0, 256, (num, PX, PX, 3), dtype=np.uint8)
        self.masks = rng.integers(0, 4, (num, PX, PX), dtype=np.uint8)
        self.masks[::4] = np.arange(num)[::4, None, None] // 4 % 3
        self.masks[::5, :3] = 255
        self.tiles = [SimpleNamespace(name=f"tile{i}") for i in range(num)]

    def __len__(self):
        return len(self.images)

    def image(self, index):
        return self.images[index]

    def mask(self, index):
        return self.masks[index]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("disc.train.latents.encoding.CHUNK", 4)


@pytest.fixture
def tiles():
    return Tiles(14)


def autoencoder(seed=0):
    torch.manual_seed(seed)
    return Autoencoder(build_vq(TINY)).eval()


def bytes_of(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def moments(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}


def in_memory(tiles, versions):
    """The same set, of diffusers' encoder and plain NumPy, one image at a time."""
    vq, rows = autoencoder().vq, range(len(tiles))
    latents, masks = [], []
    for i in rows:
        for transform in DIHEDRAL[:versions]:
            image = np.ascontiguousarray(transform(tiles.images[i]).transpose(2, 0, 1))
            with torch.no_grad():
                unit = torch.from_numpy(image)[None].float() / 127.5 - 1
                latents.append(vq.quant_conv(vq.encoder(unit))[0].numpy())
            masks.append(transform(tiles.masks[i]))
    scale = np.std(np.array(latents, np.float64), ddof=1)
    joined = np.array(latents).reshape(len(tiles), versions, 3, PX // 4, PX // 4) / scale
    classes = [set(np.unique(tiles.masks[i])) for i in rows]
    labels = [found.pop() if len(found) == 1 else -1 for found in classes]
    stacked = np.stack(masks).reshape(len(tiles), versions, PX, PX)
    latent_set = LatentSet(
        torch.from_numpy(joined).float(),
        torch.from_numpy(stacked),
        np.array(labels),
        unknown_slides(len(tiles)),
    )
    return latent_set, float(scale)


def whole(latent_set):
    """Latents and masks of all tiles in all versions."""
    num, versions = latent_set.latents.shape[:2]
    at = torch.arange(num).repeat_interleave(versions), torch.arange(versions).repeat(num)
    return latent_set.latents[at], latent_set.masks[at]


@pytest.mark.parametrize("versions", [1, 8])
def test_batches_are_those_of_an_independent_set_in_memory(tiles, tmp_path, versions):
    expected, scale = in_memory(tiles, versions)
    assert encode_tiles(autoencoder(), tiles, tmp_path, versions) == pytest.approx(scale, rel=1e-5)
    found = read_latents(tmp_path)
    assert tuple(found.latents.shape) == tuple(expected.latents.shape)
    assert tuple(found.masks.shape) == tuple(expected.masks.shape)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.known() == expected.known() == [0, 1, 2, 3]
    names = {"batch": 6, "uniform_fraction": 0.5, "seed": 1, "purpose": "x"}
    for step in (0, 1, 5):
        one, other = (draw_batches(s, **names)(step) for s in (found, expected))
        torch.testing.assert_close(one["latents"], other["latents"], atol=1e-4, rtol=0)
        assert torch.equal(one["masks"], other["masks"])


def test_latents_have_a_standard_deviation_of_one(tiles, tmp_path):
    encode_tiles(autoencoder(), tiles, tmp_path, 2)
    assert float(whole(read_latents(tmp_path))[0].std()) == pytest.approx(1, abs=1e-5)


def test_float16_rounds_within_its_bound(tiles, tmp_path):
    encode_tiles(autoencoder(), tiles, tmp_path / "exact", 4)
    encode_tiles(autoencoder(), tiles, tmp_path / "half", 4, "float16")
    exact, half = (whole(read_latents(tmp_path / name))[0] for name in ("exact", "half"))
    assert half.dtype == torch.float32
    errors = (half - exact).abs()
    assert bool((errors <= exact.abs() * (2**-11 + 1e-6) + 1e-6).all())
    assert 0 < float(errors.square().mean().sqrt()) < 5e-4
    sizes = [
        sum(len(v) for k, v in bytes_of(tmp_path / n).items() if "shards" in k)
        for n in ("exact", "half")
    ]
    assert sizes[0] - sizes[1] == pytest.approx(exact.numel() * 2, abs=100)  # headers


def test_a_stopped_encoding_resumes_to_the_same_bytes(tiles, tmp_path, monkeypatch):
    encode_tiles(autoencoder(), tiles, tmp_path / "whole", 2)
    written = []

    def stop(path, data):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write_bytes(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("disc.train.latents.shards.write_bytes", stop)
        encode_tiles(autoencoder(), tiles, tmp_path / "stopped", 2)
    before = moments(tmp_path / "stopped")
    assert len(before) == 2
    encode_tiles(autoencoder(), tiles, tmp_path / "stopped", 2)
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "stopped")
    after = moments(tmp_path / "stopped")
    assert before.items() <= after.items()


def test_only_stale_shards_are_made_again(tiles, tmp_path):
    folder = tmp_path / "again"
    encode_tiles(autoencoder(), tiles, folder, 2)
    first = moments(folder)
    encode_tiles(autoencoder(), Tiles(14), folder, 2)
    assert moments(folder) == first
    tiles.images[5, 0, 0, 0] ^= 1
    tiles.masks[13, 0, 0] = 3
    encode_tiles(autoencoder(), tiles, folder, 2)
    second = moments(folder)
    assert [second[name] != first[name] for name in sorted(first)] == [False, True, False, True]
    encode_tiles(autoencoder(), tiles, tmp_path / "fresh", 2)
    assert bytes_of(folder) == bytes_of(tmp_path / "fresh")


@pytest.mark.parametrize("change", ["weights", "config", "versions", "dtype"])
def test_another_recipe_makes_every_shard_stale(tiles, tmp_path, change):
    encode_tiles(autoencoder(), tiles, tmp_path, 2)
    before = moments(tmp_path)
    other = autoencoder(seed=1 if change == "weights" else 0)
    if change == "config":
        other.vq.register_to_config(norm_num_groups=8)
    dtype = "float16" if change == "dtype" else "float32"
    encode_tiles(other, tiles, tmp_path, 3 if change == "versions" else 2, dtype)
    after = moments(tmp_path)
    assert all(after[name] != before[name] for name in before)


def test_a_smaller_set_leaves_no_shard_of_the_larger(tiles, tmp_path):
    encode_tiles(autoencoder(), tiles, tmp_path / "one", 1)
    (tmp_path / "one" / "shards" / ".latents_000000.safetensors.1.tmp").write_bytes(b"killed")
    encode_tiles(autoencoder(), Tiles(7), tmp_path / "one", 1)
    encode_tiles(autoencoder(), Tiles(7), tmp_path / "two", 1)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def corrupt(path, how):
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    header = safetensors.safe_open(path, "pt")
    sizes = {name: header.get_tensor(name).nbytes for name in header.keys()}  # noqa: SIM118
    total = len(data) - start
    assert sum(sizes.values()) == total
    if how == "cut":
        data = data[:-5]
    elif how == "header":
        data[9] ^= 255
    else:
        tensors = safetensors.torch.load(bytes(data))
        part = tensors[how].flatten()
        data[start + data[start:].index(part.numpy().tobytes()) + 10] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "header", "latents", "masks"])
def test_a_damaged_shard_is_refused_by_name_and_made_again(tiles, tmp_path, how):
    encode_tiles(autoencoder(), tiles, tmp_path, 2)
    good = bytes_of(tmp_path)
    name = "latents_000002.safetensors"
    corrupt(tmp_path / "shards" / name, how)
    with pytest.raises(BadInput, match=rf"{name}: damaged.*delete .*done\.json"):
        whole(read_latents(tmp_path))
    encode_tiles(autoencoder(), tiles, tmp_path, 2)
    assert bytes_of(tmp_path) == good


def test_a_shard_of_another_set_and_a_missing_one_are_refused(tiles, tmp_path):
    encode_tiles(autoencoder(), tiles, tmp_path / "one", 1)
    encode_tiles(autoencoder(), Tiles(14, seed=1), tmp_path / "two", 1)
    names = ["one/shards/latents_000001.safetensors", "two/shards/latents_000001.safetensors"]
    (tmp_path / names[1]).rename(tmp_path / names[0])
    with pytest.raises(BadInput, match=r"latents_000001.*made of .*expected"):
        read_latents(tmp_path / "one")
    with pytest.raises(FileNotFoundError, match=r"latents_000001.*no such shard"):
        read_latents(tmp_path / "two")
    index = tmp_path / "two" / "latents.json"
    index.write_text('{"scale": 1.0, "shards": []}')
    with pytest.raises(BadInput, match=r"latents\.json: damaged \(shards"):
        read_latents(tmp_path / "two")


def test_two_processes_write_what_one_writes(tiles, tmp_path, monkeypatch):
    encode_tiles(autoencoder(), tiles, tmp_path / "one", 2)
    barrier, own = threading.Barrier(2), threading.local()
    monkeypatch.setattr("disc.train.latents.encoding.own_share", lambda: own.share)
    monkeypatch.setattr("disc.train.latents.encoding.wait_for_all", lambda: barrier.wait(60))
    networks, scales = [autoencoder(), autoencoder()], {}

    def work(rank):
        own.share = Share(rank, 2)
        scales[rank] = encode_tiles(networks[rank], tiles, tmp_path / "two", 2)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scales[0] == scales[1] == networks[1].scale
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_a_subset_keeps_what_belongs_together(tiles, tmp_path):
    encode_tiles(autoencoder(), tiles, tmp_path, 3)
    all_of_it = read_latents(tmp_path)
    part = all_of_it.subset([9, 4, 12]).subset([0, 2])
    latents, masks = whole(all_of_it)
    rows = [9 * 3, 9 * 3 + 1, 9 * 3 + 2, 12 * 3, 12 * 3 + 1, 12 * 3 + 2]
    assert torch.equal(whole(part)[0], latents[rows])
    assert torch.equal(whole(part)[1], masks[rows])
    np.testing.assert_array_equal(part.labels, all_of_it.labels[[9, 12]])
    assert all_of_it.subset([4]).known() == [1]


def test_latents_that_are_not_finite_are_refused_by_the_tile(tiles, tmp_path):
    network = autoencoder()
    encode = network.encode
    network.encode = lambda images: encode(images) * (1e38 if len(images) == 8 else 1)
    with pytest.raises(BadInput, match="tile0: its latents are not finite as float16"):
        encode_tiles(network, tiles, tmp_path, 2, "float16")
