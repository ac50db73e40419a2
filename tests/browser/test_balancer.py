"""The balancer of an account in a browser: set, looked at, on the way to orders, taken back."""

import time

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_approvals import API, sound

WHY = "A calm mix, to see what it would do."
# The worker may be busy with what others asked for. What can't be met needs no optimiser.
PATIENCE = 240_000


@pytest.fixture(scope="module")
def account(lab):
    """An account of its own; afterwards its balancer is off and nothing of it waits."""
    with httpx.Client(base_url=lab.base_url + API, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {lab.people['trader']['token']}"
        asked = {"name": f"Balanced {time.time_ns()}", "cash": 100_000, "feed": "sp500-daily"}
        made = client.post("/accounts", json=asked).json()
        place = f"/accounts/{made['id']}/balancer"
        yield made
        change = client.get(place).json()["change_id"]
        if change:
            client.post(f"/proposals/{change}/withdraw", json={"reason": "only looked at"})
        off = {"policy": {"is_on": False, "output": "proposal"}, "reason": "only looked at"}
        assert client.put(place, json=off).status_code == 200


def test_a_balancer_is_set_looked_at_and_on_the_way_to_orders(page_as, account, shot):
    page = page_as("trader")
    page.goto(f"/live/{account['id']}/")
    page.get_by_role("link", name="Balancer").click()
    page.wait_for_url("**/balancer/")
    page.select_option("#id_universe", "sp500-sample")
    page.fill("#id_min_weight", "60")
    page.fill("#id_max_weight", "20")
    page.fill("#id_reason", WHY)
    page.get_by_role("button", name="Set it").click()
    expect(page.locator("#id_min_weight-error")).to_contain_text("above the largest")
    expect(page.locator("#id_reason")).to_have_value(WHY)
    page.fill("#id_min_weight", "0")
    page.fill("#id_max_weight", "0.5")
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_text("holds from now on").first).to_be_visible()
    expect(page.locator("#id_min_weight")).to_have_value("0")
    page.get_by_role("button", name="What would it do?").click()
    words = page.locator("[data-run-words]")
    expect(words).to_contain_text("instruments of at most 0.5% hold", timeout=PATIENCE)
    expect(page.locator("#runs tbody tr").first).to_contain_text("infeasible")
    sound(page, "trading_balancer", shot)
    page.select_option("#id_output", "orders")
    page.fill("#id_reason", WHY)
    page.get_by_role("button", name="Set it").click()
    waiting = page.locator("[data-waiting-change]")
    expect(waiting).to_be_visible()
    waiting.get_by_role("link").click()
    page.wait_for_url("**/approvals/*/")
    expect(page.locator("main")).to_contain_text("sends orders by itself")
    sound(page, "approvals_balancer", shot)


def test_who_may_not_set_it_reads_it(page_as, account):
    page = page_as("viewer")
    page.goto(f"/live/{account['id']}/balancer/")
    expect(page.get_by_role("button", name="What would it do?")).to_be_visible()
    expect(page.get_by_role("button", name="Set it")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("It makes")
