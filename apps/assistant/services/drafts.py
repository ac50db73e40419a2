"""Strategies that a language model writes for a researcher: asked, read, mended, proposed.

A text is read here and never run: that begins when a person who did not ask for it agreed to
exactly its bytes. What the reading finds goes back to the model, at most twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.accounts.selectors import actor_of_user_id
from apps.assistant import selectors
from apps.assistant.kernel import program_prompts as prompts
from apps.assistant.llms.base import Answer, Program
from apps.assistant.services.code import MAX_MODEL, check_task, submit_code
from apps.assistant.services.models import ask_for_program, check_models
from apps.audit.selectors import list_events
from apps.audit.services import record
from apps.core import jobs
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.models import Job
from apps.strategies.kernel.user_code import Finding
from apps.strategies.selectors.own import list_own
from apps.strategies.services import check_code
from apps.strategies.services.versions import check_name

TRIES = 3
NEEDED = ("assistant.use", "research.write", "proposals.create")
WRITTEN = "code.written"


def request_code(*, actor: Actor, name: str, task: str, now: datetime) -> Job:
    """Queue the writing of a Python strategy by a language model.

    Parameters
    ----------
    name
        The strategy's name; a new one, or a Python strategy of the team that gets a version.
    task
        What it is to do, in words; sent to the model, and shown to the deciders.

    Raises
    ------
    Denied
    Invalid
        For a name or a task that can't be.
    Conflict
        For a name that another kind of strategy has; ``model.none``, ``model.over_budget``.
    """
    for permission in NEEDED:
        actor.require(permission)
    if actor.user_id is None:
        raise Denied("A person asks for a text, not the lab.", code="denied.no_person")
    task = check_task(task)
    check_name(name, name)
    if any(one.strategy == name and one.kind != "python" for one in list_own(actor.team)):
        message = f"The team has {name!r} already, not as Python; take another name."
        raise Conflict(message, code="strategy.name_taken", details={"field": "name"})
    check_models(team_id=actor.team, now=now)
    with transaction.atomic():
        job = jobs.enqueue(
            actor=actor,
            kind=selectors.DRAFT,
            title=f"A model writes {name}",
            task="assistant.write_code",
            queue="ai",
            payload={"name": name, "task": task, "user_id": actor.user_id},
            now=now,
            max_attempts=2,
        )
        body = {"name": name, "task": task}
        record(actor=actor, action="code.asked", subject=f"job:{job.pk}", body=body, now=now)
    return job


def write_code(progress: jobs.Progress) -> dict[str, Any]:
    """Do it: ask, read, ask again with what was found, and propose what is sound.

    Begun again after it was proposed, it answers the same. Raises ``Denied`` when who asked has
    left, ``Conflict`` when no model wrote, ``Invalid`` (``code.unusable``) for what can't be used.
    """
    made = _made(progress)
    if made is not None:
        return made
    asked = progress.payload
    actor = actor_of_user_id(asked["user_id"], progress.team_id or 0)
    if actor is None:
        raise Denied("Who asked for this text has left the team.", code="denied.left")
    answer, program, tries = _sound(actor, progress)
    model = f"{answer.provider} {answer.model}"[:MAX_MODEL]
    progress.tell(TRIES, TRIES, "proposing", stage=True)
    now = progress.now()
    with transaction.atomic():
        made = submit_code(
            actor=actor,
            name=asked["name"],
            text=program.text,
            model=model,
            task=asked["task"],
            now=now,
        )
        made |= {"model": model, "tries": tries, "reasoning": program.reasoning}
        made["url"] = f"/approvals/{made['proposal_id']}/"
        subject = f"job:{progress.job_id}"
        record(actor=actor, action=WRITTEN, subject=subject, body=made, now=now)
    return made


def _sound(actor: Actor, progress: jobs.Progress) -> tuple[Answer, Program, int]:
    """Return a text in which nothing is found wrong, and at which try it came."""
    name, task = progress.payload["name"], progress.payload["task"]
    before, findings = "", list[Finding]()
    for number in range(1, TRIES + 1):
        note = "asking a language model" if number == 1 else f"mending {len(findings)} findings"
        progress.tell(number - 1, TRIES, note, stage=True)
        answer = ask_for_program(
            actor=actor,
            instructions=prompts.instructions(),
            prompt=prompts.prompt(name, task, before=before, findings=findings),
            clock=progress.now,
        )
        program = answer.program or Program()
        findings = check_code(program.text)
        if not findings:
            return answer, program, number
        before = program.text
    said = "; ".join(f"line {one.line}: {one.message}" for one in findings[:5])
    message = f"After {TRIES} tries the model's text still has errors, it is kept nowhere: {said}"
    found = [{"line": one.line, "code": one.code, "message": one.message} for one in findings[:20]]
    raise Invalid(message[:1000], code="code.unusable", details={"findings": found})


def _made(progress: jobs.Progress) -> dict[str, Any] | None:
    """Return what an earlier attempt of this job proposed."""
    subject = f"job:{progress.job_id}"
    event = list_events(team_id=progress.team_id, subject=subject, action=WRITTEN).first()
    return dict(event.content) if event else None
