"""What an API token or an invitation looks like, and what of it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from apps.accounts.kernel.roles import PERMISSIONS, permissions_of

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
