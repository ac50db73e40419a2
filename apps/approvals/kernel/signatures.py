"""What a signature proves: a passkey signs the digest itself, a one-time code proves presence."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import urlsplit

TOTP, PASSKEY = "totp", "passkey"
KINDS = (TOTP, PASSKEY)  # the weaker first
DEFAULT_POLICY = {"default": TOTP, "promotion.live": PASSKEY}
PERIOD = 30
DIGITS = 6
# A code may be typed while its half minute ends.
LATE = 1
ASSERTION = ("id", "clientDataJSON", "authenticatorData", "signature")
MAX_FIELD = 4096


class Bad(Exception):
    """A signature that does not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a passkey signed, decoded."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A passkey as it was registered."""

    public_key: Mapping[int, Any]
    relying_party: bytes
    count: int


def needed(policy: Mapping[str, str], kind: str, target_stage: str) -> str:
    """Return the weakest kind of signature that decides such a proposal."""
    names = (f"{kind}.{target_stage}", kind, "default")
    return next((policy[name] for name in names if name in policy), PASSKEY)


def accepted(policy: Mapping[str, str], kind: str, target_stage: str) -> tuple[str, ...]:
    """Return the kinds of signature that are strong enough, the weaker first."""
    return KINDS[KINDS.index(needed(policy, kind, target_stage)) :]


def challenge_of(digest: str, decision: str) -> bytes:
    """Return what a passkey signs: to approve, the proposal's digest itself.

    A rejection signs another value, so that it can't be turned into an approval.
    """
    seen = bytes.fromhex(digest)
    return seen if decision == "approve" else sha256(b"reject:" + seen).digest()


def read_assertion(sent: Mapping[str, Any]) -> Assertion:
    """Return a passkey's answer from its JSON (base64url). Raises ``Bad``."""
    answer = sent.get("response")
    flat = {**answer, **sent} if isinstance(answer, Mapping) else sent
    found = []
    for name in ASSERTION:
        text = flat.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= MAX_FIELD:
            message = f"a passkey's signature has {', '.join(ASSERTION)}, in base64url"
            raise Bad(message)
        found.append(from_base64url(text))
    return Assertion(*found)


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64url text, padded or not. Raises ``Bad``."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        message = "the passkey's answer is not base64url"
        raise Bad(message) from error


def to_base64url(data: bytes) -> str:
    """Return bytes as base64url without padding, as browsers take them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_text(public_key: Mapping[int, Any]) -> str:
    """Return a public key as the base64url of its COSE form, for checks without the lab."""
    from fido2 import cbor

    return to_base64url(cbor.encode(dict(public_key)))


def check_assertion(made: Assertion, key: Key, challenge: bytes, *, allow_http: bool) -> int:
    """Return the new count of a passkey's signatures. Raises ``Bad`` saying what is wrong.

    Notes
    -----
    The steps are those of Web Authentication level 2, section 7.2.
    """
    from fido2.cose import CoseKey
    from fido2.webauthn import AuthenticatorData, CollectedClientData

    client = _read(CollectedClientData, made.client_data)
    state = _read(AuthenticatorData, made.authenticator_data)
    _refuse_unless(client.type == "webauthn.get", "it is not a signature but a registration")
    _refuse_unless(
        hmac.compare_digest(client.challenge, challenge),
        "it was made for other content; read the proposal again and sign that",
    )
    _refuse_unless(not client.cross_origin, "it was made inside another site's page")
    _refuse_unless(
        is_at_home(str(client.origin), key.relying_party, allow_http=allow_http),
        f"it was made at {client.origin}, which is not this lab",
    )
    _refuse_unless(
        hmac.compare_digest(state.rp_id_hash, key.relying_party), "it belongs to another site"
    )
    _refuse_unless(state.is_user_present(), "nobody touched the passkey")
    _refuse_unless(state.is_user_verified(), "the passkey did not verify who holds it")
    signed = made.authenticator_data + sha256(made.client_data).digest()
    try:
        CoseKey.parse(dict(key.public_key)).verify(signed, made.signature)
    except Exception as error:
        message = "the passkey's signature does not hold"
        raise Bad(message) from error
    count = int(state.counter)
    is_new = count > key.count or (count == 0 and key.count == 0)
    _refuse_unless(is_new, "it was used before, or the passkey was copied")
    return count


def _read(kind: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return kind(data)
    except Exception as error:
        message = "the passkey's answer can't be read"
        raise Bad(message) from error


def _refuse_unless(holds: bool, words: str) -> None:
    if not holds:
        raise Bad(words)


def is_at_home(origin: str, relying_party: bytes, *, allow_http: bool) -> bool:
    """Tell whether an origin is that of the relying party or below it, over a safe scheme."""
    try:
        place = urlsplit(origin)
        host = place.hostname or ""
    except ValueError:
        return False
    if place.scheme != "https" and not (allow_http and place.scheme == "http"):
        return False
    parts = host.split(".")
    names = (".".join(parts[i:]) for i in range(len(parts)))
    return any(hmac.compare_digest(sha256(n.encode()).digest(), relying_party) for n in names)


def totp_counter(secret: str, code: str, now: datetime, after: int) -> int:
    """Return the half minute (RFC 6238) that a one-time code is of, later than ``after``.

    Raises ``Bad`` for a code that is not of now, or not newer than the last one used.
    """
    typed = "".join(code.split())
    current = int(now.timestamp()) // PERIOD
    for counter in range(current, current - LATE - 1, -1):
        if hmac.compare_digest(totp_code(secret, counter).encode(), typed.encode()):
            if counter <= after:
                message = "this code was used already; wait for the next one"
                raise Bad(message)
            return counter
    message = "the one-time code is not the one of now"
    raise Bad(message)


def totp_code(secret: str, counter: int) -> str:
    """Return the code of a half minute: RFC 4226's HOTP of the counter, six digits."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, counter.to_bytes(8, "big"), sha1).digest()
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"
