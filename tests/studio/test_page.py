"""The page in a browser: what is painted is what is posted, to the byte."""

import io
import re
import zipfile

import numpy as np
import pytest

from disc.data.pixels.images import encode_mask
from disc.studio.sources import pick_recipe
from tests.studio.browsing import (
    PATIENCE,
    at,
    clear,
    expect,
    labels_of,
    open_page,
    paint,
    painted,
    posted,
    set_radius,
    shown_on,
    stroke,
    wait_for_pictures,
)
from tests.studio.conftest import SIDE


@pytest.fixture
def page(browser, address):
    page = open_page(browser, address)
    yield page
    assert not page.faults
    page.context.close()


@pytest.mark.parametrize(
    "scale", [1.25, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (1, 2))]
)
def test_labels_are_exact_at_every_scale_of_the_screen(browser, address, scale):
    page = open_page(browser, address, device_scale_factor=scale)
    paint(page)
    labels, expected = labels_of(page), painted()
    assert np.array_equal(labels, expected)
    assert np.array_equal(posted(page), expected)
    wait_for_pictures(page)
    assert not page.faults
    page.context.close()


def test_the_canvas_shows_the_labels_in_the_packages_colours(page):
    from disc.data.pixels.mask_colours import colour_mask

    paint(page)
    assert np.array_equal(shown_on(page), colour_mask(labels_of(page)))
    names = page.locator("#labels button").all_text_contents()
    assert names == ["1 Non-Cancer", "2 GG3", "3 GG4", "4 GG5", "5 unknown"]


def test_undo_and_redo_go_stroke_by_stroke(page):
    clear(page)
    states = [labels_of(page)]
    page.keyboard.press("b")
    for key, place in (("2", (10, 10)), ("3", (30, 30)), ("4", (50, 50))):
        page.keyboard.press(key)
        stroke(page, place, (place[0] + 8, place[1]))
        states.append(labels_of(page))
    for state in states[-2::-1]:
        page.keyboard.press("Control+z")
        assert np.array_equal(labels_of(page), state)
    page.keyboard.press("Shift+Z")
    page.locator("#redo").click()
    assert np.array_equal(labels_of(page), states[2])
    page.keyboard.press("b")
    page.keyboard.press("Control+z")
    # what is filled with its own label does not change, so there is still something to redo
    page.keyboard.press("f")
    page.keyboard.press("2")
    stroke(page, (14, 10))
    assert np.array_equal(labels_of(page), states[1]) and page.locator("#redo").is_enabled()
    page.keyboard.press("b")
    stroke(page, (5, 60))
    assert page.locator("#redo").is_disabled()


def test_a_fill_by_key_after_a_stroke_that_left_the_mask_is_where_it_left(page):
    clear(page)
    for key in ("b", "2"):
        page.keyboard.press(key)
    stroke(page, (6, 30), (-7, 30))
    before = labels_of(page)
    for key in ("f", "4", "Space"):
        page.keyboard.press(key)
    assert before[30, 0] == 1 and np.array_equal(labels_of(page), np.where(before == 1, 3, before))


def test_the_ring_is_where_and_as_large_as_the_brush(page):
    page.keyboard.press("b")
    set_radius(page, 6)
    page.mouse.move(*at(page, 20, 30))
    ring, box = page.locator("#ring").bounding_box(), page.locator("#mask").bounding_box()
    pixel = box["width"] / SIDE
    assert ring["width"] == pytest.approx(13 * pixel, abs=0.5)
    assert ring["x"] - box["x"] == pytest.approx(14 * pixel, abs=0.5)
    assert "6 px" in page.locator("#radius-said").text_content()


def test_pictures_are_read_again_and_downloaded(page):
    paint(page)
    page.locator("#count").select_option("4")
    page.locator("#generate").click()
    wait_for_pictures(page)
    cards = page.locator("#pictures figure")
    assert cards.count() == 12 and page.locator("#pictures .reading").count() == 12
    for text in page.locator("#pictures .agreement").all_text_contents():
        assert text.endswith("%")
    assert "evaluations" in cards.first.text_content()
    outline = page.evaluate(
        """() => document.querySelector("#pictures .reading + .outline").getContext("2d")
        .getImageData(0, 0, 512, 512).data.some((value) => value > 0)"""
    )
    assert outline
    with page.expect_download() as caught:
        cards.first.get_by_role("button", name="Download").click()
    assert caught.value.suggested_filename == "sd_plain_seed0.zip"
    with zipfile.ZipFile(io.BytesIO(caught.value.path().read_bytes())) as archive:
        assert archive.read("sd_plain_seed0/masks/sd_plain_seed0.png") == encode_mask(painted())


def test_the_mask_lies_over_tiles_as_strongly_as_asked(page):
    over = page.locator("#pictures .over").first
    assert over.evaluate("(it) => getComputedStyle(it).opacity") == "0"
    page.locator("#opacity").fill("40")
    assert over.evaluate("(it) => getComputedStyle(it).opacity") == "0.4"


def test_the_nearest_real_tile_is_shown_at_its_distance(page):
    page.get_by_role("button", name="Nearest real training tile to the tile by sd-disc").click()
    expect(page.locator(".nearest")).to_contain_text("distance", timeout=PATIENCE)
    assert page.locator(".nearest canvas").count() == 1


