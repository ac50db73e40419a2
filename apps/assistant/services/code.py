"""Strategies that a language model wrote: stored, checked, proposed. None is run here.

A model is no person: who asked it stands as the author, and can't decide. The text goes the way of
every text: read and never run until a validator has agreed to exactly these bytes, and then in the
sandbox alone.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.strategies import services as strategies

MAX_MODEL, MIN_TASK, MAX_TASK = 80, 10, 2000


def submit_code(
    *, actor: Actor, name: str, text: str, model: str, task: str, now: datetime
) -> dict[str, Any]:
    """Store a text that a model wrote as a version of a Python strategy, and propose it.

    Parameters
    ----------
    model
        Which model wrote it: shown to the deciders, and part of what they sign.
    task
        What it was asked to do.

    Raises
    ------
    Denied
    Invalid
        For a text with an error (its line and column), or without a model or a task.
    Conflict
        For a name that another kind of strategy has, or a text that is proposed already.
    """
    actor.require("assistant.use")
    model, task = " ".join(model.split()), check_task(task)
    if not 1 <= len(model) <= MAX_MODEL:
        message = f"The model has {len(model)} characters; name which one wrote the text."
        raise Invalid(message, code="code.model", details={"field": "model"})
    with transaction.atomic():
        note = f"Written by {model}"
        version = strategies.save_code(actor=actor, name=name, text=text, note=note, now=now)
        proposal = strategies.propose_code(
            actor=actor,
            version_id=version.id,
            rationale=f"The model was asked: {task}",
            now=now,
            written_by=model,
        )
        digest = sha256(text.encode()).hexdigest()
        body = {"model": model, "version": version.id, "proposal": str(proposal.pk)}
        record(actor=actor, action="code.drafted", subject=f"code:{digest}", body=body, now=now)
    return {
        "version_id": version.id,
        "digest": digest,
        "proposal_id": str(proposal.pk),
        "status": str(proposal.status),
    }


def check_task(task: str) -> str:
    """Return what a model is or was asked to do, trimmed. Raises ``Invalid``."""
    task = task.strip()
    if not MIN_TASK <= len(task) <= MAX_TASK:
        message = f"The task has {len(task)} characters; say in {MIN_TASK} to {MAX_TASK}."
        raise Invalid(message, code="code.task", details={"field": "task"})
    return task
