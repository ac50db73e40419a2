"""Propose, amend and withdraw. The row is locked meanwhile, so two at once give one outcome."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from apps.approvals import selectors
from apps.approvals.kernel import policy, quorum, states
from apps.approvals.kernel import terms as agreed
from apps.approvals.kernel.digest import FORMAT, finite, is_digest, proposal_digest
from apps.approvals.kernel.evidence import STATED, Asked, EvidenceSource, Measured
from apps.approvals.models import Proposal
from apps.audit import selectors as trail
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.kernel.hashing import canonical_json
from apps.core.plugs import list_plugs, load_plug

MIN_RATIONALE = 10
MAX_RATIONALE = 4000
MAX_EVIDENCE = 49_152
TOPIC = "approvals"
EVIDENCE_SOURCES = "EVIDENCE_SOURCES"
# What people may propose as it comes; every other kind has a door of its own, which shows the
# deciders what it is about.
BY_HAND = (quorum.PROMOTION, "parameters", "model")
LIVE = "live"
MAX_DAYS = 3650


@dataclass(frozen=True, slots=True)
class _Content:
    """What is proposed, checked."""

    kind: str
    subject: str
    subject_digest: str
    title: str
    target_stage: str
    tier: int
    rationale: str
    evidence: dict[str, Any]
    gates: list[dict[str, Any]]
    terms: dict[str, Any]


def propose(
    *,
    actor: Actor,
    kind: str,
    subject: str,
    title: str,
    digest: str,
    evidence: dict[str, Any],
    rationale: str,
    now: datetime,
    tier: int = 1,
    target_stage: str = "",
    current_stage: str = "",
    editors: Sequence[str] = (),
    terms: Mapping[str, Any] | None = None,
    open_for: timedelta | None = None,
) -> Proposal:
    """Store a proposal with its evidence frozen, and tell the team.

    Parameters
    ----------
    kind
        ``promotion``, or a kind of ``kernel.quorum.KINDS``.
    subject, digest
        What it is about, as ``version:<id>``, and the sha-256 of its content: the approval holds
        for this content only.
    evidence
        JSON shown to the deciders: ``metrics``, ``parameters``, ``links`` and figures for gates,
        as the lab measured them. What people bring goes through ``submit``.
    target_stage, current_stage
        For promotions: where to, and from where if the caller knows.
    editors
        Further actors who may not decide: last editors of the subject. Who made it is known from
        the trail and never decides, whoever proposes it.
    terms
        What the approval covers beside the subject, and its conditions (``kernel.terms``); for
        other kinds what is carried out.
    open_for
        How long it may be decided; the setting ``approvals.open_days`` otherwise.

    Raises
    ------
    Denied, Invalid
    Conflict
        When the same thing is proposed already, or can't go to that stage.
    """
    actor.require("proposals.create")
    content = _check(
        actor=actor,
        kind=kind,
        subject=subject,
        title=title,
        digest=digest,
        evidence=evidence,
        rationale=rationale,
        tier=tier,
        target_stage=target_stage,
        current_stage=current_stage,
        terms=terms or {},
    )
    days = selectors.get_setting(actor.team, "approvals.open_days")
    barred = {*editors, *_makers(actor.team, subject)}
    with transaction.atomic():
        return _store(actor, content, barred, open_for or timedelta(days=days), now)


def _store(
    actor: Actor,
    content: _Content,
    barred: set[str],
    open_for: timedelta,
    now: datetime,
    supersedes: uuid.UUID | None = None,
) -> Proposal:
    """Store a proposal with its event; the caller's transaction holds both."""
    proposal_id, parts = uuid.uuid4(), asdict(content)
    identity = {"id": proposal_id, "team_id": actor.team, "author": actor.name}
    expires_at = now + open_for
    sealed = proposal_digest({**parts, **identity, "expires_at": expires_at})
    body = {**parts, "digest": sealed, "format": FORMAT, "expires_at": expires_at}
    try:
        with transaction.atomic():
            event_id = audit.record(
                actor=actor,
                action="proposal.created",
                subject=f"proposal:{proposal_id}",
                body={**body, **({"supersedes": str(supersedes)} if supersedes else {})},
                now=now,
            )
            proposal = Proposal.objects.create(
                **identity,
                **parts,
                format=FORMAT,
                digest=sealed,
                editors=sorted(barred - {actor.name}),
                valid_until=agreed.valid_until(content.terms),
                review_on=agreed.review_on(content.terms),
                supersedes=supersedes,
                created_at=now,
                expires_at=expires_at,
                event_id=event_id,
            )
            announce(proposal, "created")
    except IntegrityError as error:
        message = (
            f"{content.subject} is proposed already and waits for a decision; withdraw that first."
        )
        raise Conflict(message, code="proposal.open_already") from error
    return proposal


