"""Every command of the documentation is run, page by page, in the order in which pages give them.

What they speak of lies there in small (`world.py`), presets train for a few steps, and numbers
that would draw thousands of tiles are smaller. Processes are one: tests/pipeline/test_processes.py
runs torchrun.
"""

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from disc import cli
from disc.audit.asked import segmenter
from disc.audit.copies import detector, new
from disc.presets import PRESETS
from disc.settings.grading import CarcinoNet
from tests.docs.test_snippets import COMMAND, blocks, words_of
from tests.docs.world import encode_run, shorten, write_world

SMALLER = {
    r"--slides-per-grade \d+": "--slides-per-grade 4",
    r"--per-grade \d+": "--per-grade 2",
    r"--bundles \d+": "--bundles 8",
    r"--counts NC=70,GG3=69,GG4=46,GG5=91": "--counts NC=2,GG3=1,GG4=1,GG5=2",
    r"--tiles 20 100": "--tiles 2 3",
    r"tile-px 256": "tile-px 64",
    r"optim\.steps \d+": "optim.steps 2",
    r"^(phantom (?!.*--slides).*)": r"\1 --slides 2 2 2 2",
    r"^(audit .*)": r"\1 --segmenter-steps 2",
    r"\bRUN( RUN)*\b": "runs/mine",
    r"(--(?:grader|pixel)-seeds) [1-9]": r"\1 1",
    r"^(phantom .*)": r"\1 --core-um 500 700",
}
"""What is asked of a program, in less of it."""
MADE = {
    "README": ("tiles", "runs/mine", "runs/simulated", "runs/fold-safe", "vq-f4"),
    "laptop": ("tiles",),
    "own_data": ("tiles", "runs/mine"),
    "one_gpu": ("runs/mine", "runs/simulated", "vq-f4"),
    "sampling": ("drawn", "slides", "tiles"),
    "several_gpus": ("runs/simulated", "slides"),
    "encoder": ("runs/mine",),
    "training": ("runs/fold-safe",),
    "checkpoints": ("vq-f4",),
    "weights": ("slides", "biopsies", "tiles"),
}
"""Folders that a page makes itself."""
MEANT = {
    "sampling": {"masks": "tile-masks"},
    "own_data": {
        "slides": "panda/train_images",
        "masks": "panda/train_label_masks",
        "scores.csv": "panda/train.csv",
    },
}
"""What a page calls otherwise."""
pytestmark = pytest.mark.slow


def commands_of(page: Path) -> Iterator[str]:
    for block in blocks("sh"):
        if block.page == page:
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from COMMAND.findall(line)


def in_small(command: str) -> str:
    for pattern, smaller in SMALLER.items():
        command = re.sub(pattern, smaller, command.split("  #")[0])
    return command


PAGES = sorted({block.page for block in blocks("sh") if any(commands_of(block.page))})


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Presets of a few steps, small networks in audits, and a studio that ends when it began."""

    def answer(server: uvicorn.Server, sockets: object) -> None:
        with TestClient(server.config.app, base_url="http://127.0.0.1") as client:
            assert "<canvas" in client.get("/").text

    with pytest.MonkeyPatch.context() as patch:
        for name in PRESETS:
            patch.setitem(PRESETS, name, shorten(name))
        # drawing a few slides is faster than starting processes for it
        patch.setattr("disc.processes.allowed_cores", lambda: 1)
        patch.setattr(detector, "NUM_PLANTED", 20)
        patch.setattr(detector, "MAX_NULL", 60)
        patch.setattr(new, "MIN_NULL", 10)
        patch.setattr(segmenter, "WIDTH", 8)
        patch.setattr(segmenter, "Settings", partial(CarcinoNet, blocks=(1, 1)))
        patch.setattr(uvicorn.Server, "run", answer)
        yield


@pytest.fixture(scope="module")
def world(quick: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_world(folder)
    return folder


def prepare(command: str, folder: Path) -> None:
    """What a page has a reader do between two commands."""
    if re.search(r"^(tile|convert) .*--out tiles\b", command):
        shutil.rmtree(folder / "tiles", ignore_errors=True)  # pages make it in several ways
    if "--grade.feature-files" in command:
        plain = re.sub(r"--grade\.\S+ \S+", "", command)
        (name,) = re.findall(r"--name (\S+)", command)
        assert cli.main([*words_of(plain, folder), "--until", "synthetic/sd-disc-cotrain"]) == 0
        encode_run(folder / "runs" / name, folder / "my-features")
        encoded = next((folder / "my-features" / "real").glob("*.h5"))
        (folder / "new").mkdir()
        shutil.copy(encoded, folder / "new" / "slide1.h5")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_run(
    page: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    for name in MADE.get(page.stem, ()):
        shutil.rmtree(tmp_path / name)
    for name, meant in MEANT.get(page.stem, {}).items():
        if (tmp_path / name).is_dir():
            shutil.rmtree(tmp_path / name)
        shutil.move(tmp_path / meant, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for command in map(in_small, commands_of(page)):
        prepare(command, tmp_path)
        try:
            code = cli.main(words_of(command, tmp_path / "runs" / "mine" / "config.json"))
        except SystemExit as stop:
            code = int(stop.code or 0)
        assert code == 0 or "--limit" in command, command  # 1 where a limit is passed


def test_numbers_that_are_made_smaller_are_of_some_command() -> None:
    every = [command for page in PAGES for command in commands_of(page)]
    for pattern in SMALLER:
        assert any(re.search(pattern, command) for command in every), pattern
    assert len(every) > 100
