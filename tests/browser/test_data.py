"""The data room by clicking: files come in, are judged, mended, corrected; vendors are asked.

The tests go in order and share one lab; each needs what those before it made. All they look at is
in datasets of their own.
"""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.test_walk import ALL_DRAWN, LONG, SOON, Walk, assert_sound

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, HOLE, SPIKE = 200, range(90, 97), 150
BAD = 42  # a day whose high lies below its low


def table_of(symbols, *, close=None):
    """Daily bars around the clock as CSV: a hole, a spike that the next bar takes back, a bad bar.

    ``close`` replaces that of the first symbol on the last day, as a vendor's correction does.
    """
    lines = ["symbol,date,open,high,low,close,volume"]
    for number, symbol in enumerate(symbols):
        for day in range(DAYS):
            if number == 0 and day in HOLE:
                continue
            wave = 100 + 10 * number + (day % 7) * 0.1
            price = wave * 1.27 if number == 0 and day == SPIKE else wave
            last = close if close and number == 0 and day == DAYS - 1 else price
            high, low = max(price, last) * 1.01, min(price, last) * 0.99
            if number == 1 and day == BAD:
                high, low = low, high
            at = (START + timedelta(days=day)).date()
            cells = (price, high, low, last)
            lines.append(f"{symbol},{at}," + ",".join(f"{x:.4f}" for x in cells) + ",1000")
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def data(browser, lab):
    expect.set_options(timeout=SOON)
    walk = Walk(browser, lab)
    walk.mark = f"{time.time_ns():x}"[-8:]
    walk.dataset = f"mine-{walk.mark}"
    yield walk
    walk.close()


@pytest.fixture(autouse=True)
def no_complaints(data):
    """After each step: no script error, no CSP violation, no failure of the server."""
    yield
    found, data.complaints[:] = list(data.complaints), []
    assert found == []


@pytest.fixture
def page(data):
    return data.person("researcher")


def choose(page, name, content):
    """Choose a file on the upload page."""
    page.goto("/data/upload/")
    page.set_input_files("#id_file", {"name": name, "mimeType": "text/csv", "buffer": content})


def upload(page, name, content, dataset):
    """Check a file, store it, wait until the page says that it is stored."""
    choose(page, name, content)
    page.fill("#id_dataset", dataset)
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("button", name=re.compile(r"^Store [\d\s]+row")).click()
    expect(page.locator("[data-upload-result]")).to_contain_text("is stored in", timeout=LONG)


def test_a_refusal_names_row_and_column(data, page):
    lines = table_of(["AAA"]).splitlines()
    lines[3] = lines[3].replace(b",1000", b",many")
    choose(page, "Wrong volume.csv", b"\n".join(lines))
    expect(page.locator("#id_dataset")).to_have_value("wrong-volume")
    page.get_by_role("button", name="Check", exact=True).click()
    fault = page.get_by_role("row", name=re.compile("volume.*many")).first
    expect(fault).to_be_visible()
    expect(fault.locator("td").first).to_have_text("3")
    assert_sound(page)
    # The browser reports the status of the refusal itself.
    data.complaints[:] = [words for words in data.complaints if "status of 422" not in words]


def test_a_file_is_shown_before_it_is_stored_and_leads_to_its_bars(data, page):
    choose(page, "mine.csv", table_of(["AAA", "BBB"]))
    page.fill("#id_dataset", data.dataset)
    page.get_by_role("button", name="Check", exact=True).click()
    found = page.locator("[data-upload-result]")
    expect(found).to_contain_text("Nothing has been stored yet")
    expect(found).to_contain_text("bars of 2 instruments, 1 bars in quarantine")
    expect(found.get_by_label("What date is")).to_have_value("ts")
    expect(found.get_by_label("What close is")).to_have_value("close")
    assert_sound(page)
    page.get_by_role("button", name=re.compile(r"^Store [\d\s]+row")).click()
    expect(found).to_contain_text("is stored in", timeout=LONG)
    expect(found.get_by_role("link", name=re.compile("Gap map"))).to_be_visible()
    found.get_by_role("link", name="AAA", exact=True).click()
    page.wait_for_function(ALL_DRAWN)
    expect(page.get_by_role("heading", level=1)).to_contain_text("AAA")
    expect(page.locator("#stretches tbody tr").first).to_contain_text("upload")
    page.get_by_role("navigation", name="Length of a bar").get_by_role("link", name="1w").click()
    page.wait_for_function(ALL_DRAWN)
    expect(page.locator("[aria-current=true]", has_text="1w")).to_be_visible()
    assert_sound(page)


def test_the_gap_map_leads_to_the_bars_around_a_finding(data, page):
    page.goto(f"/data/?universe={data.dataset}")
    page.wait_for_function(ALL_DRAWN)
    expect(page.locator("#picked-title")).to_be_visible()
    assert_sound(page)
    page.get_by_role("link", name="Symbols and findings").click()
    page.wait_for_function(ALL_DRAWN)
    spike = page.locator("#findings tbody tr", has_text="spike")
    expect(spike.first).to_contain_text("2024-05-30")
    assert_sound(page)
    spike.first.get_by_role("link").click()
    page.wait_for_function(ALL_DRAWN)
    expect(page.locator("#findings")).to_contain_text("Since 2024-05-30")
    expect(page.locator("#around tr[aria-current=true]")).to_contain_text("2024-05-30")
    hole = page.locator("#gaps tbody tr").first
    expect(hole).to_contain_text("2024-03-31")
    expect(hole.locator("td").last).to_have_text(str(len(HOLE)))
    expect(page.get_by_role("button", name="Fetch the missing bars again")).to_be_disabled()
    assert_sound(page)


