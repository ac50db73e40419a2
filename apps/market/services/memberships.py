"""Members of an index by day, as a provider knows them."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date, datetime
from typing import Any, cast

from django.db import transaction

from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import NotFound
from apps.core.kernel.hashing import digest_json
from apps.core.models import Job
from apps.market import store
from apps.market.models import Batch, Dataset, Membership
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
    """Fetch the members; what the provider said before and says no longer is kept as history."""
    facts = progress.payload
    dataset = Dataset.objects.get(pk=facts["dataset_id"])
    team_id = cast("int", dataset.team_id)
    found = _indexed(team_id, facts["provider"]).memberships(facts["index"])
    now = progress.now()
    spells = [_spell(member) for member in found]
    with transaction.atomic():
        batch = Batch.objects.create(
            dataset=dataset,
            provider=facts["provider"],
            source=f"members of {facts['index']}",
            sha256=digest_json([[str(part) for part in astuple(item)] for item in spells]),
            rows=len(spells),
            received=len(spells),
            created_at=now,
            created_by="ingest",
        )
        said = {
            "dataset_id": dataset.pk,
            "batch_id": batch.pk,
            "index": facts["index"],
            "source": facts["provider"],
            "now": now,
        }
        gone = store.withdraw_members(but=spells, **said)
        store.write_members(spells=spells, only_own=True, **said)
        mine = Membership.objects.filter(
            dataset=dataset, index=facts["index"], source=facts["provider"]
        )
        result = {
            "index": facts["index"],
            "dataset": dataset.name,
            "spells": mine.count(),
            "withdrawn": gone,
        }
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


def _spell(member: Member) -> store.Spell:
    return store.Spell(
        member.symbol,
        date.fromisoformat(member.joined_on) if member.joined_on else None,
        date.fromisoformat(member.left_on) if member.left_on else None,
    )
