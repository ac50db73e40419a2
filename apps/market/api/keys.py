"""REST: providers and keys."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Status

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/provider-keys", response=list[schemas.VendorOut])
@permission("team.read")
def list_provider_keys(request: HttpRequest) -> Any:
    """List the providers that ask a vendor: the team's keys by hint, what is left of limits."""
    found = selectors.list_vendors(team_id=signed_in(request).team, now=clock.now())
    return [selectors.vendor_dict(view) for view in found]


@router.put("/provider-keys/{provider}", response=schemas.ProviderKeyOut)
@permission("keys.manage")
def save_provider_key(request: HttpRequest, provider: str, body: schemas.ProviderKeyIn) -> Any:
    """Check a key with the vendor and keep it in place of the one before; it is never shown."""
    actor, now = signed_in(request), clock.now()
    return services.save_provider_key(actor=actor, provider=provider, key=body.key, now=now)


@router.post("/provider-keys/{provider}/check", response=schemas.ProviderKeyOut)
@permission("keys.manage")
def check_provider_key(request: HttpRequest, provider: str) -> Any:
    """Ask the vendor again whether the team's key is good."""
    actor, now = signed_in(request), clock.now()
    return services.check_provider_key(actor=actor, provider=provider, now=now)


@router.delete("/provider-keys/{provider}", response={204: None})
@permission("keys.manage")
def delete_provider_key(request: HttpRequest, provider: str) -> Any:
    """Forget the team's key."""
    actor, now = signed_in(request), clock.now()
    services.delete_provider_key(actor=actor, provider=provider, now=now)
    return Status(204, None)