def test_a_link_repeats_the_picture(browser, address, page):
    paint(page)
    page.locator("#plans summary").click()
    page.get_by_label("step: joined at every step").check()
    page.locator("#seed").fill("11")
    page.locator("#steps").fill("3")
    page.locator("#generate").click()
    wait_for_pictures(page)
    read = """() => [...document.querySelectorAll("#pictures .stack canvas:first-child")]
        .map((canvas) => canvas.toDataURL())"""
    link = page.evaluate("location.hash")
    assert "seed=11" in link and "weights=" in link
    other = open_page(browser, address, link)
    assert np.array_equal(labels_of(other), painted())
    assert other.locator("#pictures h3").all_text_contents()[1] == "sd-sc · step seed 11"
    assert other.evaluate(read) == page.evaluate(read)
    assert other.locator("#steps").input_value() == "3"
    other.context.close()
    # the weights of other variants are not those of the pictures that are shown
    page.locator("#variants input").first.uncheck()
    page.locator("#link").click()
    expect(page).to_have_url(re.compile("^(?!.*weights=)"))


def test_a_damaged_link_is_a_sentence(browser, address):
    page = browser.new_page()
    page.goto(f"{address}#mask=nonsense&seed=1")
    expect(page.locator("#status")).to_contain_text("the link is damaged", timeout=PATIENCE)
    page.context.close()


def test_work_can_be_cancelled(page):
    page.locator("#steps").fill("999")
    page.locator("#generate").click()
    expect(page.locator("#progress")).to_be_visible()
    page.locator("#cancel").click()
    expect(page.locator("#status")).to_contain_text("Cancelled", timeout=PATIENCE)
    page.locator("#steps").fill("2")
    page.locator("#generate").click()
    wait_for_pictures(page)


def test_masks_come_from_files_tiles_and_recipes(page, model, tmp_path):
    page.locator("summary", has_text="Take a mask").click()
    mask = painted()
    (tmp_path / "mask.png").write_bytes(encode_mask(mask))
    page.locator("#png-file").set_input_files(tmp_path / "mask.png")
    page.locator("#png-values").select_option("classes")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#status")).to_contain_text("are its values sicapv2?", timeout=PATIENCE)
    assert "422" in page.faults.pop(), "the browser notes the refusal, and nothing else"
    page.locator("#png-values").select_option("sicapv2")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#status")).to_have_text("", timeout=PATIENCE)
    assert np.array_equal(labels_of(page), mask)
    page.locator("#primary").select_option("4")
    with page.expect_response("**/api/masks/recipe**"):
        page.get_by_role("button", name="Draw one").click()
    expect(page.locator("#status")).to_have_text("", timeout=PATIENCE)
    assert np.array_equal(labels_of(page), pick_recipe(model, 4, 4, 0))
    page.locator("#real").click()
    expect(page.locator("#real-tile")).to_be_visible(timeout=PATIENCE)
    tiles = model.real_tiles("test")
    assert any(np.array_equal(labels_of(page), tiles.mask(i)) for i in range(len(tiles)))


def test_all_of_it_by_keyboard_alone(page):
    """Tab to the mask, paint with arrows, undo, generate, download: no mouse."""
    press = page.keyboard.press
    for _ in range(12):
        press("Tab")
        if page.evaluate("document.activeElement.id") == "mask":
            break
    assert page.evaluate("document.activeElement.id") == "mask"
    before = labels_of(page)
    press("4")
    for _ in range(17):
        press("[")
    press("Space")
    press("Shift+ArrowLeft")
    press("d")
    for _ in range(5):
        press("ArrowDown")
    press("d")
    expected = before.copy()
    expected[32, 32] = expected[32:38, 24] = 3
    assert np.array_equal(labels_of(page), expected)
    assert "column 25, row 38: GG5" in page.locator("#status").text_content()
    press("z")
    press("Shift+Z")
    press("g")
    wait_for_pictures(page)
    for _ in range(60):
        press("Tab")
        if page.evaluate("document.activeElement.className") == "keep":
            break
    with page.expect_download() as caught:
        press("Enter")
    assert caught.value.suggested_filename.endswith(".zip")


def test_a_phone_shows_all_of_it(browser, address):
    page = open_page(
        browser,
        address,
        viewport={"width": 390, "height": 800},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    clear(page)
    page.keyboard.press("b")
    page.locator("#labels button").nth(3).tap()
    page.touchscreen.tap(*at(page, 20, 20))
    assert labels_of(page)[20, 20] == 3
    page.locator("#generate").tap()
    wait_for_pictures(page)
    assert not page.faults
    page.context.close()


def test_the_quiz_is_played_to_its_end(page):
    page.locator("#to-quiz").click()
    page.locator("#quiz-num").select_option("6")
    page.locator("#reader").fill("=1")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#status")).to_contain_text("begins with a letter", timeout=PATIENCE)
    assert "422" in page.faults.pop()
    page.locator("#reader").fill("Dr. Müller O'Brien")
    page.get_by_role("button", name="Begin").click()
    for number in range(6):
        expect(page.locator("#question-number")).to_have_text(
            f"Question {number + 1} of 6", timeout=PATIENCE
        )
        page.keyboard.press("r" if number % 2 else "s")
    expect(page.locator("#quiz-result")).to_contain_text("This round:", timeout=PATIENCE)
    assert page.locator("#quiz-result li").count() == 6
    said = page.locator("#quiz-result").text_content()
    assert "by chance 50 %" in said and "in rounds with sd-sc of these weights" in said


def test_nothing_is_asked_of_other_machines(browser, address):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    wait_for_pictures(page)
    assert len(asked) > 8 and all(url.startswith((address, "blob:")) for url in asked)
    page.context.close()
