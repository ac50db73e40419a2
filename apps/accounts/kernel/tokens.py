"""What an API token or an invitation looks like, and what of it is stored."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable

from apps.accounts.kernel.roles import PERMISSIONS, permissions_of
from apps.core.errors import Invalid

TOKEN_PREFIX = "qs_"  # noqa: S105 a mark by which leaked tokens are recognised, not a secret
EVERYTHING = "*"


def digest_of(plain: str) -> str:
    """Return what is stored of a secret of 256 random bits; such need no slow hash."""
    return hashlib.sha256(plain.encode()).hexdigest()


def shown_prefix(plain: str) -> str:
    """Return the start of a token, by which its owner recognises it."""
    return plain[:9]


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    """Return those of ``scopes`` that no permission is called."""
    return sorted(set(scopes) - PERMISSIONS - {EVERYTHING})


def granted(role: str, scopes: Iterable[str]) -> frozenset[str]:
    """Return what a token allows: what its person's role allows, narrowed to its scopes."""
    allowed, wanted = permissions_of(role), frozenset(scopes)
    return allowed if EVERYTHING in wanted else allowed & wanted


def checked_networks(texts: Iterable[str]) -> list[str]:
    """Return networks in their usual form: ``10.1.2.3`` is ``10.1.2.3/32``. Raises ``Invalid``."""
    found = set()
    for text in filter(None, (text.strip() for text in texts)):
        try:
            found.add(str(ipaddress.ip_network(text)))
        except ValueError as error:
            message = f"{text!r} is no address or network: {error}. Write 10.1.2.3 or 10.1.0.0/16."
            raise Invalid(message, code="token.networks", details={"field": "networks"}) from error
    return sorted(found)


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Tell whether an address is in one of ``networks``; an IPv4 one written as IPv6 counts."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    inner = getattr(found, "ipv4_mapped", None) or found
    return any(inner in ipaddress.ip_network(network) for network in networks)
