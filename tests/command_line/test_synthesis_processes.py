"""Synthetic slides and tiles do not depend on kills, nor on how many processes made them."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

import disc
from disc.sample.bank import read_bank
from tests.folders import contents
from tests.tiny_run import write_tiny_data, write_tiny_run

pytestmark = pytest.mark.slow
ALONE = (sys.executable, "-m")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2")
WORDS = ["--counts", "NC=10,GG3=20,GG4=20,GG5=10", "--tiles", "3", "6", "--steps", "4"]
# without --, torchrun takes --run for one of its own options
SIDE_BY_SIDE = (*TORCHRUN, "-m", "--")
NUM = 60
SAMPLE = """
import sys
import numpy as np
import disc
from disc.processes import own_share

run, folder = sys.argv[1:]
given, share = np.load(f"{folder}/given.npz"), own_share()
mine = [i for i in range(len(given["masks"])) if share.has(i)]
for plan in given["plans"].tolist():
    tiles = disc.load(run).sample(
        given["masks"][mine], plan=plan, steps=3, seed=given["seeds"][mine].tolist()
    )
    np.savez(f"{folder}/{plan} {share.rank}.npz", mine=mine, tiles=tiles)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_data(write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny"))


@pytest.fixture(scope="module")
def undisturbed(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("sets") / "whole"
    assert start(run, out).wait() == 0
    assert len(list((out / "chunks").iterdir())) == NUM
    return out


def start(run, out, *words, launcher=ALONE, command="synthesize"):
    words = words or WORDS
    return subprocess.Popen(
        [*launcher, "disc", command, "--run", str(run), "--out", str(out), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def kill_after(process, out, num):
    """Kill it once some slides are finished."""
    while process.poll() is None and len(list(out.glob("chunks/*.json"))) < num:
        time.sleep(0.005)
    assert process.poll() is None, "it ended before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_twice_a_set_ends_in_the_same_bytes(run, undisturbed, tmp_path):
    out = tmp_path / "killed"
    for num in (9, 31):
        kill_after(start(run, out), out, num)
        assert not (out / "manifest.parquet").exists()
    assert start(run, out).wait() == 0
    assert contents(out) == contents(undisturbed)


def test_two_processes_write_the_set_of_one(run, undisturbed, tmp_path):
    out = tmp_path / "two"
    assert start(run, out, launcher=SIDE_BY_SIDE).wait() == 0
    one, two = contents(undisturbed), contents(out)
    assert one.keys() == two.keys()
    chosen = {"images", "chunks"}
    assert {n: b for n, b in one.items() if n.split("/")[0] not in chosen} == {
        n: b for n, b in two.items() if n.split("/")[0] not in chosen
    }
    parts = [
        np.stack([np.asarray(Image.open(path)) for path in sorted((root / "images").iterdir())])
        for root in (undisturbed, out)
    ]
    assert_same_tiles(*parts)


def test_two_processes_sample_the_tiles_of_one(run, tmp_path):
    words = ("--recipe", "4+3", "--tiles", "70", "--steps", "2")
    assert start(run, tmp_path / "one", *words, command="sample").wait() == 0
    assert start(run, tmp_path / "two", *words, command="sample", launcher=SIDE_BY_SIDE).wait() == 0
    assert len(list((tmp_path / "one" / "images").iterdir())) == 70
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_two_processes_fill_the_bank_of_one(run, tmp_path):
    words = ("--bundles", "130", "--steps", "2")
    assert start(run, tmp_path / "one", *words, command="bank").wait() == 0
    assert start(run, tmp_path / "two", *words, command="bank", launcher=SIDE_BY_SIDE).wait() == 0
    banks = [read_bank(tmp_path / name) for name in ("one", "two")]
    one, two = (bank.take(range(130)) for bank in banks)
    assert banks[0].seeds == banks[1].seeds and banks[0].facts == banks[1].facts
    torch.testing.assert_close(one, two, atol=1e-4, rtol=0)


def test_a_tile_does_not_depend_on_the_number_of_processes(run, tmp_path):
    masks = np.zeros((9, 64, 64), np.uint8)
    for i, mask in enumerate(masks):
        mask[: 8 * i] = 1 + i % 3
        mask[:, 50:] = i % 4
    plans, seeds = ["end", "step", "heal@500"], np.arange(9) + 100
    np.savez(tmp_path / "given.npz", masks=masks, seeds=seeds, plans=plans)
    script = tmp_path / "sample.py"
    script.write_text(SAMPLE)
    command = [*TORCHRUN, str(script), str(run), str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=900)
    model = disc.load(run)
    for plan in plans:
        whole = model.sample(masks, plan=plan, steps=3, seed=seeds.tolist())
        for rank in (0, 1):
            part = np.load(tmp_path / f"{plan} {rank}.npz")
            assert part["mine"].tolist() == list(range(rank, 9, 2))
            assert_same_tiles(whole[part["mine"]], part["tiles"])


def assert_same_tiles(one, two):
    """At most 0.1 % of the 8-bit values differ by more than 1."""
    assert one.shape == two.shape
    assert (np.abs(one.astype(int) - two) > 1).mean() <= 0.001
