"""The scanner by clicking: refresh, progress, parts of a score, history, schedules, alerts."""

import re
import time

from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.test_gallery import findings
from tests.servers import telegram_server

SOON = 30_000
LONG = 300_000


def look(page, shot, name):
    """Keep the page for looking at; it does not scroll sideways, and axe finds nothing."""
    shot(page, name)
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    assert findings(page) == []


def refresh(page):
    """Ask for a scan and see it through; it tells how far it is while it refreshes."""
    page.goto("/strategies/scanner/")
    page.select_option("#scan-form [name=universe]", "crypto-perps")
    page.click("#scan-form button[type=submit]")
    page.wait_for_url(lambda url: "scan=" in url, timeout=LONG)
    state = page.locator("[data-scan]")
    state.wait_for(timeout=LONG)
    # A quick machine may be past that already.
    if state.get_attribute("data-status") == "refreshing":
        expect(state).to_contain_text(re.compile("batches|shown"), timeout=SOON)
    page.wait_for_selector("[data-scan][data-status=done]", timeout=LONG)


def see_parts(page):
    """The parts of a score open on hover, with Enter and on a click, and close again."""
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


def test_a_refresh_shows_progress_then_signals_with_the_parts_of_scores(page, complaints, shot):
    refresh(page)
    for heading in ("Strategy", "Score", "Consensus"):
        expect(page.locator("#signals thead")).to_contain_text(heading)
    look(page, shot, "scanner-1440")
    page.goto(f"{page.url}&sort=-score")
    see_parts(page)
    page.locator("#signals a:has-text('History')").first.click()
    page.wait_for_selector("#readings tbody tr", timeout=LONG)
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


def row_of(page, name):
    return page.locator("tr", has=page.locator(f"th:text-is('{name}')"))


def store_a_target(page, name):
    """A bad address is told at its field; a good one is sealed, tested, and never shown."""
    page.goto("/strategies/scanner/alerts/")
    name_target(page, name, "no address")
    address = page.locator("#target_address")
    expect(address).to_have_attribute("aria-invalid", "true", timeout=SOON)
    assert page.locator("#target_address-error").inner_text()
    assert page.locator("#target_name").input_value() == name
    with telegram_server.running() as server:
        name_target(page, name, server.hook)
        expect(row_of(page, name)).to_contain_text("untested", timeout=SOON)
        assert telegram_server.HOOK not in page.content()
        row_of(page, name).get_by_role("button", name="Test").click()
        expect(row_of(page, name)).to_contain_text("works", timeout=LONG)
        assert len(server.hooks) == 1


def store_a_rule(page, name):
    page.goto("/strategies/scanner/alerts/")
    expect(page.locator("#target-form")).to_have_count(0)
    form = page.locator("#rule-form")
    form.locator("[name=name]").fill(name)
    form.locator("[name=target]").select_option(name)
    form.locator("[name=strategy]").select_option("geometric_breakout")
    form.locator("[name=min_score]").fill("70")
    form.get_by_role("button", name="Store the rule").click()
    expect(row_of(page, name).last).to_contain_text("geometric breakout", timeout=SOON)


def test_a_target_is_named_tested_ruled_and_forgotten(page_as, complaints, shot):
    name = f"hook-{time.time_ns():x}"
    admin, researcher = page_as("admin"), page_as("researcher")
    for page in (admin, researcher):
        page.set_default_timeout(SOON)
    store_a_target(admin, name)
    store_a_rule(researcher, name)
    look(researcher, shot, "signal-alerts-1440")
    delete = row_of(researcher, name).get_by_role("button", name="Delete")
    delete.click()
    expect(delete).to_have_count(0, timeout=SOON)
    admin.reload()
    row_of(admin, name).get_by_role("button", name="Forget").click()
    expect(row_of(admin, name)).to_have_count(0, timeout=SOON)
    assert [one for one in complaints if "422" not in one] == []
