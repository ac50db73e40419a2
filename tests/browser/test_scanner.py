"""The scanner by clicking: refresh, progress, parts of a score, history."""

from tests.browser.conftest import PHONE
from tests.browser.test_gallery import findings

LONG = 150_000


def look(page, shot, name):
    """Keep the page for looking at; it does not scroll sideways, and axe finds nothing."""
    shot(page, name)
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    assert findings(page) == []


def test_a_refresh_shows_progress_then_signals_with_the_parts_of_scores(page, complaints, shot):
    page.goto("/strategies/scanner/")
    page.select_option("#scan-form [name=universe]", "crypto-perps")
    page.click("#scan-form button[type=submit]")
    page.wait_for_url(lambda url: "scan=" in url, timeout=LONG)
    page.wait_for_selector("[data-scan]", timeout=LONG)
    page.wait_for_selector("[data-scan][data-status=done]", timeout=LONG)
    look(page, shot, "scanner-1440")
    page.goto(f"{page.url}&sort=-score")
    score = page.locator("[data-parts]").first
    parts = page.locator(f"#{score.get_attribute('popovertarget')}")
    assert not parts.is_visible()
    score.hover()
    parts.wait_for(state="visible")
    assert "Geometry" in parts.inner_text()
    page.mouse.move(2, 2)
    parts.wait_for(state="hidden")
    score.focus()
    page.keyboard.press("Enter")
    parts.wait_for(state="visible")
    page.keyboard.press("Escape")
    parts.wait_for(state="hidden")
    score.click()
    parts.wait_for(state="visible")
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.locator("#signals a:has-text('History')").first.click()
    page.wait_for_selector("#readings tbody tr")
    assert page.locator("[data-change]").count() >= 1
    look(page, shot, "scanner-history-1440")
    assert complaints == []


def test_parts_fit_on_a_phone(page_as, complaints, shot):
    """Of the scan that the test before made."""
    page = page_as("researcher", viewport=PHONE)
    page.goto("/strategies/scanner/?sort=-score")
    look(page, shot, "scanner-390")
    score = page.locator("[data-parts]").first
    score.click()
    parts = page.locator(f"#{score.get_attribute('popovertarget')}")
    parts.wait_for(state="visible")
    box = parts.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert complaints == []
