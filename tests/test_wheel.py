"""The wheel: what is in it, and that it works where there is no source tree."""

import email
import email.message
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, so that no old `build/` gets in; nothing is downloaded."""
    copy, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "disc", copy / "disc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    call(
        [
            sys.executable,
            "-c",
            f"from setuptools import build_meta as b; b.build_wheel({str(out)!r})",
        ],
        copy,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def disc(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a new environment that has the wheel, and beside it what it depends on."""
    home = tmp_path_factory.mktemp("environment")
    call([sys.executable, "-m", "venv", str(home)], home)
    python = home / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    call([*pip, str(wheel)], home)
    # The path alone: .pth files in that folder, an editable disc's among them, are not followed.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = "import disc; print(disc.__file__)"
    assert Path(call([str(python), "-c", where], home).strip()).is_relative_to(site)
    return home / "bin" / "disc"


def call(words: list[str], folder: Path) -> str:
    """What a command prints, run in a folder without what this process's environment adds."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        words, cwd=folder, env=keep, capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, f"{words}: {done.stderr[-2000:]}"
    return done.stdout


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def package_files() -> Iterator[str]:
    for path in (ROOT / "disc").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(ROOT))


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == set(package_files())
    assert {"disc/py.typed", "disc/report/page.html", "disc/report/frame/page.css"} <= inside
    assert {"disc/pipeline/weights/card.md.jinja", "disc/studio/page/index.html"} <= inside


def test_its_description_needs_no_repository(wheel: Path) -> None:
    found = metadata(wheel)
    text = found.get_payload(decode=True).decode()
    assert found["Description-Content-Type"] == "text/markdown"
    assert "make demo" in text and "docs/results.md" in text
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets and all(target.startswith("https://") for target in targets)
    assert found["Author"] == "disc developers" and found["License-Expression"] == "Apache-2.0"


def test_it_draws_checks_and_runs_outside_the_tree(disc: Path, tmp_path: Path) -> None:
    call([str(disc), "phantom", "--kind", "sicapv2", "--out", "sim"], tmp_path)
    assert "0 error" in call([str(disc), "check", "sim"], tmp_path)
    assert (tmp_path / "check.html").stat().st_size > 10_000
    assert "report: " in call([str(disc), "run", "smoke"], tmp_path)
    assert (tmp_path / "runs/smoke/report/index.html").stat().st_size > 100_000
