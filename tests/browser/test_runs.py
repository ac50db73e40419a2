"""A run with costs, a stop and orders of one's own: the form, its errors, the tables it fills."""

from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.test_gallery import findings

SOON = 30_000
LONG = 300_000  # the full loop may be compiled first
BAD = "ts,symbol,side,quantity\n2012-01-09,AAPL,buy,10\n2012-01-07,AAPL,sell,10\n"
ROWS = """ts,symbol,side,quantity,kind,price,bars
2012-01-09,AAPL,buy,10,,,
2012-01-24,AAPL,buy,10,limit,1,3
"""


def ask(page):
    """Fill the form: costs, a stop beyond its range, a row on a Saturday."""
    page.goto("/research/new/?strategy=sma_crossover")
    # The simple case stays simple: what is rarely asked for is folded away.
    expect(page.locator("[name='costs.spread_bps']")).to_be_hidden()
    for fold in page.locator("[data-terms] > summary, [data-rows] > summary").all():
        fold.click()
    page.select_option("[name=universe]", "")
    page.fill("[name=instruments]", "AAPL, MSFT")
    page.fill("[name=start]", "2012-01-03")
    page.fill("[name=end]", "2013-12-31")
    page.fill("[name='costs.spread_bps']", "4")
    page.fill("[name='costs.maker_bps']", "2")
    page.fill("[name='costs.schedule']", "2013-01-02, , 3, 1")
    page.fill("[name='execution.stop_loss']", "150")
    page.fill("[name=orders]", BAD)


def see_errors(page, send, shot):
    # A bad value is told at its own field, and what was typed stays.
    send.click()
    stop = page.locator("[name='execution.stop_loss']")
    expect(stop).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[id='id_execution.stop_loss-error']")).to_contain_text("0 to 100 %")
    assert stop.input_value() == "150"
    stop.fill("7")
    send.click()
    expect(page.locator("[name=orders]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#id_orders-error")).to_contain_text("Row 2, ts: there is no 1d bar at")
    assert page.locator("[name=orders]").input_value() == BAD
    expect(stop).not_to_have_attribute("aria-invalid", "true")
    shot(page, "new_run-terms-1440")
    assert findings(page) == []


def see_the_run(page, shot):
    said = page.locator("[data-costs]")
    expect(said).to_contain_text("Spread: half of 4 bps (2 bps) on each trade.")
    expect(said).to_contain_text("2 bps of the value of limit orders that rested")
    expect(page.locator("[data-execution]")).to_contain_text("Stop loss 7 %")
    page.locator("[data-tab=trades]").click()
    expect(page.locator("#trades tbody tr").first).to_be_visible()
    for heading in ("MAE, %", "MFE, %", "Bars"):
        expect(page.locator("#trades thead")).to_contain_text(heading)
    assert page.locator("#trades tbody tr").count() > 3
    shot(page, "run-terms-1440")
    drawn = page.locator("[data-figure-src$='/excursions']")
    expect(drawn).to_have_attribute("data-state", "drawn", timeout=LONG)


def see_orders(page, shot):
    page.get_by_role("link", name="Orders", exact=True).click()
    rows = page.locator("#orders tbody tr")
    expect(rows.first).to_contain_text("market")
    expect(page.locator("#orders")).to_contain_text("not filled within its 3 bars")
    expect(page.locator("#orders")).to_contain_text("stop loss")
    page.get_by_role("link", name="expired 1").click()
    expect(rows).to_have_count(1)
    assert findings(page) == []
    shot(page, "run-orders-1440")


def begin_again(page):
    # The next run begins from this one: nothing that was asked for is lost.
    page.get_by_role("link", name="Run it changed").click()
    assert page.locator("[name='costs.spread_bps']").input_value() == "4"
    assert page.locator("[name='execution.stop_loss']").input_value() == "7"
    assert page.locator("[name='costs.schedule']").input_value().startswith("2013-01-02, , 3")
    assert "2012-01-24,AAPL" in page.locator("[name=orders]").input_value()


def test_a_run_with_costs_a_stop_and_orders(page, page_as, complaints, shot):
    page.set_default_timeout(SOON)
    ask(page)
    send = page.get_by_role("button", name="Run the backtest")
    see_errors(page, send, shot)
    page.fill("[name=orders]", ROWS)
    send.click()
    page.wait_for_selector("[data-metric=sharpe]", timeout=LONG)
    address = page.url.split("?")[0]
    see_the_run(page, shot)
    see_orders(page, shot)
    begin_again(page)
    phone = page_as(viewport=PHONE)
    for path in (f"{address}?table=orders", address, f"{address}?tab=risk", "/research/new/"):
        phone.goto(path)
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    phone.goto(f"{address}?table=orders")
    shot(phone, "run-orders-390")
    unexpected = [one for one in complaints if "422" not in one]
    assert unexpected == []


def test_what_only_the_bars_refuse_is_told_at_its_field_too(page, complaints):
    """A run that stopped begins again where it was wrong; then with weights given by hand."""
    page.set_default_timeout(SOON)
    page.goto("/research/new/?strategy=buy_and_hold")
    page.select_option("[name=universe]", "")
    page.fill("[name=instruments]", "AAPL, MSFT")
    page.fill("[name=start]", "2012-01-03")
    page.fill("[name=end]", "2012-12-31")
    page.select_option("[name=benchmark]", "none")
    page.fill("[name=currency]", "XYZ")
    page.get_by_role("button", name="Run the backtest").click()
    page.wait_for_url(lambda url: "/new/" not in url, timeout=LONG)
    expect(page.locator("main .error-panel")).to_contain_text("fx.no_path", timeout=LONG)
    page.get_by_role("link", name="Run it changed").click()
    currency = page.locator("[name=currency]")
    expect(currency).to_have_attribute("aria-invalid", "true", timeout=SOON)
    expect(page.locator("#id_currency-error")).to_contain_text("XYZ", timeout=SOON)
    assert currency.input_value() == "XYZ"
    page.locator("[data-rows] > summary").click()
    page.fill("[name=targets]", "ts,AAPL\n2012-01-09,0.5\n2012-06-04,0\n")
    currency.fill("USD")
    send = page.get_by_role("button", name="Run the backtest")
    send.click()
    # Weights and a strategy that decides both say what to hold.
    expect(page.locator("#id_targets-error")).to_contain_text(
        "leave the strategy out", timeout=SOON
    )
    page.select_option("[name=strategy]", "given")
    send.click()
    page.wait_for_selector("[data-metric=sharpe]", timeout=LONG)
    page.locator("[data-tab=trades]").click()
    expect(page.locator("#trades tbody tr")).to_have_count(1, timeout=SOON)
    assert [one for one in complaints if "422" not in one] == []