def submit(
    *,
    actor: Actor,
    kind: str,
    subject: str,
    title: str,
    digest: str,
    rationale: str,
    now: datetime,
    run: str = "",
    stated: dict[str, Any] | None = None,
    tier: int = 1,
    target_stage: str = "",
    account: int | None = None,
    capital_usd: float | None = None,
    valid_days: int | None = None,
    review_days: int | None = None,
    open_days: int | None = None,
    study: str = "",
) -> Proposal:
    """Propose what a person brings: the lab takes the evidence, their own words stand apart.

    Parameters
    ----------
    run
        For a kind with a line in ``EVIDENCE_SOURCES`` (promotions): the finished run of exactly
        this subject whose figures are copied. Retiring needs none.
    stated
        What the proposer adds; kept under ``stated``, which no gate reads.
    account, capital_usd
        The account it is for and the most it may be given there; live takes both. The tier
        follows from the capital, and is never below the one named.
    valid_days, review_days
        How long the approval is in force and when it is reviewed, at most what the policy says.
    open_days
        How long it may be decided, at most what the setting says.
    study
        A finished sweep of the same strategy, shown and frozen beside the run.

    Raises
    ------
    Invalid, NotFound, Conflict
        As ``propose``, and for a run that is missing, not done or of something else.
    """
    actor.require("proposals.create")
    asked = Asked(target_stage, account, capital_usd, valid_days, review_days, study)
    _check_asked(kind, asked)
    open_for = _open_for(actor.team, open_days)
    measured = Measured({})
    if kind in list_plugs(EVIDENCE_SOURCES) and (run or target_stage != states.RETIRED):
        source: EvidenceSource = load_plug(EVIDENCE_SOURCES, kind)
        measured = source.take(
            team_id=actor.team, subject=subject, digest=digest, run_id=run, asked=asked, now=now
        )
    return propose(
        actor=actor,
        kind=kind,
        subject=subject,
        title=title,
        digest=digest,
        evidence={**measured.evidence, STATED: stated} if stated else measured.evidence,
        rationale=rationale,
        now=now,
        tier=_tier(actor.team, tier, capital_usd),
        target_stage=target_stage,
        current_stage=measured.current_stage,
        editors=measured.editors,
        terms={**measured.terms, **_conditions(actor.team, kind, asked, now)},
        open_for=open_for,
    )


def _open_for(team_id: int, days: int | None) -> timedelta:
    most = selectors.get_setting(team_id, "approvals.open_days")
    if days is not None and not 1 <= days <= most:
        message = f"It would stay open {days} days; a proposal stays open 1 to {most}."
        raise Invalid(message, code="proposal.days", details={"field": "open_days"})
    return timedelta(days=most if days is None else days)


def _check_asked(kind: str, asked: Asked) -> None:
    if kind in quorum.KINDS and kind not in BY_HAND:
        message = f"A proposal of kind {kind!r} is made where its subject is, not here."
        raise Invalid(message, code="proposal.door", details={"field": "kind"})
    capital = asked.capital_usd
    if capital is not None and not 0 < capital <= 1e12:
        message = f"The capital is {capital}; it is an amount in USD above 0."
        raise Invalid(message, code="proposal.capital", details={"field": "capital_usd"})
    for name in ("valid_days", "review_days"):
        days = getattr(asked, name)
        if days is not None and not 1 <= days <= MAX_DAYS:
            message = f"{name} is {days}; it is from 1 to {MAX_DAYS}."
            raise Invalid(message, code="proposal.days", details={"field": name})
    if asked.target_stage == LIVE and (capital is None or asked.account is None):
        message = "Going live takes the target account and the most capital it may be given."
        raise Invalid(message, code="proposal.capital", details={"field": "capital_usd"})


def _tier(team_id: int, named: int, capital: float | None) -> int:
    """Return the tier: that of the capital, never below the one named."""
    if capital is None:
        return named
    limits = selectors.get_setting(team_id, "approvals.tiers_usd")
    return max(named, quorum.tier_of(capital, limits))


