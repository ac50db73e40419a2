"""Providers as a team sees them: its keys by their last characters, and what is left of limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson

from apps.core import buckets, secrets
from apps.core.errors import Denied, NotFound
from apps.core.kernel.limits import Quota
from apps.core.plugs import list_plugs, load_plug
from apps.market.models import ProviderKey
from apps.market.providers.base import Capabilities, Keyed, Provider, Remote
from apps.market.providers.pacing import Timing


@dataclass(frozen=True, slots=True)
class KeyView:
    """What may be known of a stored key."""

    hint: str
    status: str
    note: str
    checked_at: datetime | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider that asks a vendor: what it does, the team's key, what is left of its limits."""

    name: str
    told: Capabilities
    key: KeyView | None
    quotas: tuple[Quota, ...]

    @property
    def is_ready(self) -> bool:
        """Whether an ingestion can use it."""
        return not self.told.needs_key or (self.key is not None and self.key.status == "valid")

    @property
    def key_labels(self) -> list[tuple[str, str]]:
        """The parts of its key, with words for people."""
        words = {name: name.replace("_", " ").capitalize() for name in self.told.key_fields}
        return [(name, text.replace("Api ", "API ")) for name, text in words.items()]

    @property
    def unit_groups(self) -> list[tuple[str, str]]:
        """Each unit once, with what is counted in it."""
        groups: dict[str, list[str]] = {}
        for name, unit in self.told.units.items():
            groups.setdefault(unit, []).append(name.replace("_", " "))
        return [(", ".join(names), unit) for unit, names in groups.items()]


def provider_for(*, team_id: int, name: str) -> Provider:
    """Return a provider with the team's key and the gate that all workers share.

    Raises
    ------
    NotFound
        ``plug.unknown``.
    Denied
        ``provider.no_key`` where the team has none, ``provider.auth`` where the vendor refused it.
    """
    plug: Provider = load_plug("MARKET_PROVIDERS", name)
    if not hasattr(plug, "with_timing"):
        return plug
    remote = cast("Remote", plug).with_timing(Timing(gate=buckets.SharedGate()))
    if not plug.capabilities.key_fields:
        return remote
    key = _stored_key(team_id, name)
    if key is None and not plug.capabilities.needs_key:
        return remote
    return cast("Keyed", remote).with_key(_opened(key, name))


def _stored_key(team_id: int, name: str) -> ProviderKey | None:
    return ProviderKey.objects.filter(team_id=team_id, provider=name).first()


def _opened(key: ProviderKey | None, name: str) -> Mapping[str, str]:
    if key is None:
        message = f"The team has no key of {name}; ask an admin to enter one under Providers."
        raise Denied(message, code="provider.no_key")
    opened: dict[str, str] = orjson.loads(secrets.unseal(key.sealed))
    return opened


def get_provider_key(*, team_id: int, name: str) -> KeyView:
    """Return what may be known of the team's key. Raises ``NotFound``."""
    row = _stored_key(team_id, name)
    if row is None:
        raise NotFound(f"The team has no key of {name}.", code="provider_key.unknown")
    return _view(row)


def get_vendor(name: str) -> Keyed:
    """Return a provider that takes keys. Raises ``NotFound``."""
    if name not in list_plugs("MARKET_PROVIDERS"):
        raise NotFound(f"There is no provider {name!r}.", code="plug.unknown")
    plug = load_plug("MARKET_PROVIDERS", name)
    if not plug.capabilities.key_fields:
        message = f"{name} works without a key; there is none to enter."
        raise NotFound(message, code="provider.takes_no_key")
    return cast("Keyed", plug)


def list_vendors(*, team_id: int, now: datetime) -> list[ProviderView]:
    """List the providers that ask a vendor, in the order of the settings."""
    keys = {row.provider: row for row in ProviderKey.objects.filter(team_id=team_id)}
    found = []
    for name in list_plugs("MARKET_PROVIDERS"):
        plug: Provider = load_plug("MARKET_PROVIDERS", name)
        if hasattr(plug, "with_timing"):
            row = keys.get(name)
            key = _view(row) if row else None
            found.append(
                ProviderView(name, plug.capabilities, key, _quotas(plug.capabilities, row, now))
            )
    return found


def _quotas(told: Capabilities, row: ProviderKey | None, now: datetime) -> tuple[Quota, ...]:
    if told.needs_key and row is None:
        return ()
    opened = _opened(row, told.name) if row else {}
    return tuple(buckets.left(buckets.name_of(told.name, opened), told.limits, now=now))


def _view(row: ProviderKey) -> KeyView:
    return KeyView(
        hint=row.hint,
        status=row.status,
        note=row.note,
        checked_at=row.checked_at,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def vendor_dict(view: ProviderView) -> dict[str, Any]:
    """Return a provider as JSON; of its key only what may be known."""
    told = view.told
    return {
        "provider": view.name,
        "title": told.title,
        "needs_key": told.needs_key,
        "key_fields": list(told.key_fields),
        "ready": view.is_ready,
        "key": view.key,
        "timeframes": list(told.timeframes),
        "history": told.history,
        "units": dict(told.units),
        "price_mode": told.price_mode,
        "limits": [
            {
                "requests": quota.limit.requests,
                "seconds": quota.limit.seconds,
                "remaining": quota.remaining,
                "reset_seconds": quota.reset_seconds,
            }
            for quota in view.quotas
        ],
    }
