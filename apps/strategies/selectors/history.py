"""A strategy's whole history, and which of its versions people have approvals for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from apps.approvals.kernel import terms as agreed
from apps.approvals.selectors import list_in_force, list_proposals
from apps.audit.selectors import actor_labels, list_events
from apps.strategies.models import StrategyVersion

MAX_EVENTS = 300
MAX_DEPLOYMENTS = 1000
DEPLOYED = "deployment.created"
# What a deployment does at each bar is on its own page.
DAILY = "orders.intended"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a strategy: an event of the trail, with what it was about."""

    event: Any
    who: str
    about: str
    note: str


@dataclass(frozen=True, slots=True)
class InForce:
    """An approval in force of one of a strategy's versions."""

    version_id: int
    number: int
    stage: str
    tier: int
    review_on: date | None
    is_due: bool


def list_whole_history(strategy_id: int, team_id: int) -> list[Happening]:
    """Return all that happened to a strategy, newest first.

    That is to its versions and texts, to the proposals on them, and to what ran of it.
    """
    versions = list(
        StrategyVersion.objects.filter(team_id=team_id, strategy_id=strategy_id).values_list(
            "pk", "number", "source_digest"
        )
    )
    about = {f"strategy:{strategy_id}": "the strategy"}
    about |= {f"version:{pk}": f"v{number}" for pk, number, _ in versions}
    about |= {f"code:{digest}": f"text of v{number}" for _, number, digest in versions}
    subjects = list(about)
    for proposal in list_proposals(team_id).filter(subject__in=subjects):
        about[f"proposal:{proposal.pk}"] = f"proposal on {about[proposal.subject]}"
    about |= _deployments(team_id, {pk: number for pk, number, _ in versions})
    rows = list_events(team_id=team_id).filter(subject__in=list(about)).exclude(action=DAILY)
    events = list(rows[:MAX_EVENTS])
    labels = actor_labels({event.actor for event in events})
    return [
        Happening(event, labels.get(event.actor, event.actor), about[event.subject], _note(event))
        for event in events
    ]


def _deployments(team_id: int, numbers: dict[int, int]) -> dict[str, str]:
    rows = list_events(team_id=team_id, action=DEPLOYED)[:MAX_DEPLOYMENTS]
    found = {event.subject: event.content.get("version_id") for event in rows}
    return {
        subject: f"deployment of v{numbers[version_id]}"
        for subject, version_id in found.items()
        if version_id in numbers
    }


def _note(event: Any) -> str:
    body = event.content
    if "to" in body and "from" in body:
        return f"from {body['from']} to {body['to']}"
    return str(body.get("rationale") or body.get("note") or body.get("reason") or "")[:300]


def approvals_in_force(
    team_id: int, strategy_ids: Sequence[int], now: datetime
) -> dict[int, InForce]:
    """Return the furthest approval in force of each strategy, with its review date."""
    terms = {row["version"]: row for _, _, row in list_in_force(team_id, now) if "version" in row}
    rows = StrategyVersion.objects.filter(
        team_id=team_id, strategy_id__in=strategy_ids, digest__in=list(terms)
    ).order_by("number")
    found = {}
    for row in rows:
        mine = terms[row.digest]
        due = agreed.is_review_due(mine, now)
        found[row.strategy_id] = InForce(
            row.pk, row.number, row.stage, row.tier, agreed.review_on(mine), due
        )
    return found