def _conditions(team_id: int, kind: str, asked: Asked, now: datetime) -> dict[str, Any]:
    """Return the conditions of a promotion that lets something run."""
    if kind != quorum.PROMOTION or asked.target_stage not in states.NEVER_SKIPPED:
        return {}
    most = {
        name: selectors.get_setting(team_id, f"approvals.{name}")[asked.target_stage]
        for name in ("valid_days", "review_days")
    }
    valid = min(asked.valid_days or most["valid_days"], most["valid_days"])
    review = min(asked.review_days or most["review_days"], most["review_days"])
    return {
        "capital_usd": asked.capital_usd,
        "valid_until": (now + timedelta(days=valid)).isoformat(),
        "review_on": (now + timedelta(days=review)).date().isoformat(),
    }


def amend(
    *,
    actor: Actor,
    proposal_id: uuid.UUID | str,
    now: datetime,
    title: str | None = None,
    rationale: str | None = None,
    stated: dict[str, Any] | None = None,
) -> Proposal:
    """Change an open proposal's words: another takes its place, and its votes are void.

    Who amends it becomes its author, and whoever wrote it before may decide no more than that.
    Raises ``NotFound``, ``Conflict`` when it is decided already, ``Invalid``.
    """
    actor.require("proposals.create")
    with transaction.atomic():
        old = lock_proposal(proposal_id, actor.team)
        if old.status != Proposal.Status.OPEN or old.expires_at <= now:
            message = f"The proposal is {old.status} already; make a new one to change that."
            raise Conflict(message, code="proposal.closed")
        evidence = {**old.evidence, STATED: stated} if stated is not None else old.evidence
        content = _Content(
            old.kind,
            old.subject,
            old.subject_digest,
            _check_title(old.title if title is None else title),
            old.target_stage,
            old.tier,
            check_rationale(old.rationale if rationale is None else rationale),
            _check_evidence(evidence),
            old.gates,
            old.terms,
        )
        _close(actor, old, Proposal.Status.WITHDRAWN, {"reason": "amended"}, now)
        barred = {old.author, *old.editors}
        return _store(actor, content, barred, old.expires_at - now, now, supersedes=old.pk)


def _makers(team_id: int, subject: str) -> list[str]:
    """Return who made the subject, by the trail: its maker may not decide on it."""
    made = f"{subject.partition(':')[0]}.created"
    events_of = trail.list_events(team_id=team_id, subject=subject, action=made)
    return list(events_of.values_list("actor", flat=True))


def _check(
    *,
    actor: Actor,
    kind: str,
    subject: str,
    title: str,
    digest: str,
    evidence: dict[str, Any],
    rationale: str,
    tier: int,
    target_stage: str,
    current_stage: str,
    terms: Mapping[str, Any],
) -> _Content:
    target_stage = _check_stage(kind, target_stage, current_stage)
    _check_quorum(kind, target_stage, tier)
    kind_, separator, identity = subject.partition(":")
    if not (kind_ and separator and identity) or len(subject) > 120:
        message = f"The subject {subject!r} is not of the form kind:id, such as version:7."
        raise Invalid(message, code="proposal.subject", details={"field": "subject"})
    if not is_digest(digest):
        message = "The digest is not a sha-256 of 64 lower-case hex digits; take the subject's."
        raise Invalid(message, code="proposal.digest", details={"field": "digest"})
    title = _check_title(title)
    frozen = _check_evidence(evidence)
    gates = _judge(actor.team, kind, target_stage, frozen)
    words = check_rationale(rationale)
    covered = finite(terms)
    return _Content(
        kind, subject, digest, title, target_stage, tier, words, frozen, gates, covered
    )


def _check_title(title: str) -> str:
    if not 1 <= len(title.strip()) <= 200:
        message = "The title has 1 to 200 characters; say what is proposed in a line."
        raise Invalid(message, code="proposal.title", details={"field": "title"})
    return title.strip()


def _check_stage(kind: str, target_stage: str, current_stage: str) -> str:
    if kind != quorum.PROMOTION:
        return ""
    if target_stage not in states.STAGES[1:]:
        message = f"{target_stage!r} is not a stage to go to; {', '.join(states.STAGES[1:])} are."
        raise Invalid(message, code="proposal.stage", details={"field": "target_stage"})
    is_renewal = current_stage == target_stage and target_stage in states.NEVER_SKIPPED
    if current_stage and not is_renewal:
        try:
            states.steps(current_stage, target_stage)
        except ValueError as error:
            raise Conflict(f"No promotion: {error}.", code="proposal.no_way") from error
    return target_stage


