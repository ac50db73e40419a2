"""Messages to people outside the lab: Telegram and many other services, through apprise.

A target is one address as apprise spells it (``tgram://token/chat``); it holds the secret, so it
is sealed wherever it is kept, and nothing said here repeats a part of it.
"""

from __future__ import annotations

import contextlib
import logging
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.core import egress
from apps.core.errors import Denied, Invalid, Unavailable

# Services that reach a person over the network; apprise knows more, some of them of this machine.
SERVICES = {
    "tgram": "Telegram",
    "json": "JSON webhook",
    "jsons": "JSON webhook",
    "slack": "Slack",
    "discord": "Discord",
    "workflows": "Microsoft Teams",
    "mailto": "E-mail",
    "mailtos": "E-mail",
    "matrix": "Matrix",
    "matrixs": "Matrix",
    "mmost": "Mattermost",
    "mmosts": "Mattermost",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "gotify": "Gotify",
    "gotifys": "Gotify",
    "pover": "Pushover",
}
# Their address names a server of the user's own.
OWN_SERVER = {"json", "jsons", "ntfy", "ntfys", "gotify", "gotifys", "mmost", "mmosts"}
OWN_SERVER |= {"matrix", "matrixs", "mailto", "mailtos"}
IN_THE_CLEAR = {scheme for scheme in OWN_SERVER if f"{scheme}s" in OWN_SERVER}
MAX_ADDRESS = 1000
CONNECT_SECONDS, READ_SECONDS = 4.0, 10.0
RETRY_SECONDS = 30.0
LONGEST_WAIT = 3600.0
# A shorter part of an address is no secret, and replacing it would garble what is said.
SECRET_LENGTH = 5
STATUS = re.compile(r"(?:error=|HTTP[ /=]|status[ =]|\()(\d{3})\b")
WAIT = re.compile(r"retry after (\d{1,6})", re.IGNORECASE)
FOR_GOOD = {400, 401, 403, 404, 405, 410, 413, 422}


@dataclass(frozen=True, slots=True)
class Service:
    """What an address names."""

    scheme: str
    title: str


def service_of(address: str) -> Service:
    """Return the service an address names, after apprise has read it.

    Raises ``Invalid`` (``notice.address``) for what is no address of a known service, or names
    several receivers: one that fails would have the others told again.
    """
    scheme = address.partition("://")[0].lower()
    if scheme not in SERVICES or len(address) > MAX_ADDRESS or not address.isprintable():
        known = ", ".join(f"{name}://" for name in SERVICES)
        raise _bad(f"An address begins with one of {known} and has at most {MAX_ADDRESS} signs.")
    plug = _plug(address)
    if len(plug) != 1 or (scheme == "tgram" and not plug.targets):
        raise _bad("An address names exactly one receiver: one chat, channel or mailbox.")
    return Service(scheme, SERVICES[scheme])


def check_address(address: str) -> Service:
    """Return the service of an address that messages may go to. Raises ``Invalid`` as ``send``."""
    service = service_of(address)
    if service.scheme in IN_THE_CLEAR and not settings.NOTICES_IN_THE_CLEAR:
        raise _bad(f"Messages leave encrypted only: begin with {service.scheme}s://.")
    if service.scheme in OWN_SERVER:
        _refuse_private(urlsplit(address).hostname or "")
    return service


def send(*, address: str, title: str, body: str) -> None:
    """Send a message; it is not tried twice here.

    Raises
    ------
    Denied
        ``notice.refused``: the service says no, and will again.
    Unavailable
        ``notice.unavailable``: it is busy, or did not answer; ``retry_after`` as it asked.
    Invalid
        ``notice.address``, ``notice.private``: it is no address, or one inside our own network.
    """
    scheme = check_address(address).scheme
    sender = _apprise().Apprise(asset=_asset())
    sender.add(_plug(address))
    guarded = scheme in OWN_SERVER and not settings.NOTICES_TO_PRIVATE_HOSTS
    guard: AbstractContextManager[list[str]] = (
        egress.public_only() if guarded else contextlib.nullcontext([])
    )
    with guard as stopped:
        told = sender.notify(body=body, title=title, body_format="text")
    if stopped:
        raise _private(urlsplit(address).hostname or "")
    if not told:
        tries = [attempt for result in told for attempt in result]
        said = " ".join(entry.message for attempt in tries for entry in attempt.logs)
        raise _failure(SERVICES[scheme], address, said)


def scrub(text: str, address: str) -> str:
    """Return ``text`` without any part of an address that may be a secret."""
    for part in sorted(set(re.split(r"[/:@?&=#,]+", address)), key=len, reverse=True):
        for spelled in (part, unquote(part)):
            if len(spelled) >= SECRET_LENGTH and spelled.lower() not in SERVICES:
                text = text.replace(spelled, "…")
    return text


def _failure(title: str, address: str, said: str) -> Denied | Unavailable:
    said = scrub(said, address)[:300] or "no reason given"
    found, wait = STATUS.search(said), WAIT.search(said)
    if found and int(found.group(1)) in FOR_GOOD:
        message = f"{title} refused the message: {said} Enter the address anew and test it."
        return Denied(message, code="notice.refused")
    seconds = min(float(wait.group(1)), LONGEST_WAIT) if wait else RETRY_SECONDS
    message = f"{title} could not be reached, it is tried again: {said}"
    return Unavailable(message, code="notice.unavailable", retry_after=seconds)


def _refuse_private(host: str) -> None:
    """Keep messages from servers of our own network, unless the settings allow them."""
    if settings.NOTICES_TO_PRIVATE_HOSTS:
        return
    try:
        found = egress.addresses_of(host)
    except OSError as error:
        message = f"There is no server {host}; check the address."
        raise Unavailable(message, code="notice.unavailable") from error
    if not all(map(egress.is_public, found)):
        raise _private(host)


def _private(host: str) -> Invalid:
    message = f"{host} is inside a private network; NOTICES_TO_PRIVATE_HOSTS=1 allows that."
    return Invalid(message, code="notice.private", details={"field": "address"})


def _bad(message: str) -> Invalid:
    return Invalid(message, code="notice.address", details={"field": "address"})


def _plug(address: str) -> Any:
    plug = _apprise().Apprise.instantiate(address, asset=_asset())
    if plug is None:
        scheme = address.partition("://")[0].lower()
        raise _bad(f"This is no address of {SERVICES[scheme]}; see appriseit.com for its form.")
    # An address may ask for more than is good: no redirects, no long waits, no tries of its own.
    plug.redirects, plug.retry, plug.verify_certificate = False, 0, True
    plug.socket_connect_timeout, plug.socket_read_timeout = CONNECT_SECONDS, READ_SECONDS
    if address.lower().startswith("tgram"):
        plug.notify_url = f"{settings.TELEGRAM_API_URL.rstrip('/')}/bot"
    return plug


@cache
def _apprise() -> Any:
    import apprise

    # It repeats addresses that it can't read, secrets and all.
    log = logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.WARNING)
    log.addHandler(logging.NullHandler())
    # Its debug lines have the path asked for: of Telegram, that is the token.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    return apprise


def _asset() -> Any:
    return _apprise().AppriseAsset(
        app_id="Quantsite",
        app_desc="Quantsite",
        app_url=settings.SITE_URL,
        async_mode=False,
        http_redirects=False,
        storage_mode="memory",
        allow_templates=False,
    )
