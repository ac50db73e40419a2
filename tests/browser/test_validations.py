"""A walk-forward by clicking: begun from a sweep, its folds drawn, the demonstration labelled."""

from tests.browser.conftest import PHONE
from tests.browser.test_audit import ask
from tests.browser.test_gallery import findings

LONG = 300_000


SWEEP = {
    "strategy": "sma_crossover",
    "instruments": ["SPY"],
    "timeframe": "1d",
    "start": "2016-01-01",
    "end": "2020-12-31",
    "title": "Four crossovers to walk",
    "space": {"fast": [5, 10], "slow": [30, 60]},
}


def test_a_walk_forward_from_a_sweep_to_its_folds(page, lab, complaints):
    sweep = ask(lab, "researcher", "POST", "/sweeps", SWEEP)
    page.goto(f"/research/sweeps/{sweep['id']}/")
    page.get_by_role("link", name="Validate", exact=True).click()
    page.wait_for_selector("[data-new-validation]", timeout=LONG)
    assert page.input_value("[name=space]") == "fast: 5, 10\nslow: 30, 60"
    page.fill("[name='plan.train']", "9y")
    page.get_by_role("button", name="Validate", exact=True).click()
    page.wait_for_selector("[data-error]:not([hidden])", timeout=LONG)
    assert "don't fit once" in page.locator("[data-error]").inner_text()
    page.fill("[name='plan.train']", "2y")
    page.get_by_role("button", name="Validate", exact=True).click()
    page.wait_for_url("**/research/validations/*-*/", timeout=LONG)
    page.wait_for_selector("[data-validation][data-status=done]", timeout=LONG)
    for label in ("Growth of 1 over the test windows", "Windows of the folds"):
        page.wait_for_selector(f"[data-label='{label}'][data-state=drawn]", timeout=LONG)
    assert page.locator("#folds tbody tr").count() >= 4
    assert "demonstration" in page.locator("[data-naive]").inner_text()
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert findings(page) == []
    refused = [line for line in complaints if "422" not in line]
    assert refused == []
