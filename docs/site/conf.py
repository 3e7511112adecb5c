"""The documentation as a site: `make docs`; its pages are those of docs/ and the repository's."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
DOCS, ROOT = HERE.parent, HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

project = "disc"
author = "disc developers"
project_copyright = "disc developers; Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
default_role = "code"  # of docstrings
html_theme = "furo"
html_title = "disc"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"source_edit_link": ""}
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_custom_sections = ["Paper"]

REPOSITORY = {"readme": "README", "contributing": "CONTRIBUTING", "changelog": "CHANGELOG"}
REPOSITORY["security"] = "SECURITY"
"""Pages of the site that are files of the repository, outside docs/."""
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def fill_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Fill pages whose text is elsewhere, and turn links to the repository's into the site's.

    Args:
        app: of Sphinx.
        name: of the page, its path in docs/ without the suffix.
        source: its text, as the only element.
    """
    page = DOCS / f"{name}.md"
    origin = page
    if page.parent == HERE and page.stem in REPOSITORY:
        origin = ROOT / f"{REPOSITORY[page.stem]}.md"
        source[0] = origin.read_text(encoding="utf-8")
    elif page == HERE / "commands.md":
        from commands import tell_all

        source[0] += tell_all()
    elif page == HERE / "notebook.md":
        from notebooks import as_markdown

        source[0] += as_markdown(DOCS / "notebooks" / "from_mask_to_grade.ipynb")
    source[0] = LINK.sub(
        lambda link: f"]({_in_site(origin.parent / link[1], page.parent)}", source[0]
    )
    if name == root_doc:
        source[0] += (HERE / "sections.txt").read_text(encoding="utf-8")


def _in_site(target: Path, folder: Path) -> str:
    """A linked file's path in the site, from a page's folder."""
    file = Path(os.path.normpath(target))
    for page, title in REPOSITORY.items():
        if file == ROOT / f"{title}.md":
            file = HERE / f"{page}.md"
    if file.suffix == ".ipynb" and folder != HERE:
        file = HERE / "notebook.md"
    return os.path.relpath(file, folder)


def setup(app: Sphinx) -> None:
    """Connect what fills pages."""
    app.connect("source-read", fill_page)
