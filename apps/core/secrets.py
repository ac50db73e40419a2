"""Sealed secrets: provider, broker and model keys are encrypted at rest.

Each secret has a data key of its own, and only that is sealed under the master key (SEAL_KEY, from
a file or the environment): a new master key means new envelopes, not new contents.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.core.errors import Invalid

MARK = "e1"  # envelope, data key sealed, contents; what lacks it was sealed directly


def _master() -> MultiFernet:
    """Return the master cipher; several keys, newest first, are separated by commas."""
    keys = [key for key in settings.SEAL_KEY.split(",") if key]
    if not keys:
        raise Invalid("SEAL_KEY is not set; the lab can't store keys.", code="secrets.no_key")
    return MultiFernet([Fernet(key) for key in keys])


def seal(plain: str) -> str:
    """Return ``plain`` encrypted under a new data key, which the master key seals."""
    data_key = Fernet.generate_key()
    envelope, contents = _master().encrypt(data_key), Fernet(data_key).encrypt(plain.encode())
    return f"{MARK}.{envelope.decode()}.{contents.decode()}"


def unseal(sealed: str) -> str:
    """Return the plain text. Raises ``Invalid`` when no key fits."""
    try:
        if not _is_enveloped(sealed):
            return _master().decrypt(sealed.encode()).decode()
        _, envelope, contents = sealed.split(".")
        return Fernet(_master().decrypt(envelope.encode())).decrypt(contents.encode()).decode()
    except (InvalidToken, ValueError) as error:
        message = "A stored key can't be opened with the present SEAL_KEY; enter it anew."
        raise Invalid(message, code="secrets.wrong_key") from error


def reseal(sealed: str) -> str:
    """Return a secret whose data key is sealed under the newest master key; contents stay.

    Raises ``Invalid`` when no key fits.
    """
    plain = unseal(sealed)
    if not _is_enveloped(sealed):
        return seal(plain)
    _, envelope, contents = sealed.split(".")
    return f"{MARK}.{_master().rotate(envelope.encode()).decode()}.{contents}"


def _is_enveloped(sealed: str) -> bool:
    return sealed.startswith(f"{MARK}.")


def draft_key(owner: str) -> str:
    """Return the key under which a browser keeps the owner's unsaved texts, as Base64.

    The same at every visit, from ``SECRET_KEY``; it is in the pages of who has signed in alone.
    """
    made = salted_hmac("quantsite.drafts", owner, algorithm="sha256").digest()
    return base64.b64encode(made).decode()
