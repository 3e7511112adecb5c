"""What several files say of the project is the same in all of them."""

import re
import tomllib
from pathlib import Path

import yaml

from disc.api import SHIPPED
from disc.pipeline.weights.card import write_card
from disc.pipeline.weights.facts import read_facts

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_has_what_the_form_asks_for_and_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "version"} <= cited.keys()
    assert (cited["version"], cited["license"]) == (PROJECT["version"], PROJECT["license"])
    assert cited["authors"] == PROJECT["authors"]
    (paper,) = cited["references"]
    names = [author["family-names"] for author in paper["authors"]]
    assert all(f"{name}, " in (ROOT / "README.md").read_text() for name in names)
    assert paper["title"].startswith("DISC: Latent Diffusion Models with Self-Distillation")


def test_the_changelog_has_this_version() -> None:
    assert f"\n## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_shipped_weights_are_under_the_licence_of_the_package() -> None:
    facts, beside = read_facts(SHIPPED), {"has_shapes": True, "can_grade": True}
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert text == write_card(facts, **beside, licence=PROJECT["license"])
    assert "published under Apache-2.0" in text and "who publishes them" not in text
    assert "`recipe` and `grade`" in text
    assert "--licence Apache-2.0" in (ROOT / "Makefile").read_text()  # of make weights
    assert "Apache-2.0" in (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    others = write_card(facts, has_shapes=False, can_grade=False)
    assert "who publishes them says under which licence" in others
    assert "gives `sample` and `segment`." in others


def test_figures_of_the_readme_are_measured_ones() -> None:
    figure = re.compile(r"(?<![\d.])\.\d{3}\b")
    quoted = set(figure.findall((ROOT / "README.md").read_text()))
    pages = [ROOT / "docs/results.md", *(ROOT / "docs/results").glob("*.md")]
    measured = {one for page in pages for one in figure.findall(page.read_text())}
    assert len(quoted) == 50 and quoted <= measured
