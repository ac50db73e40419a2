"""Members of an index by day, as a provider knows them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

from django.db import transaction

from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import NotFound
from apps.core.models import Job
from apps.market.models import Dataset, Membership
from apps.market.providers.base import Indexed, Member, Provider
from apps.market.selectors.keys import provider_for
from apps.market.services.ingests import own_dataset

TASK = "market.members"


def ask_for_members(
    *, actor: Actor, provider: str, index: str, now: datetime, dataset: str = ""
) -> Job:
    """Start fetching who was in an index, from when until when, into a dataset of the team.

    Raises
    ------
    NotFound
        ``provider.no_members`` when the provider does not know indices.
    Denied
        ``provider.no_key`` when the team has no key of it.
    """
    actor.require("data.write")
    plug = _indexed(actor.team, provider)
    section = cast("Provider", plug).section(plug.capabilities.sections[0])
    with transaction.atomic():
        place = own_dataset(
            actor=actor, name=dataset or f"{provider}-{section.name}", section=section, now=now
        )
        job = jobs.enqueue(
            actor=actor,
            kind="ingest",
            title=f"Members of {index} from {provider}",
            task=TASK,
            queue="io",
            payload={"provider": provider, "index": index, "dataset_id": place.pk},
            subject=f"dataset:{place.pk}",
            now=now,
        )
        audit.record(
            actor=actor,
            action="members.asked_for",
            subject=f"dataset:{place.pk}",
            body={"provider": provider, "index": index},
            now=now,
        )
    return job


def run_members(progress: jobs.Progress) -> dict[str, Any]:
    """Fetch the members and put them in place of what the provider said before."""
    facts = progress.payload
    dataset = Dataset.objects.get(pk=facts["dataset_id"])
    team_id = cast("int", dataset.team_id)
    found = _indexed(team_id, facts["provider"]).memberships(facts["index"])
    now = progress.now()
    with transaction.atomic():
        mine = Membership.objects.filter(
            dataset=dataset, index=facts["index"], source=facts["provider"]
        )
        mine.delete()
        Membership.objects.bulk_create(
            [_row(dataset, facts, member) for member in found],
            batch_size=5000,
            ignore_conflicts=True,
        )
        result = {"index": facts["index"], "dataset": dataset.name, "spells": mine.count()}
        audit.record(
            actor=system("ingest", team_id),
            action="members.stored",
            subject=f"dataset:{dataset.pk}",
            body={"provider": facts["provider"], **result},
            now=now,
        )
    return result


def _indexed(team_id: int, name: str) -> Indexed:
    plug = provider_for(team_id=team_id, name=name)
    if not hasattr(plug, "memberships"):
        message = f"{name} does not know who belonged to an index."
        raise NotFound(message, code="provider.no_members", details={"field": "provider"})
    return cast("Indexed", plug)


def _row(dataset: Dataset, facts: dict[str, Any], member: Member) -> Membership:
    return Membership(
        dataset=dataset,
        index=facts["index"],
        symbol=member.symbol,
        joined_on=date.fromisoformat(member.joined_on) if member.joined_on else None,
        left_on=date.fromisoformat(member.left_on) if member.left_on else None,
        source=facts["provider"],
    )
