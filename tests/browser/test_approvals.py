"""One promotion by passkey, from a run to the decision, and the pages of approvals."""

import re
import time
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, WIDE
from tests.browser.test_accounts import plug_in_authenticator
from tests.browser.test_gallery import findings

API = "/api/v1"
SOON = 30_000


@pytest.fixture(scope="module")
def version(lab):
    """A version with a finished run and an account, proposed for paper on exactly that."""
    with httpx.Client(base_url=lab.base_url + API, timeout=60) as client:
        headers = {"Authorization": f"Bearer {lab.people['researcher']['token']}"}
        run = client.post(
            "/backtests",
            headers=headers,
            json={
                "strategy": "sma_crossover",
                "params": {"fast": 11, "slow": 31 + time.time_ns() % 50},
                "universe": "sp500-sample",
                "timeframe": "1d",
                "start": "2010-01-04",
                "end": "2019-12-31",
                "cash": 100_000,
                "costs": {"fee_bps": 5, "slippage_bps": 5},
                "fill": "next_open",
                "seed": 3,
            },
        ).json()
        until = time.monotonic() + 300
        job = run["job"]
        while job["status"] not in {"done", "failed"} and time.monotonic() < until:
            time.sleep(0.5)
            job = client.get(f"/jobs/{job['id']}", headers=headers).json()
        assert job["status"] == "done", job
        shown = client.get(f"/backtests/{run['id']}", headers=headers).json()
        account = next(
            row
            for row in client.get("/accounts", headers=headers).json()["items"]
            if row["feed"] == "sp500-daily"
        )
        versions = client.get(f"/versions/{shown['version_id']}", headers=headers).json()
        asked = client.post(f"/versions/{shown['version_id']}/probes", headers=headers)
        assert asked.status_code == 202, asked.text
        job = asked.json()["job"]
        while job["status"] not in {"done", "failed"} and time.monotonic() < until:
            time.sleep(0.5)
            job = client.get(f"/jobs/{job['id']}", headers=headers).json()
        assert job["result"]["verdict"] == "passed", job
        body = {
            "subject": f"version:{shown['version_id']}",
            "title": "Crossover to paper, by passkey",
            "digest": versions["digest"],
            "target_stage": "paper",
            "run": run["id"],
            "account": account["id"],
            "capital_usd": 9000,
            "rationale": "Crossovers are old; a small first step on paper.",
        }
        made = client.post("/proposals", headers=headers, json=body)
        assert made.status_code == 201, made.text
        return {"proposal": made.json(), "account": account, "run": run["id"]}


def sound(page, name, shot):
    for size, word in ((WIDE, 1440), (PHONE, 390)):
        page.set_viewport_size(size)
        shot(page, f"{name}-{word}")
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"{page.url} is {wide[0]} px wide on {wide[1]}"
        assert findings(page) == [], page.url
    page.set_viewport_size(WIDE)


def add_passkey(page, password):
    page.goto("/accounts/2fa/webauthn/add/")
    if "reauthenticate" in page.url:
        page.fill("input[type=password]", password)
        page.click(".gate button[type=submit]")
    page.fill("input[name=name]", "laptop")
    page.click("#mfa_webauthn_add")
    page.wait_for_url(re.compile("/2fa/(recovery-codes|webauthn)/"))


@pytest.fixture
def validator(browser, lab, complaints):
    """The page of an invited validator with a passkey: nobody else is asked for it at sign-in."""
    email, password = f"v{time.time_ns():x}@approvals.example", "words that nobody else has said"
    made = httpx.post(
        f"{lab.base_url}{API}/invitations",
        headers={"Authorization": f"Bearer {lab.people['admin']['token']}"},
        json={"email": email, "role": "validator"},
        timeout=60,
    )
    assert made.status_code == 201, made.text
    context = browser.new_context(viewport=WIDE, base_url=lab.base_url)
    context.set_default_timeout(SOON)
    page = context.new_page()
    complaints.listen(page)
    page.goto(urlsplit(made.json()["link"]).path)
    page.fill("input[name=name]", "Invited validator")
    page.fill("input[name=password]", password)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url(f"{lab.base_url}/")
    plug_in_authenticator(page)
    add_passkey(page, password)
    yield page
    context.close()


def test_a_promotion_is_signed_by_passkey(validator, lab, version, complaints, shot):
    page, proposal = validator, version["proposal"]
    page.goto(f"/approvals/{proposal['id']}/")
    for place in ("#terms", "#what-if", "[data-passkey]", "[data-gate=trades]"):
        expect(page.locator(place).first).to_be_visible()
    expect(page.locator("[data-term=capital_usd]")).to_contain_text("9,000")
    expect(page.locator("main")).to_contain_text("Deflated Sharpe: ")
    sound(page, "approvals_proposal", shot)
    page.fill("#id_rationale", "Terms, gates and what-if read; a small step on paper.")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("in the ledger", timeout=SOON)
    expect(page.locator(".timeline")).to_contain_text("signed by passkey")
    token = {"Authorization": f"Bearer {lab.people['auditor']['token']}"}
    shown = httpx.get(f"{lab.base_url}{API}/proposals/{proposal['id']}", headers=token).json()
    assert (shown["status"], shown["in_force"]) == ("approved", True)
    (vote,) = shown["decisions"]
    assert vote["signature"]["kind"] == "passkey"
    assert complaints == []


def test_gates_are_held_against_past_approvals(page_as, version, shot):
    page = page_as("admin")
    page.goto("/approvals/policies/")
    expect(page.locator("#dry-head")).to_contain_text("would fail")
    gates = page.locator("[data-policy='approvals.gates']")
    gates.locator("[name='trades.threshold']").fill("30000")
    page.get_by_role("button", name="Hold against past approvals").click()
    expect(page.locator("#dry-run tbody tr[data-fails=yes]").first).to_be_visible()
    expect(gates.locator("[name='trades.threshold']")).to_have_value("30000")
    sound(page, "approvals_policies", shot)
    for place, name in (("/approvals/", "inbox"), ("/approvals/settings/", "settings")):
        page.goto(place)
        sound(page, f"approvals_{name}", shot)


def test_a_setting_is_confirmed_by_who_changes_it(page_as, version, shot):
    page = page_as("admin")
    page.goto("/approvals/settings/")
    section = page.locator("[data-setting='approvals.order_minutes']")
    section.locator("[name=value]").fill("20")
    section.get_by_role("button", name="Change").click()
    expect(page.get_by_role("heading", name="Confirm a change")).to_be_visible()
    sound(page, "approvals_confirm", shot)
    page.get_by_role("button", name="Confirm the change").click()
    expect(page.locator(".messages")).to_contain_text("is changed")
