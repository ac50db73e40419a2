"""A single trade found by the keys alone, and what going live lacks, in a browser."""

import time

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_approvals import API, sound

WHY = "A small first position by hand, to see it go through."


@pytest.fixture(scope="module")
def ask(lab):
    """REST as a role: ``ask("trader", "POST", "/accounts", {...})``."""
    with httpx.Client(base_url=lab.base_url + API, timeout=60) as client:

        def call(role, method, path, body=None):
            headers = {"Authorization": f"Bearer {lab.people[role]['token']}"}
            answer = client.request(method, path, json=body, headers=headers)
            assert answer.status_code < 300, answer.text
            return answer.json()

        yield call


@pytest.fixture(scope="module")
def run(ask):
    """A finished run of a version of its own."""
    body = {
        "strategy": "sma_crossover",
        "params": {"fast": 12, "slow": 31 + time.time_ns() % 50},
        "instruments": ["AAPL", "MSFT"],
        "timeframe": "1d",
        "start": "2012-01-03",
        "end": "2014-12-31",
    }
    made = ask("researcher", "POST", "/backtests", body)
    until = time.monotonic() + 150
    while made["job"]["status"] not in {"done", "failed"} and time.monotonic() < until:
        time.sleep(0.3)
        made["job"] = ask("researcher", "GET", f"/jobs/{made['job']['id']}")
    assert made["job"]["status"] == "done", made
    return made["id"]


@pytest.fixture
def trade(page_as, ask, shot):
    """A trade that a trader put together and proposed in the browser; taken back in the end."""
    account = next(row for row in ask("trader", "GET", "/accounts")["items"] if row["is_paper"])
    symbol = {"crypto-hourly": "BTC"}.get(account["feed"], "AAPL")
    page = page_as("trader")
    page.goto(f"/live/{account['id']}/")
    page.get_by_role("link", name="Propose a trade").click()
    page.fill("#id_symbol", symbol)
    page.fill("#id_quantity", "0.001")
    page.get_by_role("button", name="What would it do?").click()
    expect(page.locator("#what-if tbody tr").first).to_contain_text(f"{symbol} held")
    expect(page.locator("[data-guard]")).to_be_visible()
    page.fill("#id_rationale", "short")
    page.get_by_role("button", name="Propose the trade").click()
    expect(page.locator("#id_rationale-error")).to_contain_text("say why in 10 to 4000")
    expect(page.locator("#id_quantity")).to_have_value("0.001")
    sound(page, "trading_propose_trade", shot)
    page.fill("#id_rationale", WHY)
    page.get_by_role("button", name="Propose the trade").click()
    page.wait_for_url("**/approvals/*/")
    proposal = page.url.rstrip("/").rpartition("/")[2]
    yield proposal
    ask("trader", "POST", f"/proposals/{proposal}/withdraw", {"reason": "only looked at"})
    page.goto(f"/approvals/{proposal}/")
    expect(page.locator("main .pill").first).to_contain_text("withdrawn")


def test_a_trade_is_found_in_the_inbox_by_keys_alone(page_as, trade, shot):
    page = page_as("risk_manager")
    page.goto("/approvals/")
    mine = page.locator(f"[data-waiting] tr:has(a[href*='{trade}'])")
    expect(mine).to_be_visible()
    for _ in range(page.locator("[data-waiting] tbody tr").count()):
        page.keyboard.press("j")
        if "is-cursor" in (mine.get_attribute("class") or ""):
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/approvals/{trade}/")
    expect(page.locator("[data-guard]")).to_have_count(2)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    sound(page, "approvals_trade", shot)


def test_a_promotion_is_put_together_and_live_says_what_it_lacks(page_as, run, shot):
    page = page_as("researcher")
    page.goto(f"/live/propose/{run}/")
    expect(page.locator("[data-needs] li").first).to_be_visible()
    page.fill("#id_capital_usd", "-5")
    page.fill("#id_title", "A title that stays")
    page.fill("#id_rationale", WHY)
    page.get_by_role("button", name="Propose for paper").click()
    expect(page.locator("#id_capital_usd-error")).to_contain_text("above 0")
    expect(page.locator("#id_title")).to_have_value("A title that stays")
    sound(page, "trading_propose_run", shot)
    page.get_by_role("link", name="Live", exact=True).last.click()
    expect(page.locator("[data-missing]")).to_contain_text("has no broker that trades live")
    expect(page.locator("[data-promotion]")).to_have_count(0)
    sound(page, "trading_propose_live", shot)
