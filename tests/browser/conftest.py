"""A whole lab for the browser: started as a user would, on a port and a home of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
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
READY_SECONDS = 180
SHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "tests/browser/screenshots"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(base_url):
    try:
        with urllib.request.urlopen(f"{base_url}/health/ready", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Lab:
    """A running lab: its address and its people."""

    def __init__(self, home, port):
        self.home, self.port = Path(home), port
        self.base_url = f"http://localhost:{port}"
        self.process = None

    def start(self):
        environment = {**os.environ, "LAB_HOME": str(self.home), "PORT": str(self.port)}
        for name in ("DATABASE_URL", "REDIS_URL", "QUANTSITE_ENV", "DJANGO_SETTINGS_MODULE"):
            environment.pop(name, None)
        self.log = (self.home.parent / f"{self.home.name}.log").open("w")
        command = [sys.executable, "manage.py", "lab"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        for _ in range(READY_SECONDS * 5):
            if is_ready(self.base_url):
                return self
            assert self.process.poll() is None, self.words()
            time.sleep(0.2)
        raise AssertionError(f"the lab was not ready in {READY_SECONDS} s\n{self.words()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)

    def words(self):
        return Path(self.log.name).read_text()[-3000:]

    @property
    def people(self):
        found = json.loads((self.home / "credentials.json").read_text())
        return {user["role"]: user for user in found["users"]}


@pytest.fixture(scope="session")
def lab():
    home = Path(tempfile.mkdtemp(prefix="qs-lab-"))
    running = Lab(home / "lab", free_port())
    running.home.mkdir()
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def base_url(lab):
    return lab.base_url


@pytest.fixture(scope="session")
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


@pytest.fixture
def page_as(browser, lab, complaints):
    """Sign a role in and give its page: ``page_as("trader", viewport=PHONE)``."""
    contexts = []

    def sign_in(role="researcher", viewport=WIDE):
        context = browser.new_context(viewport=viewport, base_url=lab.base_url)
        contexts.append(context)
        page = context.new_page()
        complaints.listen(page)
        person = lab.people[role]
        page.goto("/accounts/login/")
        page.fill("input[name=login]", person["email"])
        page.fill("input[name=password]", person["password"])
        page.click("main button[type=submit], form button[type=submit]")
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield sign_in
    for context in contexts:
        context.close()


@pytest.fixture
def page(page_as):
    return page_as()


@pytest.fixture
def shot():
    """Keep a screenshot for looking at: ``shot(page, "dashboard")``."""

    def take(page, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return take