def test_a_bar_in_quarantine_is_decided(data, page):
    page.goto("/data/quarantine/?symbol=BBB")
    row = page.locator("#quarantine tbody tr", has_text=data.dataset)
    expect(row).to_contain_text("2024-02-12")
    assert_sound(page)
    row.locator("summary").click()
    row.get_by_label("High").fill("120")
    row.get_by_label("Low").fill("100")
    row.get_by_label("Why").fill("High and low were swapped")
    row.get_by_role("button", name="Store it").click()
    expect(page.locator(".messages .notice[data-tone=error]")).to_have_count(0)
    page.goto("/data/quarantine/?status=released&symbol=BBB")
    expect(row).to_contain_text("High and low were swapped")
    page.goto(f"/data/instruments/BBB/health/?dataset={data.dataset}")
    expect(page.locator("main")).to_contain_text("No bar is missing")


def test_a_correction_is_a_revision_with_a_blast_radius(data, page):
    upload(page, "mine.csv", table_of(["AAA", "BBB"], close=101.5), data.dataset)
    page.get_by_role("link", name="What changed").click()
    changed = page.locator("#changes tbody tr", has_text="AAA")
    expect(changed).to_contain_text("101.5")
    assert_sound(page)
    page.get_by_role("link", name="Blast radius").first.click()
    page.wait_for_url(re.compile("/revisions/"))
    expect(page.locator("main")).to_contain_text(data.dataset)
    assert_sound(page)


def test_members_and_ticker_changes_are_pasted(data, page):
    index = f"idx-{data.mark}"
    page.goto(f"/data/upload/?kind=members&dataset=ref-{data.mark}&index={index}")
    page.locator("summary", has_text="Or paste rows").click()
    page.fill("#id_pasted", "symbol,joined,left\nOLD,2010-01-01,2015-01-01\nNEW,2015-01-01,\n")
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("button", name=re.compile(r"^Store [\d\s]+row")).click()
    page.get_by_role("link", name="Members and ticker changes").click()
    page.goto(f"/data/reference/?index={index}&on=2012-06-01")
    expect(page.locator("#members")).to_have_text(re.compile(r"^\s*OLD\s*$"))
    page.goto(f"/data/reference/?index={index}&on=2016-06-01")
    expect(page.locator("#members")).to_have_text(re.compile(r"^\s*NEW\s*$"))
    assert_sound(page)


def ingest(page, **fields):
    """Fill the form of an ingestion and start it."""
    page.goto("/data/ingest/")
    page.select_option("[name=source]", "sample:sp500")
    for name, value in fields.items():
        page.locator(f"form[action$='/ingest/start'] [name={name}]").fill(value)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/data/ingest/$"))


def run_of(page, dataset):
    return page.locator("section[aria-labelledby=ingests-title] [data-run]").filter(
        has=page.get_by_text(dataset, exact=True)
    )


def test_a_hole_is_fetched_again_from_the_provider(data, page):
    place = f"holed-{data.mark}"
    for start, end in (("2007-01-03", "2007-03-30"), ("2007-06-01", "2007-08-31")):
        # Of a symbol that no other test of the same lab asks for by name.
        ingest(page, symbols="KO", start=start, end=end, dataset=place)
        expect(run_of(page, place).filter(has_text="done").first).to_be_visible(timeout=LONG)
        expect(run_of(page, place).filter(has=page.locator("progress"))).to_have_count(
            0, timeout=LONG
        )
    # Both ranges are judged once the second has been, which a worker does when it comes to it.
    until = time.monotonic() + LONG / 1000
    hole = page.locator("#gaps tbody tr").first
    page.goto(f"/data/instruments/KO/health/?dataset={place}")
    while not hole.is_visible() and time.monotonic() < until:
        page.wait_for_timeout(1000)
        page.reload()
    expect(hole).to_contain_text("2007-0")
    page.get_by_role("button", name="Fetch the missing bars again").click()
    expect(page.locator("main")).to_contain_text("No bar is missing", timeout=LONG)


def test_an_ingestion_shows_progress_and_is_cancelled(data, page):
    place = f"stopped-{data.mark}"
    ingest(page, symbols="", dataset=place)
    run = run_of(page, place)
    expect(run.locator("[data-percent]")).to_have_text(re.compile(r"\d"), timeout=LONG)
    expect(run.locator("[data-note]")).to_have_text(re.compile(r"\d"))
    run.get_by_role("button", name=re.compile("^Cancel")).click()
    expect(run).to_contain_text("cancelled", timeout=LONG)
    expect(run.get_by_role("button", name="Go on with the rest")).to_be_visible(timeout=SOON)
    assert_sound(page)


@pytest.mark.parametrize("place", ["providers/", "ingest/", "upload/", "reference/", "revisions/"])
def test_a_page_of_data_fits_a_phone(data, page, place):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/data/{place}")
    assert_sound(page)
    page.set_viewport_size({"width": 1440, "height": 900})
