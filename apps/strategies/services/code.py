"""Python strategies of users: checked, stored as versions, proposed. None is run here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.approvals.services import propose
from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.strategies import selectors
from apps.strategies.kernel import user_code
from apps.strategies.kernel.user_code import Finding
from apps.strategies.models import Strategy
from apps.strategies.selectors import VersionView
from apps.strategies.services.versions import (
    add_strategy,
    add_version,
    check_name,
    refuse_stale,
)

KIND = "code"
PYTHON = "python"


def check_code(text: str) -> list[Finding]:
    """Return what is wrong with a strategy's text, by line; it is read, never run."""
    return user_code.check(text)


def save_code(
    *,
    actor: Actor,
    name: str,
    text: str,
    now: datetime,
    note: str = "",
    base: int | None = None,
) -> VersionView:
    """Store a text as the newest version of the team's Python strategy ``name``.

    The version has the parameters' defaults. The same text again is the version it was.

    Raises
    ------
    Invalid
        With code, line and column of the first error of the text, or for a name that can't be.
    Conflict
        For a name that another kind of strategy has, or (``version.newer``) a ``base`` that is
        not the newest version.
    """
    actor.require("research.write")
    declared = user_code.read(name, text)
    title = declared.spec.title
    check_name(name, title)
    with transaction.atomic():
        strategy = add_strategy(actor, name, title, PYTHON, PYTHON, declared.spec.about, now)
        strategy = Strategy.objects.select_for_update(of=("self",)).get(pk=strategy.pk)
        if strategy.kind != Strategy.Kind.PYTHON:
            message = f"The team has {name!r} already, not as Python; take another name."
            raise Conflict(message, code="strategy.name_taken", details={"field": "name"})
        refuse_stale(strategy, base)
        version = add_version(actor, strategy, {}, note, now, text)
        digest = user_code.digest_of_text(text)
        body = {"strategy": name, "version": version.id, "digest": digest, "bytes": len(text)}
        # Who wrote a text never decides on it; that is read from the trail.
        record(actor=actor, action="code.created", subject=f"code:{digest}", body=body, now=now)
    return version


def propose_code(
    *, actor: Actor, version_id: int, rationale: str, now: datetime, written_by: str = ""
) -> Any:
    """Propose that exactly a version's text may run in the sandbox.

    The approval holds for the text, whatever the parameters, and for nothing else. ``written_by``
    names the model when no person wrote it, for the deciders to see and sign.
    Raises ``NotFound``, ``Invalid`` for a version that has no text of its own, ``Conflict``.
    """
    actor.require("proposals.create")
    version = selectors.get_version_detail(version_id, actor.team)
    if version["kind"] != Strategy.Kind.PYTHON:
        message = f"{version['title']} is no Python strategy of the team; it needs no such leave."
        raise Invalid(message, code="code.not_python", details={"field": "version_id"})
    text = version["source"]
    digest = user_code.digest_of_text(text)
    author = {"written by the model": written_by} if written_by else {}
    kind_of_text = "AI-written text" if written_by else "text"
    with transaction.atomic():
        proposal = propose(
            actor=actor,
            kind=KIND,
            subject=f"code:{digest}",
            title=f"Run the {kind_of_text} of {version['title']} v{version['number']}"[:200],
            digest=digest,
            evidence={"version": version_id, "sha256": digest, "text": text, **author},
            rationale=rationale,
            now=now,
        )
        body = {"proposal": str(proposal.pk), "version": version_id}
        record(actor=actor, action="code.proposed", subject=f"code:{digest}", body=body, now=now)
    return proposal
