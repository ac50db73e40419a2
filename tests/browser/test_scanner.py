"""The scanner by clicking: refresh, progress, parts of a score, history, schedules, alerts."""

import re
import time

from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.test_gallery import findings
from tests.servers import telegram_server

SOON = 30_000
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
    # While it refreshes the page says how far it is; a quick machine may be past that already.
    state = page.locator("[data-scan]")
    state.wait_for(timeout=LONG)
    if state.get_attribute("data-status") == "refreshing":
        assert "batches" in page.locator("[data-scan]").inner_text()
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
    # Whose score that is stays in sight: the symbols stand still while the table is moved.
    symbol = page.locator("#signals tbody th").first.bounding_box()
    edge = page.locator("[aria-label=Signals]").bounding_box()
    assert page.evaluate("document.querySelector('[aria-label=Signals]').scrollLeft") > 0
    assert edge["x"] - 1 <= symbol["x"] < edge["x"] + 20
    assert complaints == []


def test_a_schedule_is_made_turned_off_and_deleted(page, complaints):
    page.set_default_timeout(SOON)
    page.goto("/strategies/scanner/")
    page.get_by_text("New one").click()
    form = page.locator("#schedule-form")
    form.locator("[name=universe]").select_option("crypto-perps")
    form.locator("[name=every]").select_option("hour")
    form.locator("[name=at_utc]").fill("03:37")
    form.get_by_role("button", name="Add").click()
    row = page.locator("tr", has_text="every hour at minute 37")
    expect(row).to_have_count(1, timeout=SOON)
    expect(row).to_contain_text("never")
    row.get_by_role("button", name="Off").click()
    expect(row.get_by_role("button", name=re.compile("^On"))).to_be_visible(timeout=SOON)
    expect(row).to_contain_text("off")
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0, timeout=SOON)
    assert complaints == []


def name_target(page, name, address):
    form = page.locator("#target-form")
    form.locator("[name=name]").fill(name)
    form.locator("[name=address]").fill(address)
    form.get_by_role("button", name="Store the target").click()


def test_a_target_is_named_tested_ruled_and_forgotten(page_as, complaints, shot):
    name = f"hook-{time.time_ns():x}"
    with telegram_server.running() as server:
        page = page_as("admin")
        page.set_default_timeout(SOON)
        page.goto("/strategies/scanner/alerts/")
        name_target(page, name, "no address")
        address = page.locator("#target_address")
        expect(address).to_have_attribute("aria-invalid", "true", timeout=SOON)
        assert page.locator("#target_address-error").inner_text()
        assert page.locator("#target_name").input_value() == name
        name_target(page, name, server.hook)
        target = page.locator("tr", has=page.locator(f"th:text-is('{name}')"))
        expect(target).to_contain_text("untested", timeout=SOON)
        assert telegram_server.HOOK not in page.content()
        target.get_by_role("button", name="Test").click()
        expect(target).to_contain_text("works", timeout=LONG)
        assert len(server.hooks) == 1
    researcher = page_as("researcher")
    researcher.set_default_timeout(SOON)
    researcher.goto("/strategies/scanner/alerts/")
    expect(researcher.locator("#target-form")).to_have_count(0)
    form = researcher.locator("#rule-form")
    form.locator("[name=name]").fill(name)
    form.locator("[name=target]").select_option(name)
    form.locator("[name=strategy]").select_option("geometric_breakout")
    form.locator("[name=min_score]").fill("70")
    form.get_by_role("button", name="Store the rule").click()
    rule = researcher.locator("tr", has=researcher.locator(f"th:text-is('{name}')")).last
    expect(rule).to_contain_text("geometric breakout", timeout=SOON)
    look(researcher, shot, "signal-alerts-1440")
    rule.get_by_role("button", name="Delete").click()
    expect(rule.get_by_role("button", name="Delete")).to_have_count(0, timeout=SOON)
    page.reload()
    target.get_by_role("button", name="Forget").click()
    expect(target).to_have_count(0, timeout=SOON)
    assert [one for one in complaints if "422" not in one] == []
