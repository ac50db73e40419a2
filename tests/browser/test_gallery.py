"""The gallery: every part draws, axe finds nothing, keys work, nothing shifts."""

import re
from pathlib import Path

import axe_core_python
import pytest

from tests.browser.conftest import PHONE, WIDE

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`)"""
SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
  }).observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(sum), 1500);
})"""
DRAWN = ".figure[data-figure='gallery-figure'][data-state='drawn']"


def findings(page):
    # through the debugger, which the content security policy does not bind
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE})
    return page.evaluate(RUN_AXE)


def open_gallery(page):
    page.goto("/gallery")
    page.wait_for_selector(DRAWN)
    return page


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(page_as, base_url, theme, viewport, complaints, shot):
    page = page_as("trader", viewport=viewport)
    page.context.add_cookies([{"name": "theme", "value": theme, "url": base_url}])
    open_gallery(page)
    shot(page, f"gallery-{theme}-{viewport['width']}")
    assert findings(page) == []
    assert complaints == []


def test_page_does_not_scroll_sideways_on_a_phone(page_as):
    page = open_gallery(page_as("trader", viewport=PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_nothing_shifts_after_load(page_as):
    page = page_as("trader")
    page.goto("/gallery")
    assert page.evaluate(SHIFT) < 0.02


def test_figure_shows_its_data(page_as):
    page = open_gallery(page_as("trader"))
    figure = page.locator(".figure[data-figure='gallery-figure']")
    assert figure.get_attribute("aria-label") == "The example ends above its benchmark"
    before = figure.bounding_box()["height"]
    figure.hover()
    figure.get_by_role("button", name="Show the data").click()
    assert figure.locator(".figure-data tbody tr").count() > 100
    assert figure.bounding_box()["height"] == before


def test_plotly_needs_no_injected_style(page_as, complaints):
    page = open_gallery(page_as("trader"))
    where = "getComputedStyle(document.querySelector('.main-svg')).position"
    assert page.evaluate(where) == "absolute"
    assert [text for text in complaints if "Content Security Policy" in text] == []


def test_palette_goes_to_a_page(page_as):
    page = open_gallery(page_as("trader"))
    page.keyboard.press("Control+k")
    page.keyboard.type("audit")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/audit/"))


def test_keys_move_and_select_in_tables(page_as, base_url):
    page = open_gallery(page_as("trader"))
    compare = page.locator("[data-act=compare]")
    assert compare.is_disabled()
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    assert page.locator("#gallery-table tr[aria-selected=true]").count() == 2
    assert compare.is_enabled()
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url(f"{base_url}/")


def test_choices_survive_a_reload(page_as):
    page = open_gallery(page_as("trader"))
    page.locator("[data-act=rail]").click()
    page.locator(".topbar .menu summary").last.click()
    page.locator("[data-act=theme]").click()
    page.reload()
    assert page.locator("html").get_attribute("data-rail") == "closed"
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_what_cannot_be_undone_asks_for_the_name(page_as):
    page = open_gallery(page_as("trader"))
    page.get_by_role("button", name="Delete something").click()
    delete = page.locator("#gallery-confirm [data-confirm-button]")
    assert delete.is_disabled()
    page.locator("#gallery-confirm-name").fill("exampl")
    assert delete.is_disabled()
    page.locator("#gallery-confirm-name").fill("example")
    assert delete.is_enabled()


def test_halt_button_is_only_for_those_who_may(page_as):
    assert open_gallery(page_as("trader")).locator(".btn-halt").count() == 1
    assert open_gallery(page_as("researcher")).locator(".btn-halt").count() == 0


def test_phone_has_a_bottom_bar_and_more_opens_the_rail(page_as):
    page = open_gallery(page_as("trader", viewport=PHONE))
    assert page.locator(".bottombar").is_visible()
    page.locator(".bottombar [data-act=more]").click()
    assert page.locator("#rail").is_visible()
    page.keyboard.press("Escape")
    page.locator("#rail").wait_for(state="hidden")


def test_unknown_address_has_a_page_that_says_what_to_do(page_as):
    page = page_as("trader")
    answer = page.goto("/nothing/here/")
    assert answer.status == 404
    assert page.get_by_role("link", name="Go to the dashboard").is_visible()
