"""Recovery codes, kept as salted hashes: what the database holds lets nobody in.

The framework keeps a sealed seed from which all codes follow. Here the codes are drawn, hashed
slowly with a salt of their set, and the hashes sealed on top. For a few minutes the codes
themselves lie, sealed, in the session that made them, so that its person can write them down.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as generator
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal import auth, flows
from django.conf import settings
from django.db import transaction

from apps.core import clock, secrets

DIGITS = 12
SALT_BYTES = 16
SHOWN_FOR = timedelta(minutes=10)
SESSION_KEY = "recovery_codes"
HIDDEN = "••••••••"


class HashedCodes(auth.RecoveryCodes):
    """The framework's recovery codes, with another way of keeping them; old seeds go on."""

    instance: Authenticator
    plain: list[str] | None = None

    @classmethod
    def activate(cls, user: Any) -> HashedCodes:
        """Return the user's codes, drawn anew when there are none."""
        kind = Authenticator.Type.RECOVERY_CODES
        found = Authenticator.objects.filter(user_id=user.pk, type=kind).first()
        if found:
            return cls(found)
        plain = [
            f"{generator.randbelow(10**DIGITS):0{DIGITS}}"
            for _ in range(app_settings.RECOVERY_CODE_COUNT)
        ]
        data = {**hashes_of(plain), "used_mask": 0}
        made = cls(Authenticator.objects.create(user=user, type=kind, data=data))
        made.plain = plain
        made._lay_by(plain)
        return made

    def generate_codes(self) -> list[str]:
        """Return the codes in order; those that nobody may see any more are hidden."""
        if "hashes" not in self.instance.data:
            return list(super().generate_codes())
        known = self.plain or self._laid_by()
        return known or [HIDDEN] * len(self._hashes())

    @transaction.atomic
    def validate_code(self, code: str) -> bool:
        """Tell whether it is an unused code; from then on it is used."""
        self.instance = Authenticator.objects.select_for_update().get(pk=self.instance.pk)
        data = self.instance.data
        if "hashes" not in data:
            return bool(super().validate_code(code))
        given = normalize_user_code(code)
        if len(given) != data["digits"]:
            return False  # a code of the authenticator, most often; a hash takes its time
        made = _hash(given, data["salt"], data["rounds"])
        for number, kept in enumerate(self._hashes()):
            if hmac.compare_digest(made, kept) and not self._is_code_used(number):
                self._mark_code_used(number)
                return True
        return False

    def _hashes(self) -> list[str]:
        return list(json.loads(secrets.unseal(self.instance.data["hashes"])))

    def _lay_by(self, plain: list[str]) -> None:
        if context.request is None:
            return
        until = (clock.now() + SHOWN_FOR).isoformat()
        kept = {"of": self.instance.pk, "until": until, "codes": secrets.seal(json.dumps(plain))}
        context.request.session[SESSION_KEY] = kept

    def _laid_by(self) -> list[str] | None:
        session = getattr(context.request, "session", {})
        kept = session.get(SESSION_KEY)
        if not kept or kept["of"] != self.instance.pk:
            return None
        if datetime.fromisoformat(kept["until"]) < clock.now():
            del session[SESSION_KEY]
            return None
        return list(json.loads(secrets.unseal(kept["codes"])))


def hashes_of(codes: list[str]) -> dict[str, Any]:
    """Return what is kept of codes: their salt, rounds, length, and hashes sealed."""
    salt, rounds = generator.token_hex(SALT_BYTES), settings.RECOVERY_CODE_ROUNDS
    with ThreadPoolExecutor(2) as threads:  # the hash itself lets other threads run
        made: Iterable[str] = threads.map(lambda code: _hash(code, salt, rounds), codes)
        sealed = secrets.seal(json.dumps(list(made)))
    return {"salt": salt, "rounds": rounds, "digits": len(codes[0]), "hashes": sealed}


def without_seed(row: Authenticator) -> dict[str, Any] | None:
    """Return the data of old codes with hashes in place of the seed; None for any other row."""
    if row.type != Authenticator.Type.RECOVERY_CODES or "seed" not in row.data:
        return None
    rest = {name: value for name, value in row.data.items() if name != "seed"}
    return {**rest, **hashes_of(auth.RecoveryCodes(row).generate_codes())}


def _hash(code: str, salt: str, rounds: int) -> str:
    made = hashlib.pbkdf2_hmac("sha256", code.encode(), bytes.fromhex(salt), rounds)
    return made.hex()


def install() -> None:
    """Have the framework keep recovery codes this way; it offers no setting for it."""
    for module in (auth, flows):
        module.RecoveryCodes = HashedCodes
