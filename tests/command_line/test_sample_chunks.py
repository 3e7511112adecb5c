"""`disc sample` in chunks: stopped and begun again, and shared by processes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, local

import numpy as np
import pytest
from PIL import Image

import disc
from disc import cli
from disc.api import Model
from disc.command_line import sample
from disc.processes import Share
from disc.sample.request import SampleRequest
from tests.folders import contents
from tests.tiny_run import write_tiny_run

SIDE = 64
NAMES = "abcde"
WORDS = ("--values", "sicapv2", "--steps", "2", "--seed", "3")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def masks(tmp_path):
    """Five masks with SICAPv2's values."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[: 8 + 8 * i] = 3 + i % 3
        Image.fromarray(mask).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """Chunks of two tiles, and the seeds of each that was made."""
    made, real = [], Model.sample

    def draw(self, masks, **words):
        made.append(words["seed"])
        return real(self, masks, **words)

    monkeypatch.setattr(Model, "sample", draw)
    monkeypatch.setattr(sample, "CHUNK", 2, raising=False)
    return made


def call(run, masks, out):
    words = ("--run", str(run), "--mask", str(masks), "--out", str(out), *WORDS)
    return cli.main(["sample", *words])


def pixels(path):
    return np.asarray(Image.open(path))


def test_what_was_stopped_ends_in_the_same_bytes(run, masks, tmp_path, monkeypatch, drawn):
    """Stopped within the second chunk: this is made again whole, the first is left as it is."""
    out, real = tmp_path / "out", sample.write_bytes
    assert call(run, masks, tmp_path / "whole") == 0
    seeds, written = list(drawn), []

    def stop(path, data):
        real(path, data)
        written.append(path.relative_to(out).as_posix())
        if len(written) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sample, "write_bytes", stop)
        assert call(run, masks, out) == 130
    assert written[-2:] == ["masks/b.png", "images/c.png"] and len(drawn) == len(seeds) + 2
    moment = (out / "images" / "a.png").stat().st_mtime_ns
    drawn.clear()
    assert call(run, masks, out) == 0 and drawn == seeds[1:]
    assert contents(out) == contents(tmp_path / "whole")
    assert (out / "images" / "a.png").stat().st_mtime_ns == moment
    drawn.clear()
    assert call(run, masks, out) == 0 and not drawn
    assert contents(out) == contents(tmp_path / "whole")


def test_tiles_do_not_depend_on_chunks(run, masks, tmp_path, drawn):
    assert call(run, masks, tmp_path / "out") == 0 and [len(seeds) for seeds in drawn] == [2, 2, 1]
    values = np.stack([pixels(masks / f"{name}.png") for name in NAMES])
    tiles = disc.load(run).sample(disc.masks_from_sicapv2(values), steps=2, seed=3).astype(int)
    written = np.stack([pixels(tmp_path / "out" / "images" / f"{name}.png") for name in NAMES])
    assert (np.abs(tiles - written) > 1).mean() <= 0.001


def test_two_processes_make_each_tile_once(run, masks, tmp_path, monkeypatch, drawn):
    """Two threads stand for them: each has a share of its own, and both wait for each other."""
    own, both = local(), Barrier(2, timeout=120)
    assert call(run, masks, tmp_path / "one") == 0
    alone = sorted(drawn)
    claims, claim = [], sample.claim_folder
    monkeypatch.setattr(
        sample, "claim_folder", lambda *given: claims.append(own.rank) or claim(*given)
    )
    for module in ("disc.processes", "disc.command_line.sample"):
        monkeypatch.setattr(f"{module}.own_share", lambda: Share(own.rank, 2), raising=False)
        monkeypatch.setattr(f"{module}.wait_for_all", both.wait, raising=False)
    out = tmp_path / "two"
    request = SampleRequest(run=run, out=out, mask=masks, values="sicapv2", steps=2, seed=3)

    def work(rank):
        own.rank = rank
        return sample.sample_tiles(request)

    drawn.clear()
    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(work, range(2)))
    assert sorted(drawn) == alone and claims == [0] and said[0] == said[1]
    assert contents(out) == contents(tmp_path / "one")


@pytest.mark.parametrize(("rank", "said"), [(0, "what was written\n"), (1, "")])
def test_of_several_processes_the_first_speaks(monkeypatch, tmp_path, capsys, rank, said):
    monkeypatch.setattr(sample, "sample_tiles", lambda request: "what was written")
    monkeypatch.setattr(cli, "own_share", lambda: Share(rank, 2))
    assert cli.main(["sample", "--recipe", "4+5", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == said
