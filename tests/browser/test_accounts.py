"""Signing in by passkey, and the account pages under axe."""

import pytest

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


def remove_passkey(page):
    """Take the passkey away again: other tests of the same lab would be asked for it."""
    page = page.context.new_page()  # the other one may be on its way somewhere yet
    page.goto("/accounts/2fa/webauthn/")
    page.locator("a[href$='/remove/']").first.click()
    page.locator("main form button[type=submit]").last.click()
    page.wait_for_url("**/2fa/webauthn/")


@pytest.fixture
def auditor(page_as):
    page = page_as("auditor")
    plug_in_authenticator(page)
    yield page
    remove_passkey(page)


def test_a_passkey_is_added_and_signs_in(auditor, lab, complaints, shot):
    page = auditor
    page.goto("/accounts/2fa/webauthn/add/")
    page.fill("input[type=password]", lab.people["auditor"]["password"])
    page.click(".gate button[type=submit]")
    page.fill("input[name=name]", "laptop")
    page.check("input[name=passwordless]")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/recovery-codes/")
    shot(page, "recovery_codes")
    by_password = page.context.cookies()
    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/team/")
    shot(page, "sign_in")
    page.click("#passkey_login")
    page.wait_for_url("**/team/")
    page.wait_for_load_state()
    assert complaints == []
    # Only who gave the password a moment ago may take a passkey away.
    page.context.clear_cookies()
    page.context.add_cookies(by_password)


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
