"""The editors by typing: a formula mended, previewed and backtested; code; versions compared."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, keep
from tests.browser.test_gallery import findings
from tests.browser.test_walk import code_of as one_time_code

SOON = 30_000
LONG = 300_000
RUN = re.compile(r"/research/[0-9a-f-]{36}/")


def assert_sound(page):
    """The page itself never scrolls sideways, and axe finds nothing."""
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], f"{page.url} is {wide[0]} px wide on {wide[1]}"
    assert findings(page) == [], page.url


def unforeseen(complaints):
    """What the browser complained of, but for answers that these tests ask for."""
    return [one for one in complaints if not re.search(r"status of (422|409)", one)]


def write(page, text):
    """Replace what the editor holds, key by key."""
    page.locator(".editor .ace_text-input").focus()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


@pytest.fixture
def own():
    """A name that no other test has taken."""
    return f"t{time.time_ns():x}"


def test_a_formula_is_pointed_at_mended_previewed_and_run(page, complaints):
    page.goto("/strategies/expressions/")
    expect(page.locator(".editor[data-ready]")).to_be_visible()
    write(page, "rank(delta(clse, 5))")
    expect(page.locator("[data-reading]")).to_contain_text("Column 12", timeout=LONG)
    expect(page.locator(".lab-mark-error")).to_have_count(1)
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_count(1)
    page.get_by_role("button", name="Go to column 12").click()
    page.keyboard.press("Control+Shift+ArrowRight")
    page.keyboard.insert_text("close")
    expect(page.locator("[data-reading]")).to_contain_text("5-bar change of the close")
    expect(page.locator(".lab-mark-error")).to_have_count(0)
    page.select_option("[name=universe]", "sp500-sample")
    page.fill("[name=start]", "2018-01-02")
    page.fill("[name=end]", "2019-12-31")
    page.wait_for_selector("[data-preview][data-state=drawn]:not([aria-busy])", timeout=LONG)
    for part in ("buckets", "ic", "values", "turnover"):
        selector = f"[data-preview-{part}][data-state=drawn]"
        page.wait_for_selector(selector, timeout=LONG)
    tiles = page.locator("[data-preview-figures] .kpi-figure").all_inner_texts()
    assert len(tiles) == 4
    assert all(re.search(r"\d", text) for text in tiles)
    assert_sound(page)
    keep(page, "expression-1440")
    page.locator(".editor .ace_text-input").focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(RUN, timeout=LONG)
    expect(page.locator("[data-metric=sharpe]")).to_be_visible(timeout=LONG)
    assert unforeseen(complaints) == []


def test_completion_offers_names_and_unsaved_text_comes_back(page, complaints):
    page.goto("/strategies/expressions/")
    write(page, "")
    page.keyboard.type("decay")
    popup = page.locator(".ace_autocomplete")
    expect(popup).to_contain_text("decay_linear")
    page.keyboard.press("Enter")
    expect(page.locator(".editor .ace_line").first).to_have_text("decay_linear()")
    write(page, "")
    page.keyboard.type("Alpha101")
    expect(popup).to_contain_text("Alpha101")
    page.keyboard.press("Enter")
    expect(page.locator(".editor .ace_line").first).to_contain_text("(close - open)")
    expect(page.locator("[data-state-of-text]")).to_contain_text("kept in this browser")
    page.reload()
    expect(page.locator("[data-restored]")).to_contain_text("unsaved text")
    expect(page.locator(".editor .ace_line").first).to_contain_text("(close - open)")
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator(".editor .ace_line").first).to_contain_text("rank(delta(close, 20))")
    assert unforeseen(complaints) == []


def test_a_formula_becomes_versions_that_are_compared(page, own, complaints):
    page.goto("/strategies/expressions/?alpha=101")
    expect(page.locator("[data-facts]")).to_contain_text("reads")
    page.fill("[name=name]", own)
    page.fill("[name=title]", f"Turn {own}")
    page.get_by_role("button", name="Save the version").click()
    expect(page.locator("[data-saved]")).to_contain_text("v1")
    write(page, "rank(delta(close, 5))")
    expect(page.locator("[data-state-of-text]")).to_contain_text("kept in this browser")
    page.reload()
    expect(page.locator("[data-restored]")).to_contain_text("unsaved text")
    page.locator(".editor .ace_text-input").focus()
    page.keyboard.press("Control+s")
    expect(page.locator("[data-saved]")).to_contain_text("v2")
    page.locator("[data-saved] a").click()
    page.get_by_role("link", name="against v1").click()
    expect(page.locator("[data-diff]")).to_contain_text("(close - open)")
    page.keyboard.press("j")
    expect(page.locator("[data-diff] tr.is-cursor")).to_have_count(1)
    assert_sound(page)
    keep(page, "versions-1440")
    page.keyboard.press("u")
    page.wait_for_url(re.compile("view=unified"))
    expect(page.locator("[data-diff] tr.add")).to_contain_text("delta")
    assert_sound(page)
    assert unforeseen(complaints) == []


def test_the_catalogue_narrows_while_one_types(page_as, complaints):
    page = page_as("researcher", viewport=PHONE)
    page.goto("/strategies/expressions/catalogue/")
    rows = page.locator("#catalogue tbody tr:visible")
    assert rows.count() == 100
    page.fill("[name=text]", "ts_argmax")
    expect(rows.first).to_contain_text("ts_argmax")
    assert 0 < rows.count() < 20
    assert_sound(page)
    rows.first.get_by_role("link").click()
    expect(page.locator(".editor .ace_line").first).to_contain_text(re.compile("rank"))
    expect(page.locator("[data-facts]")).to_contain_text("reads")
    assert_sound(page)
    keep(page, "expression-390", full_page=False)
    assert unforeseen(complaints) == []


def code_of(page):
    return page.evaluate("document.querySelector('#id_text').value")


def see_findings(page, right):
    """Write what is wrong in two ways, see it pointed at, mend it."""
    wrong = right.replace("panel.close, params", "panel.close, parms", 1)
    write(page, f"{wrong}\ndef f(:\n")
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_count(1)
    expect(page.locator("[data-findings]")).to_contain_text("invalid syntax")
    write(page, wrong)
    expect(page.locator("[data-findings]")).to_contain_text("undefined name 'parms'")
    expect(page.locator(".ace_gutter-cell.ace_warning")).to_have_count(1)
    write(page, right)
    expect(page.locator("[data-reading]")).to_contain_text("Nothing found")


def see_parameters(page):
    """The form follows the text; a value outside its range is told at the field."""
    expect(page.locator("[name='params.slow']")).to_have_value("60")
    page.fill("[name='params.fast']", "1")
    expect(page.locator("#id_params_fast-error")).to_contain_text("outside 2 to 400")
    page.fill("[name='params.fast']", "5")
    expect(page.locator("#id_params_fast-error")).to_have_text("")


def run_code(page):
    # Data that was uploaded to the same lab stands before the sample.
    page.select_option("[name=universe]", "sp500-sample")
    page.fill("[name=start]", "2018-01-02")
    page.fill("[name=end]", "2019-12-31")
    page.get_by_role("button", name="Run the backtest").click()


def see_diff(page):
    """The list of versions leads to how the second differs from the first."""
    second = page.locator("[data-versions] li").first
    expect(second).to_contain_text("v2")
    page.goto(second.get_by_role("link", name="Diff").get_attribute("href"))
    expect(page.locator("[data-diff] del")).to_contain_text(["50"])
    expect(page.locator("[data-diff] ins").first).to_be_visible()
    assert_sound(page)
    page.go_back()
    expect(page.locator(".editor[data-ready]")).to_be_visible()


def run_from_the_form(page, version):
    """The form of any run offers the text too; its parameters come when it is chosen."""
    page.goto("/research/new/")
    page.select_option("[name=strategy]", version)
    part = page.locator(f"[data-params='{version}']")
    expect(part.locator("[data-leave=approved]")).to_be_visible()
    part.locator("[name='params.fast']").fill("401")
    page.select_option("[name=universe]", "sp500-sample")
    page.fill("[name=start]", "2018-01-02")
    page.fill("[name=end]", "2019-12-31")
    page.fill("[name=currency]", "EUR and more")
    page.get_by_role("button", name="Run the backtest").click()
    expect(page.locator("#id_currency-error")).to_contain_text("a currency such as USD")
    assert page.locator("[name=currency]").input_value() == "EUR and more"
    page.fill("[name=currency]", "USD")
    page.get_by_role("button", name="Run the backtest").click()
    expect(part.locator("[name='params.fast']")).to_have_attribute("aria-invalid", "true")
    assert_sound(page)
    part.locator("[name='params.fast']").fill("7")
    page.get_by_role("button", name="Run the backtest").click()
    page.wait_for_url(RUN, timeout=LONG)
    expect(page.locator("[data-metric=sharpe]")).to_be_visible(timeout=LONG)
    expect(page.locator("[data-sandbox]")).to_contain_text("tier")
    assert_sound(page)
    keep(page, "own-run-1440")


def approve(page, proposal, secret):
    """Approve with a one-time code; where it was used already the next one is waited for."""
    state = page.locator("main .pill").first
    for _ in range(3):
        page.goto(proposal)
        page.fill("[name=rationale]", "Read it; it only computes averages of closes.")
        page.fill("#id_code", one_time_code(secret))
        page.get_by_role("button", name="Approve").click()
        page.wait_for_load_state()
        page.goto(proposal)
        if "approved" in state.inner_text():
            break
        page.wait_for_timeout(31_000)
    expect(state).to_contain_text("approved")


def save_two_versions(page, own):
    """Code with remarks is mended and saved; what is run unsaved is saved, and refused."""
    page.goto("/strategies/code/")
    expect(page.locator("[data-reading]")).to_contain_text("Nothing found")
    right = code_of(page)
    see_findings(page, right)
    page.fill("[name=name]", own)
    page.keyboard.press("Control+s")
    expect(page.locator("[data-saved]")).to_contain_text("v1")
    # The same text was approved when this ran before on the same lab.
    write(page, right.replace('"default": 50', '"default": 60').replace("My crossover", own))
    see_parameters(page)
    run_code(page)
    expect(page.locator("[data-run-error]")).to_contain_text("nobody has approved", timeout=LONG)
    expect(page.locator("[data-saved]")).to_contain_text("v2")
    expect(page.locator("[data-leave]")).to_have_attribute("data-leave", "none")


def test_code_is_remarked_on_saved_refused_approved_and_run(lab, page_as, own, complaints):
    page = page_as("researcher")
    save_two_versions(page, own)
    page.fill("[name=rationale]", "Two averages; looked at the text line by line.")
    page.get_by_role("button", name="Propose this text").click()
    expect(page.locator("[data-leave]")).to_have_attribute("data-leave", "open")
    assert_sound(page)
    keep(page, "code-1440")
    version = page.locator("form[data-code-page]").get_attribute("data-base")
    proposal = page.get_by_role("link", name="See the proposal").get_attribute("href")
    approve(page_as("validator"), proposal, lab.people["validator"]["totp_secret"])
    page.reload()
    expect(page.locator("[data-leave]")).to_have_attribute("data-leave", "approved")
    see_diff(page)
    run_code(page)
    if "does not hold" in page.locator("[data-leave]").inner_text():
        expect(page.locator("[data-run-error]")).to_contain_text("sandbox", timeout=LONG)
    else:
        page.wait_for_url(RUN, timeout=LONG)
        expect(page.locator("[data-metric=sharpe]")).to_be_visible(timeout=LONG)
        run_from_the_form(page, version)
    assert unforeseen(complaints) == []


def test_two_people_on_one_text_lose_nothing(page_as, own):
    first = page_as("researcher")
    first.goto("/strategies/code/")
    first.fill("[name=name]", own)
    first.get_by_role("button", name="Save a version").click()
    expect(first.locator("[data-saved]")).to_contain_text("v1")
    text, path = code_of(first), re.search(r"/strategies/\d+/edit/", first.url)[0]
    second = page_as("researcher", viewport=PHONE)
    second.goto(path)
    expect(second.locator(".editor[data-ready]")).to_be_visible()
    assert_sound(second)
    keep(second, "code-390")
    write(first, text.replace("My crossover", "Their crossover"))
    first.keyboard.press("Control+s")
    expect(first.locator("[data-saved]")).to_contain_text("v2")
    write(second, text.replace("My crossover", "Our crossover"))
    second.get_by_role("button", name="Save a version").click()
    conflict = second.locator("[data-conflict]")
    expect(conflict).to_contain_text("saved v2 since you began")
    expect(conflict.locator("del").first).to_contain_text("Their")
    expect(conflict.locator("ins").first).to_contain_text("Our")
    assert "Our crossover" in code_of(second)
    assert_sound(second)
    second.reload()
    expect(second.locator("[data-restored]")).to_contain_text("unsaved text")
    second.get_by_role("button", name="Save a version").click()
    second.get_by_role("button", name="Save mine after v2").click()
    expect(second.locator("[data-saved]")).to_contain_text("v3")
