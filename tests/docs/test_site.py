"""The documentation as a site: whole, without warnings, and without the network."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from disc import cli

NOTEBOOK = "notebooks/from_mask_to_grade.ipynb"
ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
LOADED = re.compile(
    r"""(?:<(?:script|img|iframe)[^>]*?\ssrc|<link[^>]*?\shref)=["'](?:https?:)?//"""
)
IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


def listed() -> list[str]:
    """The pages that the site's sections list."""
    lines = (SITE / "sections.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and line[0] not in ":`"]
    return [re.sub(r".*<(.*)>", r"\1", name) for name in names]


def test_every_page_is_in_the_site_once() -> None:
    pages = {p.relative_to(ROOT / "docs").with_suffix("").as_posix() for p in pages_of_docs()}
    assert Counter(listed()) == Counter(pages - {"index"})


def pages_of_docs() -> list[Path]:
    return sorted((ROOT / "docs").rglob("*.md"))


def test_the_first_page_links_titles_to_every_page() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    links = re.findall(r"\[([^]]+)\]\(([^)#]+)\)", text)
    assert not [title for title, _ in links if re.search(r"\.(md|ipynb)$", title)]
    assert "\n|" not in text  # the columns of a table are a word wide on a telephone
    missing = {f"{name}.md" for name in listed() if "site/" not in name} - {to for _, to in links}
    assert not missing


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module, reason="the extra docs is not installed")
    out = tmp_path_factory.mktemp("site")
    words = ["--quiet", "--fail-on-warning", "--keep-going", "--fresh-env", "-c", str(SITE)]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(ROOT / "docs"), str(out)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_the_site_has_all_commands_and_the_door(site: Path) -> None:
    commands = (site / "site" / "commands.html").read_text(encoding="utf-8")
    assert all(f"<h2>disc {name}<" in commands for name in cli.COMMANDS)
    assert commands.count("usage: disc") > len(cli.COMMANDS)
    door = (site / "site" / "api.html").read_text(encoding="utf-8")
    assert {"disc.api.load", "disc.api.Model.sample", "disc.settings.run.Run.seed"} <= set(
        re.findall(r'id="([\w.]+)"', door)
    )


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(listed())
    for page in pages:
        assert not LOADED.search(page.read_text(encoding="utf-8")), page.name
    for sheet in site.rglob("*.css"):
        assert not IN_STYLE.search(sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.slow
def test_links_between_files_of_the_repository_stay_in_the_site(site: Path) -> None:
    readme = (site / "site" / "readme.html").read_text(encoding="utf-8")
    assert 'href="../data.html#damage"' in (site / "site" / "security.html").read_text("utf-8")
    assert 'href="../glossary.html"' in readme
    assert 'href="changelog.html"' in readme
    assert "_images/demo.png" in readme


def test_the_notebook_was_saved_as_run() -> None:
    cells = json.loads((ROOT / "docs" / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {"image/png"} <= {kind for output in outputs for kind in output.get("data", {})}
    assert not [output for output in outputs if output["output_type"] == "error"]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="the extra docs is not installed")
    nbformat = pytest.importorskip("nbformat", reason="the extra docs is not installed")
    book = nbformat.read(ROOT / "docs" / NOTEBOOK, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=600, resources=place).execute()
    told = "".join(
        output.get("text", "") for cell in book.cells for output in cell.get("outputs", [])
    )
    shares = re.findall(r"asked for +(\d+)%, referee +(\d+)%, grader +(\d+)%", told)
    assert len(shares) == 4
    # in the slide as a whole the referee finds about what was asked for
    assert all(abs(int(asked) - int(found)) < 15 for asked, found, _ in shares)
