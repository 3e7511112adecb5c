"""Orders that cannot be, links of other weights, and a token that is missing."""

import re

import numpy as np
import pytest

from disc.studio.app import build_app
from tests.studio.browsing import PATIENCE, expect, labels_of, open_page, wait_for_pictures
from tests.studio.conftest import listen


@pytest.fixture
def page(browser, address):
    page = open_page(browser, address, viewport={"width": 1200, "height": 720})
    yield page
    assert not page.faults
    page.context.close()


def follow_link(page, columns):
    """Another link, as if it were put into the address bar."""
    given = page.evaluate("location.hash")
    page.evaluate("(hash) => { location.hash = hash; }", re.sub("columns=[^&]*", columns, given))


def says(page, words):
    expect(page.locator("#status")).to_contain_text(words, timeout=PATIENCE)


def hush(page):
    """What is said then is new."""
    page.locator("#status").evaluate("(it) => { it.textContent = ''; }")


def test_a_link_asks_for_what_these_weights_lack(page):
    before = page.locator("#pictures figure").all_text_contents()
    follow_link(page, "columns=sd-disc-fast,sd-disc-cotrain")
    says(
        page,
        "the link asks for sd-disc-fast, sd-disc-cotrain; these weights have sd, sd-sc, sd-disc",
    )
    for columns in ("columns=", "count=1"):
        hush(page)
        follow_link(page, columns)
        says(page, "no variant is chosen; choose one or more")
    assert page.locator("#pictures figure").all_text_contents() == before
    hush(page)
    page.evaluate("location.hash += '&columns=sd,sd-disc-fast'")
    says(page, "The link asks for sd-disc-fast too, which these weights lack.")
    assert page.locator("#pictures figure").count() == 1


def test_what_is_refused_leaves_the_pictures_before_it(page):
    page.locator("#plans summary").click()
    boxes = page.locator("#plans input").all()
    for box in boxes:
        box.check()
    page.locator("#generate").click()
    says(page, f"{len(boxes) + 2} variants and plans; choose 1 to 8")
    assert "422" in page.faults.pop()
    assert page.locator("#pictures figure").count() == 3
    assert page.locator(".waits").count() == 0
    for box in boxes[4:]:
        box.uncheck()
    page.locator("#count").select_option("2")
    page.locator("#steps").fill("1")
    page.locator("#generate").click()
    expect(page.locator("#pictures figure")).to_have_count(12, timeout=PATIENCE)
    wait_for_pictures(page)
    # six columns: a row for each seed, in a box that scrolls
    cards = page.locator("#pictures figure")
    places = cards.evaluate_all("(all) => all.map((it) => [it.offsetLeft, it.offsetTop])")
    assert [x for x, _ in places[:6]] == [x for x, _ in places[6:]]
    assert len({y for _, y in places}) == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200


def test_all_of_the_mask_panel_can_be_reached(page):
    for words in ("Take a mask", "Keys", "What the words mean"):
        page.locator("summary", has_text=words).click()
    easel = page.locator(".easel")
    assert easel.bounding_box()["height"] <= 720
    assert easel.evaluate("(it) => getComputedStyle(it).overflowY") == "auto"
    said = page.locator("#words").text_content()
    assert all(f"{name}: " in said for name in ("sd", "sd-sc", "sd-disc")) and "referee" in said


def test_scores_that_no_slide_has_cannot_be_chosen(page):
    page.locator("summary", has_text="Take a mask").click()
    offered = "[...document.querySelectorAll('#secondary option:enabled')].map((it) => it.value)"
    assert page.evaluate(offered) == ["3", "4", "5"]
    page.locator("#primary").select_option("0")
    assert page.evaluate(offered) == ["0"] and page.locator("#secondary").input_value() == "0"
    page.locator("#primary").select_option("5")
    assert page.locator("#secondary").input_value() == "5"


def test_a_copied_link_asks_for_the_token_and_goes_on(browser, model, tmp_path):
    app = build_app(model, tmp_path / "quiz.csv", token="a+long&secret")
    with listen(app) as address:
        page = open_page(browser, address, "#token=a%2Blong%26secret")
        page.locator("#seed").fill("11")
        page.locator("#link").click()
        expect(page).to_have_url(re.compile("seed=11"))
        link = page.url
        assert "token" not in link and "secret" not in link
        # a tab of its own knows nothing
        other = browser.new_context().new_page()
        other.goto(link)
        other.locator("#token").fill("wrong-wrong")
        other.get_by_role("button", name="Open").first.click()
        says(other, "the token is missing or wrong")
        assert other.url == link and other.locator("#paint-view").is_hidden()
        other.locator("#token").fill(f"{address}#token=a%2Blong%26secret")
        other.get_by_role("button", name="Open").first.click()
        wait_for_pictures(other)
        assert other.locator("#seed").input_value() == "11" and "secret" not in other.url
        assert np.array_equal(labels_of(other), labels_of(page))
        for each in (page, other):
            each.context.close()


def give_token(page, token):
    hush(page)
    page.locator("#token").fill(token)
    page.get_by_role("button", name="Open").first.click()


def kept_token(page):
    return page.evaluate("sessionStorage.getItem('token')")


def test_a_wrong_token_in_a_link_leaves_the_right_one(browser, model, tmp_path):
    with listen(build_app(model, tmp_path / "quiz.csv", token="right-secret")) as address:
        page = browser.new_context().new_page()
        page.goto(f"{address}#token=wrong-secret")
        says(page, "the token is missing or wrong")
        assert page.locator("#token").is_visible() and kept_token(page) is None
        give_token(page, "right-secret")
        wait_for_pictures(page)
        # signs that no header holds, too
        for wrong in ("wrong-secret", "%E2%82%AC%0A", ""):
            hush(page)
            page.evaluate("(it) => { location.hash += `&seed=12&token=${it}`; }", wrong)
            wait_for_pictures(page)
            assert page.locator("#token").is_hidden() and kept_token(page) == "right-secret"
            assert "token" not in page.url
        page.context.close()


def test_a_studio_with_another_token_asks_for_it_whatever_is_pressed(browser, model, tmp_path):
    def serve(token, port=0):
        return listen(build_app(model, tmp_path / "quiz.csv", token=token), port)

    with serve("first-secret") as address:
        page = open_page(browser, address, "#token=first-secret")
    port = int(address.rstrip("/").rpartition(":")[2])
    with serve("second-secret", port):
        page.locator("#generate").click()
        says(page, "the token is missing or wrong")
        assert page.locator("#paint-view").is_hidden()
        give_token(page, "wrong-secret")
        says(page, "the token is missing or wrong")
        assert kept_token(page) == "first-secret"
        give_token(page, "second-secret")
        says(page, "Press again")
        assert page.locator("#token").is_hidden() and kept_token(page) == "second-secret"
        page.locator("#generate").click()
        wait_for_pictures(page)
    with serve("third-secret", port):
        page.locator("#to-quiz").click()
        page.get_by_role("button", name="Begin").click()
        says(page, "the token is missing or wrong")
        assert page.locator("#quiz-view").is_hidden() and page.locator("nav").is_hidden()
        give_token(page, "third-secret")
        says(page, "Press again")
        assert page.locator("#quiz-view").is_visible() and page.locator("#paint-view").is_hidden()
        page.get_by_role("button", name="Begin").click()
        page.locator("#question-number", has_text="Question 1").wait_for(timeout=PATIENCE)
    assert all("401" in fault for fault in page.faults)
    page.context.close()
