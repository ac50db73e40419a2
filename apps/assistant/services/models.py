"""Questions to language models: the first that answers wins, each question leaves a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from apps.approvals.selectors import get_setting
from apps.assistant import selectors
from apps.assistant.errors import ModelFault
from apps.assistant.kernel.settings import MODELS, in_order
from apps.assistant.llms.base import Answer, LanguageModel
from apps.assistant.models import Usage
from apps.audit.services import record
from apps.core.actors import Actor

log = structlog.get_logger(__name__)


def ask_models(
    *,
    actor: Actor,
    instructions: str,
    prompt: str,
    clock: Callable[[], datetime],
    search_id: int | None = None,
) -> Answer | None:
    """Return the ideas of the first model that answers, in the order of the team's setting.

    A model that is busy, broken, slow or out of shape is passed over; None when none answers, or
    none is configured. The call itself is outside any transaction.
    """
    actor.require("assistant.use")
    wanted = get_setting(actor.team, MODELS)
    for model in in_order(selectors.configured_models(), wanted):
        began = clock()
        try:
            answer: Answer = model.propose(instructions=instructions, prompt=prompt)
        except ModelFault as fault:
            log.warning("assistant.model_failed", provider=model.name, code=fault.code)
            _note(actor, model, search_id, began, clock(), fault=fault)
            continue
        _note(actor, model, search_id, began, clock(), answer=answer)
        return answer
    return None


def _note(
    actor: Actor,
    model: LanguageModel,
    search_id: int | None,
    began: datetime,
    ended: datetime,
    *,
    answer: Answer | None = None,
    fault: ModelFault | None = None,
) -> None:
    outcome = "answered" if fault is None else fault.code
    with transaction.atomic():
        row = Usage.objects.create(
            team_id=actor.team,
            search_id=search_id,
            provider=model.name,
            model=answer.model if answer else model.model,
            outcome=outcome,
            message=fault.message[:400] if fault else "",
            input_tokens=answer.input_tokens if answer else 0,
            output_tokens=answer.output_tokens if answer else 0,
            cost_usd=answer.cost_usd if answer else None,
            latency_ms=int((ended - began).total_seconds() * 1000),
            actor=actor.name,
            created_at=ended,
        )
        body: dict[str, Any] = {
            "provider": row.provider,
            "model": row.model,
            "outcome": outcome,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cost_usd": row.cost_usd,
            "search": search_id,
        }
        record(actor=actor, action="model.asked", subject=f"usage:{row.pk}", body=body, now=ended)
