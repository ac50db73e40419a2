"""Chromium and signed-in pages on a whole lab."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "tests/browser/screenshots"))
# Figures are drawn when they come near the screen: go by each, wait for it, come back.
DRAW_ALL = """async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const all = ".figure[data-figure], .figure[data-figure-src]";
  for (const figure of document.querySelectorAll(all)) {
    figure.scrollIntoView({ block: "center" });
    for (let turn = 0; turn < 300 && !figure.dataset.state; turn++) await pause(50);
  }
  scrollTo(0, 0);
  await document.fonts.ready;
  await pause(200);
}"""


def sign_in(page, person):
    """Sign a person in as people do; stop at the page that follows the password."""
    page.goto("/accounts/login/")
    page.fill("input[name=login]", person["email"])
    page.fill("input[name=password]", person["password"])
    page.click("main button[type=submit], form button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


@pytest.fixture(scope="session")
def base_url(lab):
    return lab.base_url


# Not for the session: while Playwright is open its event loop runs in this thread, and Django
# refuses the database there.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Complaints(list):
    """What the browser complained of: script errors, CSP violations, failed requests."""

    def listen(self, page):
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._hear(page, message))
        page.on("response", lambda answer: self._see(page, answer))

    def _hear(self, page, message):
        if message.type == "error" or "Content Security Policy" in message.text:
            self.append(f"{page.url}: {message.text}")

    def _see(self, page, answer):
        if answer.status >= 500:
            self.append(f"{page.url}: {answer.status} {answer.url}")


@pytest.fixture
def complaints():
    return Complaints()


def words_of(page):
    """What a page says, as far as it can be asked yet; never a failure of its own."""
    try:
        return page.inner_text("body", timeout=5_000)[:4000]
    except Exception as error:  # noqa: BLE001 what failed before is what is to be shown
        return f"not to be read: {error}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Add what the pages said when a test failed."""
    report = yield
    if report.failed:
        for page in getattr(item, "pages", []):
            report.sections.append((f"page {page.url}", words_of(page)))
    return report


@pytest.fixture
def page_as(browser, lab, complaints, request):
    """Sign a role in and give its page: ``page_as("trader", viewport=PHONE)``."""
    contexts = []
    request.node.pages = []

    def open_page(role="researcher", viewport=WIDE):
        context = browser.new_context(viewport=viewport, base_url=lab.base_url)
        contexts.append(context)
        page = context.new_page()
        request.node.pages.append(page)
        complaints.listen(page)
        sign_in(page, lab.people[role])
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(page_as):
    return page_as()


def keep(page, name, **how):
    """Store a screenshot of a page whose figures are drawn."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.evaluate(DRAW_ALL)
    page.screenshot(path=SHOTS / f"{name}.png", **{"full_page": True, **how})


@pytest.fixture
def shot():
    """Keep a screenshot for looking at: ``shot(page, "dashboard")``."""
    return keep
