"""The main job by clicking: a researcher's run becomes an approved strategy that trades on paper.

The tests go in order and share one lab and one page per person; each needs what those before it
made.
"""

import base64
import csv
import hashlib
import hmac
import io
import json
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, ROOT, WIDE, Complaints, keep, sign_in
from tests.browser.test_gallery import findings

SOON = 30_000  # a page's own work, in ms, on a busy machine
LONG = 300_000  # a worker's work
RUN = re.compile(r"/research/[0-9a-f-]{36}/")
PROPOSAL = re.compile(r"/approvals/[0-9a-f-]{36}/")
ALL_DRAWN = """() => {
  const figures = [...document.querySelectorAll(".figure[data-figure], .figure[data-figure-src]")];
  return figures.length > 0 && figures.every((one) => one.dataset.state === "drawn");
}"""
ALL_SPARKED = """() => {
  const rows = [...document.querySelectorAll("[data-position]")];
  return rows.length > 0 && rows.every((one) => one.querySelector("svg.spark"));
}"""


class Walk:
    """The people of the walk, what their browsers complained of, what they made."""

    def __init__(self, browser, lab):
        self.browser, self.lab = browser, lab
        self.complaints, self.pages, self.contexts = Complaints(), {}, []
        self.run_url = self.proposal_url = ""
        self.mark = f"{time.time_ns():x}"[-6:]  # in every title, to find one's own again

    def person(self, role):
        """The page of a signed-in person; signs in at the first call."""
        if role not in self.pages:
            page = self.new_page()
            sign_in(page, self.lab.people[role])
            self.pages[role] = page
        return self.pages[role]

    def new_page(self):
        context = self.browser.new_context(viewport=WIDE, base_url=self.lab.base_url)
        context.set_default_timeout(SOON)
        self.contexts.append(context)
        page = context.new_page()
        self.complaints.listen(page)
        return page

    def look(self, page, name):
        """Keep the page as seen on a desk and on a phone."""
        keep(page, f"walk-{name}-1440")
        assert_sound(page)
        page.set_viewport_size(PHONE)
        page.reload()
        keep(page, f"walk-{name}-390")
        assert_sound(page)
        page.set_viewport_size(WIDE)
        page.reload()

    def close(self):
        for context in self.contexts:
            context.close()


def assert_sound(page):
    """The page itself never scrolls sideways, and axe finds nothing."""
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], f"{page.url} is {wide[0]} px wide on {wide[1]}"
    assert findings(page) == [], page.url


@pytest.fixture(scope="module")
def walk(browser, lab):
    walk = Walk(browser, lab)
    yield walk
    walk.close()


@pytest.fixture(autouse=True)
def no_complaints(walk):
    """After each step: no script error, no CSP violation, no failure of the server."""
    yield
    found, walk.complaints[:] = list(walk.complaints), []
    assert found == []


def changes(locator, timeout=SOON):
    """Wait until a text on the page becomes another by itself."""
    before = locator.inner_text()
    expect(locator).not_to_have_text(before, timeout=timeout)
    return before, locator.inner_text()


def go(page, place):
    """Go to a place by the rail."""
    page.locator("#rail").get_by_role("link", name=re.compile(rf"^{place}")).first.click()


# --- Step 2, 3: sign in, a dashboard that lives ---


def test_the_dashboard_is_alive(walk):
    page = walk.person("researcher")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    changes(page.locator("[data-feed-name='sp500-daily'] [data-feed-clock]"))
    changes(page.locator("[data-feed-name='crypto-hourly'] [data-feed-count]"))
    universes = page.locator("#universes tbody tr")
    assert universes.count() >= 3
    score = page.locator("#universes tbody tr td:last-child").first.inner_text()
    assert 0 < float(score) <= 100
    expect(page.locator("#accounts tbody tr", has_text="Paper US stocks")).to_be_visible()
    expect(page.locator("section", has_text="Health of the lab").last).to_contain_text("ok")
    walk.look(page, "dashboard")


# --- Step 4: research ---


def ask_for_a_run(walk, *, top, fee):
    """Fill the form of a new run."""
    page = walk.person("researcher")
    page.goto("/research/new/")
    page.select_option("[name=strategy]", "momentum_12_1")
    parameters = page.locator("[data-params=momentum_12_1]")
    parameters.locator("[name='params.top']").fill(str(top))
    page.select_option("[name=universe]", "sp500-sample")
    page.fill("[name=start]", "2010-01-01")
    page.fill("[name=end]", "2019-12-31")
    page.fill("[name=fee_bps]", str(fee))
    page.fill("[name=slippage_bps]", "5")
    page.fill("[name=title]", f"Momentum {walk.mark}, best {top}")


def send_run(page):
    page.get_by_role("button", name="Run the backtest").click()
    page.wait_for_url(RUN)
    return page.url


