"""Sealed secrets: provider, broker and model keys are encrypted at rest."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from apps.core.errors import Invalid


def _box() -> MultiFernet:
    """Return the cipher; several keys, newest first, are separated by commas."""
    keys = [key for key in settings.SEAL_KEY.split(",") if key]
    if not keys:
        raise Invalid("SEAL_KEY is not set; the lab can't store keys.", code="secrets.no_key")
    return MultiFernet([Fernet(key) for key in keys])


def seal(plain: str) -> str:
    """Return ``plain`` encrypted."""
    return _box().encrypt(plain.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the plain text. Raises ``Invalid`` when no key fits."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        message = "A stored key can't be opened with the present SEAL_KEY; enter it anew."
        raise Invalid(message, code="secrets.wrong_key") from error


def reseal(sealed: str) -> str:
    """Return a sealed secret under the newest key. Raises ``Invalid`` when no key fits."""
    return seal(unseal(sealed))
