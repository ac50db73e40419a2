"""Who decides proves to be there, at the moment of deciding: by passkey or one-time code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.core.cache import cache

from apps.approvals.errors import BadSignature
from apps.approvals.kernel import signatures
from apps.approvals.kernel.signatures import PASSKEY, TOTP, Bad
from apps.core.errors import TooMany

MAX_FAILURES = 5
FAILURE_SECONDS = 300
COUNT, LAST = "sign_count", "last_counter"
# Where allauth notes a code that opened a session; one code does not do both.
USED = "allauth.mfa.totp.used?user={user}&code={code}"
WORDS = {TOTP: "a one-time code", PASSKEY: "a passkey"}


def verify(
    *,
    user_id: int,
    accepted: Sequence[str],
    signature: Mapping[str, Any] | None,
    challenge: bytes,
    now: datetime,
) -> dict[str, Any]:
    """Return what is kept of a signature that holds; inside the caller's transaction.

    Parameters
    ----------
    accepted
        The kinds that are strong enough here.
    signature
        ``{"kind": "totp", "code"}`` or ``{"kind": "passkey", "id", "clientDataJSON",
        "authenticatorData", "signature"}``, the latter in base64url.
    challenge
        What a passkey must have signed.

    Raises
    ------
    BadSignature
        ``signature.missing``, ``signature.kind``, ``signature.too_weak`` or ``signature.bad``.
    TooMany
        After too many wrong ones.
    """
    kind = _check_kind(signature, accepted)
    failures = f"approvals.signature.failures:{user_id}"
    if cache.get(failures, 0) >= MAX_FAILURES:
        message = f"{MAX_FAILURES} signatures in a row did not hold; wait a few minutes."
        raise TooMany(message, code="signature.too_many", retry_after=FAILURE_SECONDS)
    judge = _by_passkey if kind == PASSKEY else _by_code
    try:
        kept = judge(user_id, signature or {}, challenge, now)
    except Bad as error:
        cache.add(failures, 0, timeout=FAILURE_SECONDS)
        cache.incr(failures)
        message = f"The signature does not hold: {error}."
        raise BadSignature(message, details={"field": "signature"}) from error
    cache.delete(failures)
    return {"kind": kind, **kept}


def _check_kind(signature: Mapping[str, Any] | None, accepted: Sequence[str]) -> str:
    words = " or ".join(WORDS[kind] for kind in accepted)
    details: dict[str, object] = {"field": "signature", "accepted": list(accepted)}
    if not signature:
        message = f"Sign your decision with {words}: send signature with its kind."
        raise BadSignature(message, code="signature.missing", details=details)
    kind = str(signature.get("kind", ""))
    if kind not in signatures.KINDS:
        message = f"{kind!r} is no kind of signature; there are {', '.join(signatures.KINDS)}."
        raise BadSignature(message, code="signature.kind", details=details)
    if kind not in accepted:
        message = (
            f"{WORDS[kind].capitalize()} proves that you are there, not what you saw; this takes "
            f"{words}. Add a passkey to your account under Security."
        )
        raise BadSignature(message, code="signature.too_weak", details=details)
    return kind


def _by_code(
    user_id: int, signature: Mapping[str, Any], _challenge: bytes, now: datetime
) -> dict[str, Any]:
    rows = Authenticator.objects.select_for_update().filter(
        user_id=user_id, type=Authenticator.Type.TOTP
    )
    row = rows.first()
    if row is None:
        message = "no authenticator app is set up; do that in your account under Security"
        raise Bad(message)
    code = "".join(str(signature.get("code", "")).split())
    secret = decrypt(row.data["secret"])
    counter = signatures.totp_counter(secret, code, now, row.data.get(LAST, -1))
    used = USED.format(user=user_id, code=code)
    if not cache.add(used, "y", timeout=3 * signatures.PERIOD):
        message = "this code was used to sign in; wait for the next one"
        raise Bad(message)
    row.data[LAST] = counter
    row.save(update_fields=["data"])
    return {"counter": counter}


def _by_passkey(
    user_id: int, signature: Mapping[str, Any], challenge: bytes, _now: datetime
) -> dict[str, Any]:
    made = signatures.read_assertion(signature)
    rows = Authenticator.objects.select_for_update().filter(
        user_id=user_id, type=Authenticator.Type.WEBAUTHN
    )
    for row in rows:
        registered = row.wrap().authenticator_data
        credential = registered.credential_data
        if credential is None or credential.credential_id != made.credential_id:
            continue
        key = signatures.Key(
            credential.public_key,
            registered.rp_id_hash,
            int(row.data.get(COUNT, registered.counter)),
        )
        allow_http = getattr(settings, "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN", False)
        count = signatures.check_assertion(made, key, challenge, allow_http=allow_http)
        row.data[COUNT] = count
        row.save(update_fields=["data"])
        return {
            "credential_id": signatures.to_base64url(made.credential_id),
            "public_key": signatures.key_text(credential.public_key),
            "client_data": signatures.to_base64url(made.client_data),
            "authenticator_data": signatures.to_base64url(made.authenticator_data),
            "signature": signatures.to_base64url(made.signature),
            "count": count,
        }
    message = "the passkey is not one of yours"
    raise Bad(message)
