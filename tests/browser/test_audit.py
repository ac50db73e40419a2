"""The audit page by clicking: filter, what changed, proof, exports, a pack of a period."""

import csv
import json
import subprocess
import sys
import urllib.request
from datetime import timedelta

from apps.core import clock
from tests.browser.conftest import PHONE, ROOT
from tests.browser.test_gallery import findings

LONG = 300_000


def sound(page):
    """The page does not scroll sideways, and axe finds nothing."""
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    assert findings(page) == []


def test_an_auditor_finds_checks_and_takes_away(page_as, lab, complaints, shot, tmp_path):
    page = page_as("auditor")
    page.goto("/audit/")
    page.select_option("#id_action", "member.added")
    page.click("form[role=search] button[type=submit]")
    rows = page.locator("#trail tbody tr")
    assert rows.count() >= 7
    assert set(page.locator("#trail tbody td:nth-child(4)").all_inner_texts()) == {"member.added"}
    assert "leaf" in rows.first.inner_text()
    shot(page, "audit-1440")
    sound(page)
    with page.expect_download(timeout=LONG) as got:
        page.click("a:has-text('CSV')")
    got.value.save_as(tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open() as file:
        assert {row["action"] for row in csv.DictReader(file)} == {"member.added"}
    with page.expect_download(timeout=LONG) as got:
        page.click("a:has-text('JSON lines')")
    got.value.save_as(tmp_path / "audit.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert all(line["proof"] for line in lines if "action" in line)
    rows.first.locator("a").first.click()
    page.wait_for_selector("text=recorded at leaf")
    page.click("[data-check-here]")
    page.wait_for_selector("[data-browser-check][data-outcome=pass]", timeout=LONG)
    shot(page, "audit-event-1440")
    sound(page)
    assert complaints == []


def test_a_pack_of_a_period_is_downloaded_and_holds(page_as, lab, complaints, tmp_path):
    page = page_as("auditor")
    page.goto("/audit/")
    today = clock.now().date()
    page.fill("#pack_since", str(today - timedelta(days=1)))
    page.fill("#pack_until", str(today + timedelta(days=1)))
    with page.expect_download(timeout=LONG) as got:
        page.click("form[aria-label='Evidence pack of a period'] button")
    pack = tmp_path / "pack.zip"
    got.value.save_as(pack)
    command = [sys.executable, str(ROOT / "tools" / "verify_evidence.py"), str(pack)]
    done = subprocess.run(
        [*command, "--key", str(lab.home / "audit_public_key")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["kind"] == "period"
    assert complaints == []


def ask(lab, role, method, path, body=None):
    request = urllib.request.Request(
        f"{lab.base_url}/api/v1{path}",
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={
            "Authorization": f"Bearer {lab.people[role]['token']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


def test_what_changed_since_the_event_before_fits_on_a_phone(page_as, lab, complaints, shot):
    made = ask(lab, "researcher", "POST", "/tokens", {"name": "to look at", "scopes": ["*"]})
    ask(lab, "researcher", "DELETE", f"/tokens/{made['id']}")
    page = page_as("auditor", viewport=PHONE)
    page.goto(f"/audit/?subject=token:{made['id']}")
    assert page.locator("#trail tbody tr").count() == 2
    shot(page, "audit-390")
    sound(page)
    page.locator("#trail tbody tr a").first.click()
    page.wait_for_selector("#diff-head")
    page.wait_for_selector(".diff tr.del, .diff tr.add")
    shot(page, "audit-event-390")
    sound(page)
    assert complaints == []
