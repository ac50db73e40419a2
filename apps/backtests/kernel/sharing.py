"""What a share link is made of: signed, so that a changed one is refused unread."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from uuid import UUID

SECRET_BYTES = 24
HOUR, DAY = 1, 24
SPANS = ((HOUR, "1 hour"), (DAY, "1 day"), (7 * DAY, "7 days"), (30 * DAY, "30 days"),
         (90 * DAY, "90 days"))  # fmt: skip
LONGEST = 90 * DAY


def new_secret(link_id: UUID) -> str:
    """Return what is signed: the link's number and 192 random bits."""
    return f"{link_id.hex}-{secrets.token_urlsafe(SECRET_BYTES)}"


def digest_of(token: str) -> str:
    """Return what is stored of a token; such need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def network_of(address: str) -> str:
    """Return an address without what tells the machine: 192.0.2.0/24, 2001:db8:1::/48."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    bits = 24 if found.version == 4 else 48
    return str(ipaddress.ip_network(f"{found}/{bits}", strict=False))
