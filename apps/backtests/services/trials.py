"""Writes of the trial ledger that the database does not do by itself.

Entries of runs and of combinations are the database's own (migration 0009).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, Sum

from apps.audit.services import record
from apps.backtests.kernel.integrity.streams import Stream
from apps.backtests.models import Family, TrialEntry, TrialStream
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotFound

FORGE = "forge"


def keep_streams(team_id: int, rows: Iterable[tuple[str, Stream | None, float]]) -> None:
    """Keep what trials returned: subject, stream, observations in a year; once each."""
    given = [(subject, stream, periods) for subject, stream, periods in rows if stream]
    known = TrialStream.objects.filter(subject__in=[subject for subject, *_ in given])
    there = set(known.values_list("subject", flat=True))
    made = [
        TrialStream(
            subject=subject,
            team_id=team_id,
            calendar=stream.calendar,
            observations=stream.moments.n,
            sharpe=stream.moments.sharpe,
            skewness=stream.moments.skewness,
            kurtosis=stream.moments.kurtosis,
            periods=periods,
            digest=stream.digest,
            blocks=stream.blocks,
            path=stream.path,
        )
        for subject, stream, periods in given
        if subject not in there
    ]
    if not made:
        return  # the work was done once before
    TrialStream.objects.bulk_create(made, batch_size=1000, ignore_conflicts=True)


def count_search(*, actor: Actor, search_id: int, trials: int, now: datetime) -> int:
    """Count the trials of a search of the forge so far, as a family its strategies will join.

    Entries never change: each adds what was tried since the one before. One that is told again, as
    by a worker that begins the search anew, adds nothing. Return how many were added.
    """
    family = _family_of_search(actor.team, search_id, now)
    with transaction.atomic():
        # Of two workers that do the same search one counts at a time.
        Family.objects.select_for_update().get(pk=family.pk)
        own = f"search:{search_id}"
        entries = TrialEntry.objects.filter(Q(subject=own) | Q(subject__startswith=f"{own}/"))
        found = entries.aggregate(parts=Count("pk"), trials=Sum("trials"))
        more = trials - (found["trials"] or 0)
        if more <= 0:
            return 0
        entry = TrialEntry.objects.create(
            team_id=actor.team,
            family=family,
            door=FORGE,
            subject=f"{own}/{found['parts'] + 1}" if found["parts"] else own,
            trials=more,
            created_at=now,
        )
        body = {"trials": more, "subject": entry.subject}
        subject = f"family:{family.pk}"
        record(actor=actor, action="trials.counted", subject=subject, body=body, now=now)
    return more


def _family_of_search(team_id: int, search_id: int, now: datetime) -> Family:
    family, _ = Family.objects.get_or_create(
        team_id=team_id,
        search_id=search_id,
        defaults={"name": f"search {search_id}", "created_at": now},
    )
    return family


def follow_hypothesis(
    *, actor: Actor, search_id: int, strategy_id: int, name: str, now: datetime
) -> None:
    """Let a strategy made of a hypothesis count with all that its search tried."""
    search = _family_of_search(actor.team, search_id, now)
    mine, _ = Family.objects.get_or_create(
        team_id=actor.team,
        strategy_id=strategy_id,
        defaults={"name": name, "created_at": now},
    )
    if mine.top_id != search.top_id:
        join_families(
            actor=actor, family_id=mine.pk, other_id=search.pk, why="made of a hypothesis", now=now
        )


def join_families(
    *, actor: Actor, family_id: int, other_id: int, why: str, now: datetime
) -> Family:
    """Let two families count as one from now on; there is no way back.

    Raises
    ------
    NotFound
        For a family of another team.
    Invalid
        When they are one already, or no reason is given.
    """
    actor.require("research.write")
    if len(why.strip()) < 10:
        message = "Say in at least 10 characters why the two are one idea; it stays in the ledger."
        raise Invalid(message, code="family.why", details={"field": "why"})
    with transaction.atomic():
        mine, other = (_locked(actor.team, number) for number in (family_id, other_id))
        if mine.top_id == other.top_id:
            message = f"{mine.name} and {other.name} are one family already."
            raise Invalid(message, code="family.same", details={"field": "other"})
        moved = Q(pk=mine.top_id) | Q(root_id=mine.top_id)
        Family.objects.filter(moved, team_id=actor.team).update(root_id=other.top_id)
        body = {"with": other.top_id, "names": [mine.name, other.name], "why": why.strip()}
        subject = f"family:{mine.top_id}"
        record(actor=actor, action="trials.joined", subject=subject, body=body, now=now)
    return Family.objects.get(pk=other.top_id)


def _locked(team_id: int, number: int) -> Family:
    family = Family.objects.select_for_update().filter(team_id=team_id, pk=number).first()
    if family is None:
        raise NotFound(f"There is no family {number} of trials here.", code="family.not_found")
    return family
