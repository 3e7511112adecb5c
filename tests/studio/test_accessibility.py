"""The page by axe-core's rules: contrast, names, roles, in light and dark, wide and narrow."""

import json
import shutil
import subprocess
import tarfile

import pytest

from tests.studio.browsing import open_page

pytestmark = pytest.mark.slow
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
RUN = "async (rules) => (await axe.run(document, {runOnly: rules})).violations"


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, from npm; it is not shipped."""
    folder = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        pytest.skip("no npm here, and axe-core comes from it")
    words = ["npm", "pack", "axe-core@4", "--silent"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    found = list(folder.glob("axe-core-*.tgz"))
    if done.returncode or not found:
        pytest.skip(f"npm gave no axe-core: {done.stderr[-200:]}")
    with tarfile.open(found[0]) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()


def refused(page, axe):
    """Rules that are broken, and where."""
    page.evaluate(axe)
    return [
        (fault["id"], fault["help"], [node["html"][:120] for node in fault["nodes"]])
        for fault in page.evaluate(RUN, RULES)
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_no_rule_is_broken(browser, address, axe, scheme, width):
    page = open_page(
        browser,
        address,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        bypass_csp=True,
    )
    for summary in page.locator("summary").all():
        summary.click()
    assert refused(page, axe) == [], json.dumps(refused(page, axe), indent=1)
    page.locator("#to-quiz").click()
    assert refused(page, axe) == []
    page.context.close()


def test_what_breaks_a_rule_is_found(browser, address, axe):
    page = open_page(browser, address, bypass_csp=True)
    page.evaluate("document.getElementById('seed').parentElement.firstChild.remove()")
    assert [name for name, *_ in refused(page, axe)] == ["label"]
    page.context.close()