def test_a_run_shows_progress_and_survives_a_reload(walk):
    page = walk.person("researcher")
    ask_for_a_run(walk, top=20, fee=5)
    keep(page, "walk-new_run-1440")
    walk.run_url = send_run(page)
    page.reload()
    expect(page.locator("[data-job], [data-metric]").first).to_be_visible()
    expect(page.locator("[data-metric=sharpe]")).to_be_visible(timeout=LONG)
    assert page.url == walk.run_url


def test_the_tear_sheet_shows_everything(walk):
    page = walk.person("researcher")
    page.goto(walk.run_url)
    keep(page, "walk-tear_sheet-1440")
    # Some parts come after the page stands, with figures of their own.
    expect(page.locator(".figure").nth(3)).to_be_attached()
    page.wait_for_function(ALL_DRAWN)
    for name in ("total_return", "cagr", "sharpe", "sortino", "max_drawdown", "volatility"):
        cell = page.locator(f"[data-metric={name}]")
        assert re.search(r"\d", cell.inner_text()), name
        formula = cell.locator("xpath=..").get_attribute("data-formula")
        assert len(formula) > 5, name
    assert "P = 252" in page.locator("[data-metric=sharpe]").locator("xpath=..").get_attribute(
        "data-formula"
    )
    tail = page.locator("section[aria-labelledby=tail-head] tbody tr")
    rows = [row.locator("td").all_inner_texts() for row in tail.all()]
    assert {row[0].split()[0] for row in rows} == {"95", "99"}
    assert all(0 < float(row[1]) <= float(row[3]) for row in rows)
    # Each has its interval beside it once the first chart stands.
    expect(page.locator("[data-interval='figures/sharpe']").first).to_contain_text(
        re.compile(r"\d … .?\d")
    )
    assert page.locator("section[aria-labelledby=months-head] tbody tr").count() >= 10
    walk.look(page, "tear_sheet")
    page.get_by_role("link", name="Trades", exact=True).first.click()
    page.wait_for_selector("#trades")
    assert page.locator("#trades tbody tr").count() > 10
    page.locator("#id_symbol").select_option(index=1)
    page.wait_for_function(ALL_DRAWN)
    walk.look(page, "tear_sheet_trades")


def test_runs_are_exported(walk):
    page = walk.person("researcher")
    page.goto(walk.run_url)
    equity = download(page, "Equity, CSV")
    rows = list(csv.DictReader(io.StringIO(equity.read_text())))
    assert len(rows) > 2000
    fills = pd.read_parquet(download(page, "Fills, Parquet"))
    assert len(fills) > 100
    sheet = download(page, "Tear sheet, HTML").read_text()
    assert "Sharpe" in sheet
    assert "<html" in sheet


def download(page, words):
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name=words).click()
    page.locator("summary", has_text="Export").click()
    return Path(waiting.value.path())


def test_runs_are_listed_filtered_and_compared(walk):
    page = walk.person("researcher")
    ask_for_a_run(walk, top=10, fee=20)
    send_run(page)
    expect(page.locator("[data-metric=sharpe]")).to_be_visible(timeout=LONG)
    go(page, "Research")
    rows = page.locator("#runs tbody tr[data-id]")
    expect(rows.filter(has_text=walk.mark)).to_have_count(2)
    search_runs(page, f"{walk.mark}, best 10")
    expect(rows).to_have_count(1)
    search_runs(page, walk.mark)
    expect(rows).to_have_count(2)
    walk.look(page, "runs")
    for box in page.locator("#runs [data-select]").all():
        box.check()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url(re.compile("/research/compare/"))
    page.wait_for_function(ALL_DRAWN)
    assert page.locator("#compare thead th").count() == 3
    assert page.locator("#compare tbody tr").count() >= 15
    expect(page.locator("section[aria-labelledby=differs-head]")).to_contain_text("fee_bps")
    walk.look(page, "compare")


def search_runs(page, words):
    page.fill("#id_q", f'"{words}"')
    page.locator("form#search button", has_text="Search").click()


# --- Step 5: the forge ---


def test_the_forge_lists_candidates(walk):
    page = walk.person("researcher")
    go(page, "Assistant")
    expect(page.locator("[data-no-model]")).to_contain_text("No language model is set up")
    walk.look(page, "forge")
    page.select_option("[name=universe]", "sp500-sample")
    page.locator("summary", has_text="Size of the search").click()
    page.fill("[name=population]", "40")
    page.fill("[name=generations]", "4")
    page.get_by_role("button", name="Find hypotheses").click()
    page.wait_for_url(re.compile(r"/assistant/searches/\d+/"))
    expect(page.locator("main [data-job] [data-percent]")).to_have_text(re.compile(r"\d"))
    page.reload()
    expect(page.locator("main [data-job], #candidates").first).to_be_visible()
    keep(page, "walk-search_running-1440")
    candidates = page.locator("#candidates tbody tr")
    expect(candidates.first).to_be_visible(timeout=LONG)
    heads = page.locator("#candidates thead").inner_text()
    assert "in sample" in heads.lower()
    assert "out of sample" in heads.lower()
    cells = candidates.first.locator("td.num").all_inner_texts()
    assert re.search(r"\d", cells[0])
    assert int(cells[-1].replace("\u2009", "")) >= 40
    assert len(candidates.first.locator("th div").first.inner_text()) > 20
    walk.look(page, "search")


