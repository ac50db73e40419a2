"""A team's keys of providers: checked with the vendor, sealed, never read back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import orjson
from django.db import transaction

from apps.audit import services as audit
from apps.core import buckets, secrets
from apps.core.actors import Actor, system
from apps.core.errors import Denied, Invalid, LabError, NotFound
from apps.market.models import ProviderKey
from apps.market.providers.base import Keyed
from apps.market.providers.pacing import Timing, scrub
from apps.market.selectors.keys import KeyView, get_provider_key, get_vendor, provider_for

MAX_LENGTH = 200
HINT = 4
# A shorter key would be half told by its end.
MIN_LENGTH_FOR_HINT = 12


def save_provider_key(
    *, actor: Actor, provider: str, key: Mapping[str, str], now: datetime
) -> KeyView:
    """Check a key with the vendor and store it sealed, in place of the one before.

    Raises
    ------
    Invalid
        ``provider_key.fields`` when parts are missing, unknown or can't be a key.
    Denied
        ``provider.auth`` when the vendor does not take it; the one before stays.
    Unavailable
        While the vendor can't be asked; nothing is stored.
    """
    actor.require("keys.manage")
    plug = get_vendor(provider)
    parts = _checked(plug, key)
    said = _asked(plug, parts)
    with transaction.atomic():
        row, made = ProviderKey.objects.update_or_create(
            team_id=actor.team,
            provider=provider,
            defaults={
                "sealed": secrets.seal(orjson.dumps(parts).decode()),
                "hint": _hint(parts[plug.capabilities.key_fields[0]]),
                "status": "valid",
                "note": scrub(said, parts),
                "checked_at": now,
                "created_at": now,
                "created_by": actor.name,
            },
        )
        _record(actor, "created" if made else "rotated", row, now)
    return get_provider_key(team_id=actor.team, name=provider)


def check_provider_key(*, actor: Actor, provider: str, now: datetime) -> KeyView:
    """Ask the vendor again whether the team's key is good, and note what it said."""
    actor.require("keys.manage")
    get_provider_key(team_id=actor.team, name=provider)
    plug = cast("Keyed", provider_for(team_id=actor.team, name=provider))
    try:
        status, said = "valid", plug.check_key()
    except Denied as error:
        status, said = "refused", error.message
    with transaction.atomic():
        row = ProviderKey.objects.select_for_update().get(team_id=actor.team, provider=provider)
        row.status, row.note, row.checked_at = status, said[:300], now
        row.save(update_fields=["status", "note", "checked_at"])
        _record(actor, "checked", row, now)
    return get_provider_key(team_id=actor.team, name=provider)


@transaction.atomic
def delete_provider_key(*, actor: Actor, provider: str, now: datetime) -> None:
    """Forget the team's key. Raises ``NotFound``."""
    actor.require("keys.manage")
    row = ProviderKey.objects.filter(team_id=actor.team, provider=provider).first()
    if row is None:
        raise NotFound(f"The team has no key of {provider}.", code="provider_key.unknown")
    _record(actor, "deleted", row, now)
    row.delete()


def note_refused_key(*, team_id: int, provider: str, error: LabError, now: datetime) -> None:
    """Note that a vendor no longer takes the team's key, where that is what it said."""
    if error.code != "provider.auth":
        return
    with transaction.atomic():
        row = ProviderKey.objects.filter(team_id=team_id, provider=provider).first()
        if row is None or row.status == "refused":
            return
        row.status, row.note, row.checked_at = "refused", error.message[:300], now
        row.save(update_fields=["status", "note", "checked_at"])
        _record(system("ingest", team_id), "refused", row, now)


@transaction.atomic
def reseal_provider_keys(*, actor: Actor, now: datetime) -> int:
    """Seal every team's keys under the newest SEAL_KEY; return how many there were.

    While old and new stand side by side in the setting nothing stops working; afterwards the old
    one may go.
    """
    actor.require("ops.manage")
    rows = list(ProviderKey.objects.select_for_update().order_by("pk"))
    for row in rows:
        row.sealed = secrets.reseal(row.sealed)
    ProviderKey.objects.bulk_update(rows, ["sealed"], batch_size=500)
    body = {"provider_keys": len(rows)}
    audit.record(actor=actor, action="keys.resealed", subject="lab", body=body, now=now)
    return len(rows)


def _record(actor: Actor, what: str, row: ProviderKey, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"provider_key.{what}",
        subject=f"provider_key:{row.pk}",
        body={"provider": row.provider, "hint": row.hint, "status": row.status},
        now=now,
    )


def _checked(plug: Keyed, key: Mapping[str, str]) -> dict[str, str]:
    wanted = plug.capabilities.key_fields
    parts = {name: value.strip() for name, value in key.items() if value.strip()}
    if set(parts) != set(wanted):
        message = f"A key of {plug.capabilities.name} has the parts {', '.join(wanted)}."
        raise Invalid(message, code="provider_key.fields", details={"field": wanted[0]})
    for name, value in parts.items():
        if len(value) > MAX_LENGTH or not value.isascii() or not value.isprintable():
            message = f"{name} can't be a key: at most {MAX_LENGTH} plain characters, no breaks."
            raise Invalid(message, code="provider_key.fields", details={"field": name})
    return parts


def _asked(plug: Keyed, parts: Mapping[str, str]) -> str:
    timing = Timing(gate=buckets.SharedGate())
    return cast("Keyed", plug.with_key(parts).with_timing(timing)).check_key()


def _hint(value: str) -> str:
    return value[-HINT:] if len(value) >= MIN_LENGTH_FOR_HINT else ""
