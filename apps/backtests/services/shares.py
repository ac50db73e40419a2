"""Links to sheets for people outside: made, called back, opened."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.core.signing import Signer
from django.db import transaction
from django.db.models import F

from apps.approvals.selectors import get_setting
from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel.settings import SHARING
from apps.backtests.kernel.sharing import LONGEST, digest_of, network_of, new_secret
from apps.backtests.models import ShareLink, ShareView
from apps.backtests.selectors import shares
from apps.core import rates, tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid, TooMany

MOST_OPEN = 20
# Looks that one address may take in a minute, and those that are kept of a link.
LOOKS_A_MINUTE = 30
MOST_KEPT = 1000


@transaction.atomic
def share_run(
    *,
    actor: Actor,
    run_id: uuid.UUID | str,
    hours: int,
    now: datetime,
    shows_strategy: bool = False,
    note: str = "",
) -> tuple[ShareLink, str]:
    """Make a link to a run's sheet; return it and its token, which is told this once.

    Raises
    ------
    Denied
        ``share.off`` when the team's setting allows no links.
    Invalid
        ``share.hours`` outside 1 to 2,160.
    Conflict
        ``share.many`` with 20 links in force; ``backtest.not_done``.
    """
    actor.require("research.write")
    if not get_setting(actor.team, SHARING):
        message = f"Links are off in this team; an administrator sets {SHARING}."
        raise Denied(message, code="share.off")
    if not 1 <= hours <= LONGEST:
        message = f"hours = {hours}; a link is good for 1 to {LONGEST} hours."
        raise Invalid(message, code="share.hours", details={"field": "hours"})
    run = selectors.get_done_run(run_id, actor.team)
    if shares.list_open(run, now).count() >= MOST_OPEN:
        message = f"The run has {MOST_OPEN} links in force; call one back first."
        raise Conflict(message, code="share.many")
    link_id = uuid.uuid4()
    token = Signer(salt=shares.PURPOSE).sign(new_secret(link_id))
    link = ShareLink.objects.create(
        id=link_id,
        team_id=actor.team,
        run=run,
        digest=digest_of(token),
        note=note.strip(),
        shows_strategy=shows_strategy,
        created_by=actor.name,
        created_by_label=actor.label,
        created_at=now,
        expires_at=now + timedelta(hours=hours),
    )
    body = {
        "run": str(run.pk),
        "digest": run.digest,
        "expires_at": link.expires_at.isoformat(),
        "shows_strategy": shows_strategy,
    }
    record(actor=actor, action="share.created", subject=f"share:{link.pk}", body=body, now=now)
    return link, token


@transaction.atomic
def revoke_share(*, actor: Actor, share_id: uuid.UUID | str, now: datetime) -> ShareLink:
    """Call a link back; whoever has it reads nothing any more. Raises ``NotFound``."""
    actor.require("research.write")
    link = shares.get_share(share_id, actor.team, lock=True)
    if link.revoked_at is None:
        link.revoked_at, link.revoked_by = now, actor.name
        link.save(update_fields=["revoked_at", "revoked_by"])
        body = {"run": str(link.run_id), "looks": link.views}
        record(actor=actor, action="share.revoked", subject=f"share:{link.pk}", body=body, now=now)
    return link


def open_share(*, token: str, address: str, now: datetime) -> ShareLink:
    """Return the link that a token opens, and count the look.

    Raises ``TooMany`` for an address that looks too often, and ``NotFound`` for what
    ``selectors.shares.get_opened`` refuses.
    """
    allowance = rates.counter.spend(f"shared:{address}", now=now)
    if allowance.limit - allowance.remaining > LOOKS_A_MINUTE:
        wait = allowance.reset_seconds
        message = f"More than {LOOKS_A_MINUTE} looks in a minute; wait {wait} s."
        raise TooMany(message, retry_after=wait)
    link = shares.get_opened(token, now)
    with tenancy.team(link.team_id), transaction.atomic():
        ShareLink.objects.filter(pk=link.pk).update(views=F("views") + 1)
        if link.views < MOST_KEPT:
            ShareView.objects.create(link=link, at=now, network=network_of(address))
    return link