# --- Step 6: governance ---


def test_the_version_is_probed_by_itself(walk):
    page = walk.person("researcher")
    passed = page.locator("[data-probed=passed]")
    until = time.monotonic() + LONG / 1000
    while time.monotonic() < until:
        page.goto(walk.run_url + "?tab=propose")
        expect(page.locator("[data-probed]")).to_be_visible()
        if passed.count():
            break
        page.wait_for_timeout(1000)
    expect(passed).to_be_visible()
    page.locator("[data-probed] a").click()
    expect(page.locator("#probe")).to_contain_text("Passed")
    expect(page.get_by_role("button", name="Probe again")).to_be_visible()
    walk.look(page, "probe")


def test_the_author_proposes_and_may_not_decide(walk):
    page = walk.person("researcher")
    page.goto(walk.run_url)
    page.get_by_role("link", name="Propose…").click()
    page.fill("[data-propose] [name=rationale]", "Momentum held up after costs; small first step.")
    page.get_by_role("button", name="Propose for paper").click()
    page.wait_for_url(PROPOSAL)
    walk.proposal_url = page.url
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(page.locator("section[aria-labelledby=decide-head] .notice")).to_be_visible()
    keep(page, "walk-proposal_author-1440")


def test_the_author_is_refused_by_the_server_as_well(walk):
    page = walk.person("researcher")
    page.goto(walk.proposal_url)
    token = page.locator("meta[name=csrf-token]").get_attribute("content")
    answer = page.request.post(
        f"{walk.proposal_url}decide/",
        form={
            "decision": "approve",
            "rationale": "I like my own work",
            "csrfmiddlewaretoken": token,
        },
        headers={"Referer": walk.proposal_url},
    )
    assert answer.status == 403
    assert "Your decision was not taken" in answer.text()


def test_the_validator_reads_the_evidence_and_approves(walk):
    page = walk.person("validator")
    go(page, "Approvals")
    waiting = page.locator("[data-waiting] tbody tr")
    expect(waiting).to_have_count(1)
    walk.look(page, "inbox")
    waiting.first.get_by_role("link").first.click()
    page.wait_for_url(PROPOSAL)
    evidence = page.locator("section[aria-labelledby=evidence-head]")
    expect(evidence).to_contain_text(re.compile("sharpe", re.IGNORECASE))
    expect(evidence).to_contain_text(re.compile("top", re.IGNORECASE))
    walk.look(page, "proposal")
    page.fill("[name=rationale]", "Read the tear sheet and costs; approved for paper only.")
    page.get_by_role("button", name="Approve").click()
    assert page.locator("#id_code").evaluate("one => one.validity.valueMissing")
    page.fill("#id_code", code_of(walk.lab.people["validator"]["totp_secret"]))
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("in the ledger")
    expect(page.locator("main .pill").first).to_contain_text("approved")
    expect(page.locator(".timeline")).to_contain_text("approved for paper only")
    keep(page, "walk-approved-1440")


def test_the_audit_trail_holds_it(walk):
    page = walk.person("viewer")
    go(page, "Audit")
    decided = page.locator("#trail tbody tr", has_text="proposal.").first
    expect(decided).to_be_visible()
    walk.look(page, "audit")
    page.locator("#trail tbody tr", has_text="proposal.").first.get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/audit/[0-9a-f-]{36}/"))
    recorded = page.get_by_text("recorded at leaf")
    for _ in range(120):
        if recorded.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(recorded).to_contain_text(re.compile(r"recorded at leaf \d+, checkpoint \d+"))
    page.get_by_role("button", name="Check in this browser").click()
    expect(page.locator("[data-browser-check]")).to_have_attribute("data-outcome", "pass")
    walk.look(page, "event")


# --- Step 7: trading ---


def open_account(walk):
    page = walk.person("trader")
    go(page, "Live")
    page.get_by_role("link", name="Paper US stocks").first.click()
    return page


