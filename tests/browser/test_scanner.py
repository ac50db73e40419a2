"""The scanner by clicking: refresh, progress, parts of a score, history, alerts; and studies."""

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
    page.wait_for_url("**/strategies/scanner/?scan=*", timeout=LONG)
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
    shot(page, "scanner-parts-390", full_page=False)
    box = parts.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert complaints == []


def test_a_scan_is_made_to_start_by_itself_and_removed(page, complaints):
    page.goto("/strategies/scanner/")
    page.click("summary:has-text('New one')")
    page.select_option("#schedule_universe", "crypto-perps")
    page.select_option("#schedule_every", "hour")
    page.fill("#schedule_at", "00:20")
    page.click("#schedule-form button[type=submit]")
    page.wait_for_selector("text=every hour at minute 20", timeout=LONG)
    page.click("[data-schedule-delete]")
    page.wait_for_selector("text=None yet: scans start", timeout=LONG)
    assert complaints == []


def test_a_target_and_a_rule_are_made_and_the_address_is_gone(page_as, complaints, shot):
    page = page_as("admin")
    page.goto("/strategies/scanner/alerts/")
    page.fill("#target_name", "hook")
    page.fill("#target_address", "json://127.0.0.1:9/hooks/S3cretPath")
    page.click("#target-form button[type=submit]")
    page.wait_for_selector("th:has-text('hook')", timeout=LONG)
    assert "S3cretPath" not in page.content()
    page = page_as("researcher")
    page.goto("/strategies/scanner/alerts/")
    look(page, shot, "scanner-alerts-1440")
    page.fill("#rule_name", "strong")
    page.fill("#rule_score", "70")
    page.click("#rule-form button[type=submit]")
    page.wait_for_selector("th:has-text('strong')", timeout=LONG)
    page.click("[data-delete='rules/strong']")
    page.wait_for_selector("text=No rule yet", timeout=LONG)
    page = page_as("admin")
    page.goto("/strategies/scanner/alerts/")
    page.click("[data-delete='targets/hook']")
    page.wait_for_selector("text=No target yet", timeout=LONG)
    assert complaints == []
