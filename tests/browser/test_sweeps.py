"""A sweep by clicking: values in the form, pictures while it runs, a combination made a run."""

from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.test_gallery import findings

SOON = 30_000
LONG = 300_000


def test_a_sweep_from_the_form_to_a_run(page, complaints):
    page.goto("/research/new/?strategy=sma_crossover")
    part = page.locator("fieldset[data-params=sma_crossover]")
    assert page.locator("[data-sweep-button]").is_hidden()
    part.locator("summary").click()
    part.locator("[name='sweep.fast']").fill("5, 10, 20")
    part.locator("[name='sweep.slow']").fill("30:90:30")
    page.select_option("[name=universe]", "")
    page.fill("[name=instruments]", "AAPL, MSFT")
    page.fill("[name=start]", "2015-01-02")
    page.fill("[name=title]", "Nine crossovers")
    page.click("[data-sweep-button]")
    page.wait_for_url("**/research/sweeps/**", timeout=LONG)
    page.wait_for_selector("[data-sweep][data-status=done]", timeout=LONG)
    page.wait_for_selector("[data-heat][data-state=drawn]", timeout=LONG)
    page.wait_for_selector("[data-parallel][data-state=drawn]", timeout=LONG)
    assert page.locator("#trials tbody tr").count() == 9
    page.locator("[data-run]").first.click()
    page.wait_for_url(lambda url: "/research/" in url and "/sweeps/" not in url, timeout=LONG)
    page.wait_for_selector("text=Nine crossovers, trial", timeout=LONG)
    assert complaints == []


def test_a_bad_value_is_marked_where_it_stands(page):
    page.goto("/research/new/?strategy=sma_crossover")
    part = page.locator("fieldset[data-params=sma_crossover]")
    part.locator("summary").click()
    part.locator("[name='sweep.fast']").fill("9:3")
    page.click("[data-sweep-button]")
    page.wait_for_selector("[name='sweep.fast'][aria-invalid=true]", timeout=LONG)
    assert "low below high" in page.locator("[data-error]").inner_text()


def begin_a_long_one(page):
    """Ask for far more combinations than can be done meanwhile, in one job."""
    page.goto("/research/new/?strategy=sma_crossover")
    part = page.locator("fieldset[data-params=sma_crossover]")
    part.locator("summary").click()
    part.locator("[name='sweep.fast']").fill("2:100:1")
    part.locator("[name='sweep.slow']").fill("101:600:1")
    page.fill("[name=lanes]", "1")
    page.select_option("[name=universe]", "sp500-sample")
    page.click("[data-sweep-button]")
    page.wait_for_url("**/research/sweeps/**", timeout=LONG)


def press(page, name, status):
    """Press a button; the page comes back in the state it leads to."""
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_selector(f"[data-sweep][data-status={status}]", timeout=LONG)


def counted(page):
    return int(page.locator("[data-seen]").inner_text().replace("\u2009", ""))


def see_the_table(page):
    """Sorted and filtered by the server, at an address that can be kept."""
    table = page.locator("#trials")
    expect(table.locator("th[aria-sort=descending]")).to_have_text("Sharpe", timeout=SOON)
    table.get_by_role("link", name="Trades").click()
    expect(table.locator("th[aria-sort=descending]")).to_have_text("Trades", timeout=SOON)
    trades = [int(one.replace("\u2009", "")) for one in column(table, -2)]
    assert trades == sorted(trades, reverse=True)
    page.fill("[name=params]", "fast=2")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**params=fast%3D2**", timeout=LONG)
    assert set(column(table, 1)) == {"2"}
    expect(table.locator("th[aria-sort=descending]")).to_have_text("Trades", timeout=SOON)
    page.fill("[name=params]", "colour=2")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("main")).to_contain_text("colour", timeout=SOON)
    page.go_back()


def column(table, place):
    rows = table.locator("tbody tr").all()
    return [row.locator("td").all_inner_texts()[place] for row in rows[:10]]


def test_a_sweep_is_paused_resumed_and_cancelled(page, page_as, shot, complaints):
    page.set_default_timeout(SOON)
    begin_a_long_one(page)
    page.wait_for_selector("[data-parallel]", timeout=LONG)  # some are done
    press(page, "Pause", "paused")
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=SOON)
    page.reload()
    see_the_table(page)
    press(page, "Resume", "running")
    press(page, "Cancel", "cancelled")
    done = counted(page)
    assert 0 < done < 49_500
    for figure in ("[data-heat]", "[data-parallel]"):
        page.locator(figure).scroll_into_view_if_needed()
        page.wait_for_selector(f"{figure}[data-state=drawn]", timeout=LONG)
    assert findings(page) == []
    shot(page, "sweep-1440", full_page=False)
    phone = page_as(viewport=PHONE)
    phone.goto(page.url)
    phone.wait_for_selector("[data-heat][data-state=drawn]", timeout=LONG)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert findings(phone) == []
    assert [one for one in complaints if "422" not in one] == []
