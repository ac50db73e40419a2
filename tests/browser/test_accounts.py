"""Signing in by passkey, and the account pages under axe."""

import subprocess
import sys

import pytest

from tests.browser.conftest import ROOT, WIDE, sign_in
from tests.browser.test_gallery import findings

PAGES = (
    "/team/",
    "/team/people/",
    "/team/tokens/",
    "/accounts/sessions/",
    "/accounts/2fa/",
    "/accounts/password/change/",
    "/no/such/page/",
)


def plug_in_authenticator(page):
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


@pytest.fixture
def keyholder(browser, lab, complaints):
    """A person of a team of their own: nobody else's sign-in is asked for the passkey."""
    person = {"email": "keyholder@keys.example", "password": "a long phrase of their own"}
    command = [sys.executable, "manage.py", "create_admin", person["email"], "--team", "Keys"]
    asked = {"input": person["password"] + "\n", "text": True, "capture_output": True}
    made = subprocess.run(command, cwd=ROOT, env=lab.environment(), check=False, **asked)
    assert made.returncode == 0, made.stderr
    context = browser.new_context(viewport=WIDE, base_url=lab.base_url)
    page = context.new_page()
    complaints.listen(page)
    sign_in(page, person)
    plug_in_authenticator(page)
    yield page, person
    context.close()


def test_a_passkey_is_added_and_signs_in(keyholder, complaints, shot):
    page, person = keyholder
    page.goto("/accounts/2fa/webauthn/add/")
    page.fill("input[type=password]", person["password"])
    page.click(".gate button[type=submit]")
    page.fill("input[name=name]", "laptop")
    page.check("input[name=passwordless]")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/recovery-codes/")
    shot(page, "recovery_codes")
    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/team/")
    shot(page, "sign_in")
    page.click("#passkey_login")
    page.wait_for_url("**/team/")
    page.wait_for_load_state()
    assert complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_on_account_pages(page_as, path, complaints, shot):
    page = page_as("admin")
    page.goto(path)
    shot(page, f"accounts{path.replace('/', '_')}")
    assert findings(page) == []


def test_axe_finds_nothing_when_signed_out(browser, lab):
    context = browser.new_context(base_url=lab.base_url)
    page = context.new_page()
    for path in ("/accounts/login/", "/accounts/password/reset/", "/team/join/nothing/"):
        page.goto(path)
        assert findings(page) == []
    context.close()
