"""Hostile texts, breaches of the policy, and what stays in a browser after signing out."""

import time
from urllib.parse import quote

import httpx
import pytest

from tests.browser import conftest

SOON = 30_000
MARK = f"{time.time_ns():x}"[-8:]
SCRIPT = "<script>window.struck = 1</script>"
IMAGE = "<img src=/static/none.png onerror='window.struck = 1'>"
LINK = "<a href='javascript:window.struck = 1'>here</a>"
BREAKS_OUT = "\"'--> </title> </textarea> </script> <svg onload='window.struck = 1'>"
HOSTILE = f"{MARK} {SCRIPT}{IMAGE}{LINK}{BREAKS_OUT}"
CODE = (
    f"TITLE = {HOSTILE[:160]!r}\nABOUT = {HOSTILE!r}\n\n\n"
    "def targets(panel, params):\n    return panel.close * 0\n"
)


BREACH_BY = {
    "script": (
        "document.body.append(Object.assign(document.createElement('script'),"
        " { textContent: 'window.struck = 1' }))"
    ),
    "style": (
        "document.body.append(Object.assign(document.createElement('style'),"
        " { textContent: 'body { color: red }' }))"
    ),
    "attribute": "document.body.setAttribute('style', 'color: red')",
    "image": (
        "document.body.append(Object.assign(document.createElement('img'),"
        " { src: 'https://elsewhere.example/x.png' }))"
    ),
    "handler": "document.body.insertAdjacentHTML('beforeend', '<b onclick=\"1\">x</b>')",
}


@pytest.mark.breaks_csp
def test_a_breach_of_the_policy_is_noticed_and_comes_to_nothing(page):
    for name, breach in BREACH_BY.items():
        conftest.BREACHES.clear()
        page.evaluate(breach)
        page.locator("body > *").last.dispatch_event("click")
        for _ in range(SOON // 100):
            if conftest.BREACHES:
                break
            page.wait_for_timeout(100)
        assert any("Content Security Policy" in words for words in conftest.BREACHES), name
        assert page.evaluate("window.struck") is None, name


@pytest.fixture
def places(lab):
    """Hostile words everywhere a person may leave them; where they are shown."""
    with httpx.Client(base_url=f"{lab.base_url}/api/v1", timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {lab.people['researcher']['token']}"

        def put(path, **body):
            answer = client.post(path, json=body)
            assert answer.status_code in {200, 201}, answer.text
            return answer.json()

        token = put("/tokens", name=HOSTILE[:100], scopes=["team.read"])
        code = put("/code", name=f"hostile_{MARK}", text=CODE)
        why = f"Please read. {HOSTILE}"
        proposal = put(f"/versions/{code['id']}/code/propose", rationale=why)["proposal_id"]
        yield (
            "/team/tokens/",
            f"/strategies/?q={quote(HOSTILE)}",
            f"/approvals/{proposal}/",
            "/approvals/",
            "/audit/",
            f"/audit/?search={quote(HOSTILE)}",
            f"/{quote(HOSTILE)}",
        )
        put(f"/proposals/{proposal}/withdraw", reason="A test is over.")
        client.delete(f"/tokens/{token['id']}")


def test_hostile_texts_stay_texts_on_every_page_that_shows_them(page, places, complaints):
    shown = 0
    for path in places:
        page.goto(path)
        page.wait_for_load_state("load")
        page.wait_for_timeout(200)
        shown += page.locator(f"text={MARK}").count() > 0
        assert page.evaluate("window.struck") is None, path
        assert page.locator("svg[onload], a[href^='javascript:'], img[onerror]").count() == 0
    assert shown >= 4
    assert [one for one in complaints if "status of 404" not in one] == []


def test_drafts_of_texts_are_unreadable_in_the_browsers_storage_and_come_back(page):
    page.goto("/strategies/expressions/")
    text = f"rank(delta(close, 2)) * {time.time_ns() % 10**9}"
    page.locator(".editor .ace_text-input").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    state = page.locator("[data-state-of-text]")
    state.filter(has_text="kept in this browser").wait_for(timeout=SOON)
    stored = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert '"draft:' in stored
    assert "rank" not in stored
    assert text not in stored
    key = page.locator("[data-draft-key]").get_attribute("data-draft-key").partition(".")[2]
    assert len(key) == 44
    assert key not in stored
    page.reload()
    page.locator("[data-restored]").filter(has_text="unsaved text").wait_for(timeout=SOON)
    assert text in page.locator("[name=expression]").input_value()
    page.get_by_role("button", name="Discard it").click()
    page.wait_for_function("!Object.keys(localStorage).some((name) => name.startsWith('draft:'))")


def test_after_signing_out_nothing_is_left_in_the_browser(page):
    page.evaluate("localStorage.setItem('draft', 'x'); sessionStorage.setItem('tray', 'open')")
    page.goto("/accounts/logout/")
    page.locator("main form button[type=submit], form button[type=submit]").last.click()
    page.wait_for_url(lambda url: "/logout" not in url)
    page.goto("/accounts/login/")
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert "sessionid" not in {one["name"] for one in page.context.cookies()}
    page.goto("/team/")
    assert "/accounts/login/" in page.url
