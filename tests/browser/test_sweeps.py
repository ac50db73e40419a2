"""A sweep by clicking: values in the form, pictures while it runs, a combination made a run."""

LONG = 120_000


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
