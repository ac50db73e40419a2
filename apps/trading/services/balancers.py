"""What the balancer of an account is set to: at once, or proposed where it may do more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.approvals.kernel.changes import changes_of
from apps.approvals.services import propose
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.kernel.hashing import digest_json
from apps.market import selectors as market
from apps.trading import selectors
from apps.trading.kernel.balancing import (
    PROPOSAL,
    Policy,
    as_values,
    next_due,
    policy_from,
    wider,
)
from apps.trading.models import Account, Balancer
from apps.trading.selectors.balancers import BALANCER, BalancerView, get_balancer
from apps.trading.selectors.trades import order_minutes

MIN_REASON = 3
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class BalancerChange:
    """What a change of a balancer came to: in force at once, or waiting for a decision."""

    view: BalancerView
    proposal_id: UUID | None = None


def change_balancer(
    *, actor: Actor, account_id: int, values: Mapping[str, Any], reason: str, now: datetime
) -> BalancerChange:
    """Set an account's balancer; propose what would let it send more by itself than before.

    Raises
    ------
    Denied, NotFound
    Invalid
        For values that can't be, by field; ``balancer.universe`` for one of another dataset.
    Conflict
        When such a change is proposed already.
    """
    actor.require("trading.deploy")
    account = selectors.get_account(account_id, actor.team)
    before = get_balancer(account)
    policy = _policy_of(account, values, before.policy)
    _check(account, policy, reason)
    more = wider(before.policy, policy)
    if not more:
        view = set_balancer(
            actor=actor, account_id=account_id, values=values, reason=reason, now=now
        )
        return BalancerChange(view)
    terms = {
        "account_id": account.pk,
        "values": as_values(policy),
        "from_version": before.version,
    }
    changes = changes_of(as_values(before.policy), as_values(policy))
    facts = {"account": account.name, "version now": before.version, "wider": more}
    link = {"label": "Balancer", "href": f"/live/{account.pk}/balancer/"}
    proposal = propose(
        actor=actor,
        kind=BALANCER,
        subject=f"{BALANCER}:{account.pk}",
        title=f"The balancer of {account.name} sends orders by itself"[:200],
        digest=digest_json(terms),
        evidence={
            "facts": facts,
            "changes": {"settings": changes},
            "parameters": as_values(policy),
            "links": [link],
        },
        rationale=reason,
        terms=terms,
        now=now,
    )
    return BalancerChange(before, proposal.pk)


def set_balancer(
    *,
    actor: Actor,
    account_id: int,
    values: Mapping[str, Any],
    reason: str,
    now: datetime,
    from_version: int | None = None,
    agreed_by: UUID | None = None,
) -> BalancerView:
    """Store a new version of an account's balancer; it acts within seconds.

    With ``from_version`` it must still be at that version. Raises as ``change_balancer``, and
    ``Denied`` for what only a decision may allow.
    """
    actor.require("trading.deploy")
    selectors.get_account(account_id, actor.team)
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account_id)
        before = get_balancer(account)
        if from_version not in (None, before.version):
            message = f"The balancer is at version {before.version} by now; propose it anew."
            raise Conflict(message, code="balancer.changed")
        policy = _policy_of(account, values, before.policy)
        _check(account, policy, reason)
        _refuse_wider(actor, before.policy, policy)
        row = _store(actor, account, before, policy, agreed_by, now)
        body = {"version": row.version, "policy": row.policy, "reason": reason.strip()[:500]}
        _note(actor, account, "balancer.set", body, now)
    return get_balancer(account)


def _store(
    actor: Actor,
    account: Account,
    before: BalancerView,
    policy: Policy,
    agreed_by: UUID | None,
    now: datetime,
) -> Balancer:
    due = next_due(policy, now)
    row, _ = Balancer.objects.update_or_create(
        account=account,
        defaults={
            "team_id": account.team_id,
            "version": before.version + 1,
            "policy": as_values(policy),
            "is_on": policy.is_on,
            # What runs every so often begins at once.
            "next_due_at": now if due and policy.every_seconds else due,
            "note": "",
            "noted_at": None,
            "agreed_by": agreed_by or before.agreed_by,
            "updated_by": actor.name,
            "updated_by_label": actor.label[:160],
            "updated_at": now,
        },
    )
    return row


def set_agreed_balancer(
    *, actor: Actor, terms: Mapping[str, Any], proposal_id: UUID, now: datetime
) -> None:
    """Set the balancer that people agreed to. Raises ``Conflict`` when others came between."""
    set_balancer(
        actor=actor,
        account_id=int(terms["account_id"]),
        values=terms["values"],
        reason=f"proposal {proposal_id}",
        from_version=terms["from_version"],
        agreed_by=proposal_id,
        now=now,
    )


def end_agreed_balancer(
    *, actor: Actor, account_id: int, proposal_id: UUID, reason: str, now: datetime
) -> None:
    """Let a balancer propose again since the approval under which it sent orders lapsed."""
    row = Balancer.objects.filter(account_id=account_id, agreed_by=proposal_id).first()
    if row is None or policy_from(row.policy).output == PROPOSAL:
        return
    set_balancer(
        actor=actor,
        account_id=account_id,
        values={"output": PROPOSAL},
        reason=f"Its approval ended. {reason}",
        now=now,
    )


def _policy_of(account: Account, values: Mapping[str, Any], before: Policy) -> Policy:
    """Return the policy with ``values``; a universe stays the version that it is now.

    What is agreed names its version. Whoever changes a universe later changes no balancer.
    """
    given, name = dict(values), values.get("universe")
    if isinstance(name, str) and "universe_version" not in given:
        found = market.get_universe(team_id=account.team_id, name=name) if name else None
        given["universe_version"] = found.version if found else 0
    return policy_from(given, before)


def _check(account: Account, policy: Policy, reason: str) -> None:
    if len(reason.strip()) < MIN_REASON:
        message = "Say in a few words why the balancer changes; the trail keeps it."
        raise Invalid(message, code="balancer.reason", details={"field": "reason"})
    most = order_minutes(account.team_id)
    if policy.minutes > most:
        message = f"A proposal would wait {policy.minutes} minutes; the team allows {most}."
        raise Invalid(message, code="balancer.minutes", details={"field": "minutes"})
    if not policy.universe:
        return
    universe = market.get_universe(
        team_id=account.team_id, name=policy.universe, version=policy.universe_version or None
    )
    feed = market.feed_state(account.feed)
    if universe.dataset_id != feed.dataset_id:
        message = (
            f"Universe {universe.name} is of dataset {universe.dataset}; feed {feed.name}, on "
            f"which the account trades, is of {feed.dataset}."
        )
        raise Invalid(message, code="balancer.universe", details={"field": "universe"})


def _refuse_wider(actor: Actor, before: Policy, after: Policy) -> None:
    """Only what people agreed to may send more by itself: there is no way round the decision."""
    more = wider(before, after)
    if more and actor.role != SYSTEM:
        message = f"It would send more by itself: {', '.join(more)}. Another person decides that."
        raise Denied(message, code="balancer.by_proposal", details={"settings": more})


def _note(
    actor: Actor, account: Account, action: str, body: dict[str, Any], now: datetime
) -> None:
    subject = f"{BALANCER}:{account.pk}"
    audit.record(actor=actor, action=action, subject=subject, body=body, now=now)
    events.emit(
        team_id=account.team_id,
        topic=f"account.{account.pk}",
        kind="trading.balancer.changed",
        data={"account": account.pk, "version": body["version"]},
    )