def test_the_trader_deploys_and_the_live_page_moves(walk):
    page = open_account(walk)
    form = page.locator("form[action$='/deploy/']")
    form.locator("[name=version_id]").select_option(index=0)
    form.locator("[name=allocation]").fill("50000")
    form.get_by_role("button", name="Deploy").click()
    expect(page.locator(".messages")).to_contain_text("Deployed")
    expect(page.locator("[data-deployment]").first).to_contain_text("running")
    expect(page.locator("[data-order]").first).to_be_visible(timeout=LONG)
    expect(page.locator("[data-position]").first).to_be_visible(timeout=LONG)
    changes(page.locator("[data-live=equity]"))
    changes(page.locator("[data-live=day_pnl]"))
    changes(page.locator("[data-position] [data-cell=pnl]").first)
    page.wait_for_function(ALL_DRAWN)
    # The feed goes on and rows may still join: a new one draws its line with its next price.
    page.wait_for_function(ALL_SPARKED, timeout=LONG)
    weights = page.locator("[data-cell=weight]").all_inner_texts()
    assert 0 < sum(float(weight) for weight in weights) <= 101
    walk.look(page, "live")


def test_halt_stops_within_a_second_and_resume_asks_why(walk):
    page = open_account(walk)
    page.locator(".btn-halt").click()
    page.fill("#halt-reason", "Trying the brake")
    keep(page, "walk-halt-1440", full_page=False)
    status = page.locator("[data-deployment] [data-deployment-status]").first
    page.get_by_role("button", name="Halt now").click()
    expect(status).to_contain_text("halted")
    page.reload()
    expect(page.locator("main .notice", has_text="is halted")).to_contain_text("Trying the brake")
    walk.look(page, "halted")
    page.locator("main form[action$='/resume/'] button").click()
    reason = page.locator("main form[action$='/resume/'] [name=reason]")
    assert reason.evaluate("one => one.validity.valueMissing")
    reason.fill("The brake works")
    page.locator("main form[action$='/resume/'] button").click()
    expect(page.locator(".messages")).to_contain_text("when a risk manager agrees")
    expect(status).to_contain_text("halted")
    agree_to_resume(walk)
    page.reload()
    expect(status).to_contain_text("running")
    changes(page.locator("[data-live=equity]"))


def agree_to_resume(walk):
    """Two people end a halt: the risk manager signs what the trader proposed."""
    page = walk.person("risk_manager")
    page.goto("/approvals/")
    page.locator("[data-waiting] tbody tr").first.get_by_role("link").first.click()
    page.wait_for_url(PROPOSAL)
    expect(page.locator("main")).to_contain_text("Trying the brake")
    page.fill("#id_rationale", "Read back: no order is left open.")
    page.fill("#id_code", code_of(walk.lab.people["risk_manager"]["totp_secret"]))
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messages")).to_contain_text("in the ledger")


def test_the_busy_dashboard(walk):
    page = walk.person("trader")
    go(page, "Dashboard")
    row = page.locator("#accounts tbody tr", has_text="Paper US stocks")
    changes(row.locator("[data-live=account-equity]"))
    walk.look(page, "dashboard_trading")


# --- The ledger, and a second factor ---


def test_the_ledger_is_proven_intact(walk):
    command = [sys.executable, "manage.py", "verify_audit"]
    environment = walk.lab.environment()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


def code_of(secret):
    """RFC 6238: six digits of the secret and this half minute, which must not end too soon."""
    left = 30 - time.time() % 30
    if left < 4:
        time.sleep(left)
    counter = struct.pack(">Q", int(time.time() // 30))
    digest = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def test_a_second_factor_can_be_switched_on(walk):
    person = walk.lab.people["admin"]
    page = walk.person("admin")
    page.goto("/accounts/2fa/totp/activate/")
    if "reauthenticate" in page.url:
        page.fill("input[type=password]", person["password"])
        page.click(".gate button[type=submit], main button[type=submit]")
    secret = page.locator("#authenticator_secret").input_value()
    keep(page, "walk-totp-1440")
    page.fill("input[name=code]", code_of(secret))
    page.get_by_role("button", name="Activate").click()
    page.wait_for_url(re.compile("/2fa/recovery-codes/"))
    again = walk.new_page()
    sign_in_to_factor(again, person)
    keep(again, "walk-totp_asked-1440")
    again.fill("input[name=code]", "000000")
    again.get_by_role("button", name="Sign in").click()
    expect(again.locator("body")).to_contain_text("Incorrect code")
    again.fill("input[name=code]", code_of(secret))
    again.get_by_role("button", name="Sign in").click()
    expect(again.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.goto("/accounts/2fa/totp/deactivate/")
    page.get_by_role("button", name="Deactivate").click()
    page.wait_for_url(re.compile("/accounts/2fa/$"))


def sign_in_to_factor(page, person):
    page.goto("/accounts/login/")
    page.fill("input[name=login]", person["email"])
    page.fill("input[name=password]", person["password"])
    page.click("main button[type=submit], form button[type=submit]")
    page.wait_for_url(re.compile("/2fa/authenticate/"))
