"""Risk at a glance in a browser: figures, every model, words where there is nothing, the PDF."""

import time

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.test_approvals import API
from tests.browser.test_gallery import findings

LONG = 150_000
FIGURES = """() => [...document.querySelectorAll(".figure[data-figure-src]")]
  .map((one) => one.dataset.state)"""


@pytest.fixture(scope="module")
def ask(lab):
    """REST as a researcher."""
    headers = {"Authorization": f"Bearer {lab.people['researcher']['token']}"}
    with httpx.Client(base_url=lab.base_url + API, timeout=60, headers=headers) as client:

        def call(method, path, body=None):
            answer = client.request(method, path, json=body)
            assert answer.status_code < 300, answer.text
            return answer.json()

        yield call


def done(ask, job):
    until = time.monotonic() + LONG / 1000
    while job["status"] not in {"done", "failed"} and time.monotonic() < until:
        time.sleep(0.3)
        job = ask("GET", f"/jobs/{job['id']}")
    assert job["status"] == "done", job
    return job


@pytest.fixture(scope="module")
def run(ask):
    """A finished run that holds two shares at its end."""
    body = {
        "strategy": "buy_and_hold",
        "instruments": ["AAPL", "MSFT"],
        "timeframe": "1d",
        "start": "2012-01-03",
        "end": "2014-12-31",
    }
    made = ask("POST", "/backtests", body)
    done(ask, made["job"])
    return made["id"]


def sound(page):
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    assert findings(page) == []


def test_a_book_at_a_glance(page_as, run, complaints, shot):
    page = page_as("viewer")
    page.goto(f"/risk/?subject=backtest:{run}", timeout=LONG)
    expect(page.locator("[data-measures] tbody tr[data-method]")).to_have_count(11, timeout=LONG)
    expect(page.locator("#book")).to_have_value(f"backtest:{run}")
    expect(page.locator("#glance-head")).not_to_contain_text("backtest:")
    first = page.locator("[data-method=historical]")
    expect(first).to_contain_text("in force")
    assert first.locator("td.num").count() == 10
    expect(page.locator("[data-liquidity]")).to_contain_text("of the volume")
    expect(page.locator("[data-stress] tbody tr").first).to_contain_text("%")
    # Fan and parts are drawn; no exceptions are, and why stands in their place.
    page.locator("#parts-head").scroll_into_view_if_needed()
    page.wait_for_function(f"() => ({FIGURES})().filter((one) => one === 'drawn').length === 2")
    expect(page.get_by_text("The parts sum to VaR")).to_be_visible()
    expect(page.get_by_text("No model was graded on this book; accounts are")).to_be_attached()
    expect(page.get_by_text("A run has no limits")).to_be_visible()
    shot(page, "risk-run-1440")
    sound(page)
    page.set_viewport_size(PHONE)
    page.reload()
    expect(page.locator("[data-measures] tbody tr[data-method]")).to_have_count(11, timeout=LONG)
    shot(page, "risk-run-390")
    sound(page)
    # The run's own page has the same table.
    page.goto(f"/research/{run}/?tab=risk", timeout=LONG)
    expect(page.locator("[data-run-risk] tr[data-method]")).to_have_count(11, timeout=LONG)
    shot(page, "run-risk-390")
    assert complaints == []


def test_books_are_chosen_and_refusals_filtered_by_the_keys(page_as, complaints, shot):
    page = page_as("risk_manager")
    page.goto("/risk/")
    books = page.locator("#book option")
    assert books.count() >= 2
    other = books.nth(1).get_attribute("value")
    page.locator("#book").focus()
    page.locator("#book").select_option(other)
    page.wait_for_url(lambda url: "subject=" in url)
    expect(page.locator("#book")).to_have_value(other)
    expect(page.locator("#breach-code")).to_be_visible()
    page.locator("#breach-code").focus()
    assert page.evaluate("document.activeElement.id") == "breach-code"
    sound(page)
    for place in ("/risk/limits/", "/risk/reports/"):
        page.goto(place)
        shot(page, f"{place.strip('/').replace('/', '-')}-1440")
        sound(page)
    assert complaints == []


def test_the_report_is_taken_away_as_pdf(page_as, ask, run, complaints, tmp_path):
    job = ask("POST", "/risk/reports", {"subject": f"backtest:{run}"})["job"]
    done(ask, job)
    page = page_as("viewer")
    page.goto(f"/risk/reports/?subject=backtest:{run}")
    row = page.locator("[data-reports] tbody tr").first
    expect(row).to_contain_text(f"backtest:{run}")
    with page.expect_download(timeout=LONG) as got:
        row.get_by_role("link", name="PDF").click()
    got.value.save_as(tmp_path / "risk.pdf")
    assert (tmp_path / "risk.pdf").read_bytes().startswith(b"%PDF-")
    assert got.value.suggested_filename.startswith("risk-backtest-")
    assert complaints == []