def _check_quorum(kind: str, target_stage: str, tier: int) -> None:
    try:
        quorum.slots_of(kind, target_stage, tier)
    except ValueError as error:
        raise Invalid(f"{error}.", code="proposal.kind", details={"field": "kind"}) from error


def check_rationale(rationale: str) -> str:
    """Return the words as kept. Raises ``Invalid`` when they are too few or too many."""
    words = rationale.strip()
    if not MIN_RATIONALE <= len(words) <= MAX_RATIONALE:
        message = (
            f"The rationale has {len(words)} characters; say why in {MIN_RATIONALE} to "
            f"{MAX_RATIONALE}."
        )
        raise Invalid(message, code="rationale.length", details={"field": "rationale"})
    return words


def _check_evidence(evidence: dict[str, Any]) -> dict[str, Any]:
    frozen: dict[str, Any] = finite(evidence)
    try:
        size = len(canonical_json(frozen))
    except ValueError as error:
        message = f"The evidence is not plain JSON: {error}."
        raise Invalid(message, code="proposal.evidence", details={"field": "evidence"}) from error
    if size > MAX_EVIDENCE:
        message = f"The evidence takes {size} bytes; at most {MAX_EVIDENCE}. Link to the rest."
        raise Invalid(message, code="proposal.evidence", details={"field": "evidence"})
    return frozen


def _judge(
    team_id: int, kind: str, target_stage: str, evidence: dict[str, Any]
) -> list[dict[str, Any]]:
    if kind != quorum.PROMOTION:
        return []
    gates = policy.read_gates(selectors.get_setting(team_id, "approvals.gates"))
    return [asdict(result) for result in policy.judge(gates, target_stage, evidence)]


def lock_proposal(proposal_id: uuid.UUID | str, team_id: int) -> Proposal:
    """Return the proposal, locked until the transaction ends. Raises ``NotFound``."""
    return selectors.pick_proposal(Proposal.objects.select_for_update(), proposal_id, team_id)


def withdraw(
    *, actor: Actor, proposal_id: uuid.UUID | str, now: datetime, reason: str = ""
) -> Proposal:
    """Take one's own open proposal back. Raises ``NotFound``, ``Denied`` or ``Conflict``."""
    actor.require("proposals.create")
    with transaction.atomic():
        proposal = lock_proposal(proposal_id, actor.team)
        if proposal.author != actor.name:
            message = "Only who proposed it can withdraw it; reject it instead."
            raise Denied(message, code="denied.not_author")
        if proposal.status != Proposal.Status.OPEN:
            message = f"The proposal is {proposal.status} already; it can't be withdrawn."
            raise Conflict(message, code="proposal.closed")
        _close(actor, proposal, Proposal.Status.WITHDRAWN, {"reason": reason[:500]}, now)
    return proposal


def _close(
    actor: Actor, proposal: Proposal, status: str, body: dict[str, Any], now: datetime
) -> None:
    proposal.status, proposal.decided_at = status, now
    proposal.save(update_fields=["status", "decided_at"])
    subject = f"proposal:{proposal.pk}"
    audit.record(actor=actor, action=f"proposal.{status}", subject=subject, body=body, now=now)
    announce(proposal, status)


def expire_old(*, now: datetime) -> int:
    """Close the proposals that nobody decided in time; return how many."""
    late = Proposal.objects.filter(status=Proposal.Status.OPEN, expires_at__lte=now)
    closed = 0
    for proposal_id in list(late.values_list("pk", flat=True)):
        with transaction.atomic():
            rows = Proposal.objects.select_for_update(skip_locked=True)
            proposal = rows.filter(pk=proposal_id, status=Proposal.Status.OPEN).first()
            if proposal is not None:
                actor = system("approvals", proposal.team_id)
                _close(actor, proposal, Proposal.Status.EXPIRED, {}, now)
                closed += 1
    return closed


def announce(proposal: Proposal, what: str) -> None:
    """Tell the team what became of a proposal, on commit."""
    events.emit(
        team_id=proposal.team_id,
        topic=TOPIC,
        kind=f"approvals.proposal.{what}",
        data={
            "id": str(proposal.pk),
            "kind": proposal.kind,
            "subject": proposal.subject,
            "title": proposal.title,
            "status": proposal.status,
        },
    )
