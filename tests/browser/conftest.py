"""Chromium and signed-in pages on a whole lab."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.servers.lab import FIRST_START, Lab, free_port

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
# A folder to keep screenshots in, for looking at; none are taken when nobody asks.
SHOTS = os.environ.get("SCREENSHOTS", "")
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
}"""


def sign_in(page, person):
    """Sign a person in as people do; stop at the page that follows the password."""
    page.goto("/accounts/login/")
    page.fill("input[name=login]", person["email"])
    page.fill("input[name=password]", person["password"])
    page.click("main button[type=submit], form button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


# For the folder, so that the lab takes no time from the tests that come after.
@pytest.fixture(scope="package")
def lab():
    """A whole lab, started as a user would; shared by the tests that need one."""
    home = Path(tempfile.mkdtemp(prefix="qs-lab-"))
    running = Lab(home / "lab", free_port())
    running.home.mkdir()
    try:
        yield running.start().wait_ready(FIRST_START)
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="package")
def base_url(lab):
    return lab.base_url


# Not for the session: while Playwright is open its event loop runs in this thread, and Django
# refuses the database there.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import expect, sync_playwright

    # A busy machine takes longer than the five seconds that are usual.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        started.new_context = heard(started.new_context)
        yield started
        started.close()


# What any page of any context broke of the content security policy, since last looked at.
BREACHES = []


def heard(new_context):
    """Make contexts whose every page is listened to, whoever opens it."""

    def note(message):
        if "Content Security Policy" in message.text:
            BREACHES.append(f"{message.location.get('url')}: {message.text}")

    def opened(**options):
        context = new_context(**options)
        context.on("console", note)
        return context

    return opened


@pytest.fixture(autouse=True)
def no_breach(request):
    """After each test: no page broke the policy, unless the test is there to break it."""
    yield
    found, BREACHES[:] = list(BREACHES), []
    if not request.node.get_closest_marker("breaks_csp"):
        assert found == []


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


class Seats:
    """Contexts of the browser to sit down at, cleaned after each test.

    A context keeps the scripts it loaded; one for each page would load and compile them again.
    """

    def __init__(self, browser, lab):
        self.browser, self.lab = browser, lab
        self.cookies = {}  # of those who signed in already, by role
        self.free, self.taken = {}, []

    def context(self, role, viewport):
        """Return a context in which the role is signed in, or nobody yet."""
        kind = (role, *viewport.values())
        waiting = self.free.setdefault(kind, [])
        context = waiting.pop() if waiting else self.make(viewport)
        if role in self.cookies:
            context.add_cookies(self.cookies[role])
        self.taken.append((kind, context))
        return context

    def make(self, viewport):
        return self.browser.new_context(viewport=viewport, base_url=self.lab.base_url)

    def page(self, role, viewport, complaints):
        """Return a page of a role that is signed in."""
        context = self.context(role, viewport)
        page = context.new_page()
        complaints.listen(page)
        # A test may have ended the sessions of its person: then this leads to the door.
        page.goto("/accounts/sessions/")
        if "/login" in page.url:
            context.clear_cookies()
            sign_in(page, self.lab.people[role])
            self.cookies[role] = context.cookies()
        return page

    def leave(self):
        """Nothing that a test kept in a browser is met by the next one."""
        for kind, context in self.taken:
            last = context.new_page()
            for page in context.pages[:-1]:
                page.close()
            session = context.new_cdp_session(last)
            session.send(
                "Storage.clearDataForOrigin",
                {"origin": self.lab.base_url, "storageTypes": "all"},
            )
            context.clear_cookies()
            context.clear_permissions()
            last.close()
            self.free[kind].append(context)
        self.taken.clear()


@pytest.fixture(scope="module")
def seats(browser, lab):
    return Seats(browser, lab)


@pytest.fixture
def page_as(seats, complaints, request):
    """Give a page of a role that is signed in: ``page_as("trader", viewport=PHONE)``."""
    request.node.pages = []

    def open_page(role="researcher", viewport=WIDE):
        page = seats.page(role, viewport, complaints)
        request.node.pages.append(page)
        return page

    yield open_page
    seats.leave()


@pytest.fixture
def page(page_as):
    return page_as()


def keep(page, name, **how):
    """Have every figure of a page drawn; store a screenshot when asked to."""
    page.evaluate(DRAW_ALL)
    if SHOTS:
        page.wait_for_timeout(200)  # what moves comes to rest
        page.screenshot(path=Path(SHOTS) / f"{name}.png", **{"full_page": True, **how})


@pytest.fixture
def shot():
    """Keep a screenshot for looking at: ``shot(page, "dashboard")``."""
    return keep
