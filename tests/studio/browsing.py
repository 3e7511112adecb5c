"""Hands on the page in a browser: open it, paint on it, read its labels."""

import numpy as np
import pytest

from tests.studio.conftest import SIDE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine."""


def open_page(browser, address, hash="", **options):
    """The page, once its first pictures are there; an error in its console fails the test."""
    given = {"viewport": {"width": 1200, "height": 900}, **options}
    page = browser.new_context(**given).new_page()
    page.set_default_timeout(PATIENCE)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
    page.goto(address + hash)
    wait_for_pictures(page)
    return page


def wait_for_pictures(page):
    # seen with the next frame: `expect` looks once a second in the end
    page.locator("#status", has_text="Done in").wait_for(timeout=PATIENCE)
    page.locator('#pictures[aria-busy="false"]').wait_for(state="attached", timeout=PATIENCE)


def labels_of(page):
    given = page.evaluate("Array.from(studio.mask.labels)")
    return np.array(given, np.uint8).reshape(SIDE, SIDE)


def shown_on(page):
    """Colours on the canvas."""
    given = page.evaluate(
        """() => Array.from(document.getElementById("mask").getContext("2d")
        .getImageData(0, 0, 64, 64).data)"""
    )
    return np.array(given, np.uint8).reshape(SIDE, SIDE, 4)[..., :3]


def at(page, column, row):
    """Where the middle of a pixel of the mask is on the screen."""
    box = page.locator("#mask").bounding_box()
    return (
        box["x"] + (column + 0.5) * box["width"] / SIDE,
        box["y"] + (row + 0.5) * box["height"] / SIDE,
    )


def stroke(page, *places):
    page.mouse.move(*at(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(page, *place))
    page.mouse.up()


def clear(page):
    """All Non-Cancer, by the page's own fill."""
    page.locator("#to-paint").focus()
    for _ in range(9):
        labels = labels_of(page)
        rest = np.argwhere(labels != 0)
        if not len(rest):
            return
        page.keyboard.press("1")
        page.keyboard.press("f")
        page.mouse.click(*at(page, rest[0][1], rest[0][0]))
    raise AssertionError("fill does not fill")


def set_radius(page, radius):
    for _ in range(17):
        page.keyboard.press("[")
    for _ in range(radius):
        page.keyboard.press("]")


def disc(column, row, radius):
    y, x = np.mgrid[:SIDE, :SIDE]
    return (x - column) ** 2 + (y - row) ** 2 <= radius * (radius + 1)


def paint(page):
    """Strokes of every label, a fast one among them, one over the edge, and a fill."""
    clear(page)
    page.keyboard.press("b")
    set_radius(page, 5)
    page.keyboard.press("3")
    stroke(page, (10, 10), (50, 14))
    page.keyboard.press("4")
    stroke(page, (3, 40))
    set_radius(page, 0)
    page.keyboard.press("2")
    stroke(page, (30, 30), (60, 30), (60, 60), (30, 60), (30, 30))
    page.keyboard.press("5")
    page.keyboard.press("f")
    page.mouse.click(*at(page, 40, 40))


def painted():
    """The same, by hand."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for step in range(41):
        # Math.round rounds halves up
        labels[disc(10 + step, int(np.floor(10 + step / 10 + 0.5)), 5)] = 2
    labels[disc(3, 40, 5)] = 3
    labels[30:61, 30:61] = 255
    for edge in (30, 60):
        labels[30:61, edge] = labels[edge, 30:61] = 1
    return labels


def posted(page, press="#generate"):
    with page.expect_request("**/api/pictures**") as caught:
        page.locator(press).click()
    return np.frombuffer(caught.value.post_data_buffer, np.uint8).reshape(SIDE, SIDE)
