"""Questions to language models: the first that answers wins, each question leaves a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from apps.approvals.selectors import get_setting
from apps.assistant import selectors
from apps.assistant.errors import ModelFault
from apps.assistant.kernel.settings import BUDGET, MODELS, in_order
from apps.assistant.llms.base import Answer, LanguageModel
from apps.assistant.models import Usage
from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict

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

    A model that is busy, broken, slow or out of shape is passed over; None when none answers, none
    is configured, or the team's budget is used up.
    """
    actor.require("assistant.use")
    ask = partial(_propose, instructions=instructions, prompt=prompt)
    try:
        return _first(actor, ask, clock, search_id)[0]
    except Conflict as error:
        log.warning("assistant.not_asked", code=error.code)
        return None


def ask_for_program(
    *, actor: Actor, instructions: str, prompt: str, clock: Callable[[], datetime]
) -> Answer:
    """Return the text of the first model that writes one.

    Raises
    ------
    Conflict
        ``model.none``: none is set up. ``model.over_budget``: the team's budget is used up.
        ``model.no_answer``: none wrote one; the details say why, by model.
    """
    actor.require("assistant.use")
    ask = partial(_write, instructions=instructions, prompt=prompt)
    answer, faults = _first(actor, ask, clock, None)
    if answer is None:
        said = " ".join(fault.message for fault in faults.values())
        message = f"No language model wrote a text. {said}"[:1000]
        codes = {name: fault.code for name, fault in faults.items()}
        raise Conflict(message, code="model.no_answer", details={"models": codes})
    return answer


def check_models(*, team_id: int, now: datetime) -> None:
    """Raise ``Conflict`` when no model may be asked now: none is set up, or the budget is used."""
    if not in_order(selectors.configured_models(), get_setting(team_id, MODELS)):
        needs = ", ".join(model.needs for model in selectors.list_models())
        message = f"No language model is set up. It takes one of {needs}, and a restart."
        raise Conflict(message, code="model.none")
    budget = get_setting(team_id, BUDGET)
    day = selectors.spent_since(team_id=team_id, since=now - selectors.DAY)
    month = selectors.spent_since(team_id=team_id, since=now - selectors.MONTH)
    tokens = day.input_tokens + day.output_tokens
    if tokens >= budget["tokens_a_day"] or month.cost_usd >= budget["usd_a_month"]:
        message = (
            f"The team's models took {tokens} tokens in 24 hours and {month.cost_usd:.2f} USD in "
            f"30 days; {BUDGET} allows {budget['tokens_a_day']} and {budget['usd_a_month']:.2f}. "
            "Wait, or have it changed in the settings."
        )
        raise Conflict(message, code="model.over_budget")


def _propose(model: LanguageModel, *, instructions: str, prompt: str) -> Answer:
    return model.propose(instructions=instructions, prompt=prompt)


def _write(model: LanguageModel, *, instructions: str, prompt: str) -> Answer:
    return model.write(instructions=instructions, prompt=prompt)


def _first(
    actor: Actor,
    ask: Callable[[LanguageModel], Answer],
    clock: Callable[[], datetime],
    search_id: int | None,
) -> tuple[Answer | None, dict[str, ModelFault]]:
    """Ask one after the other, outside any transaction; return an answer, or why there is none."""
    faults: dict[str, ModelFault] = {}
    for model in in_order(selectors.configured_models(), get_setting(actor.team, MODELS)):
        began = clock()
        check_models(team_id=actor.team, now=began)
        try:
            answer = ask(model)
        except ModelFault as fault:
            log.warning("assistant.model_failed", provider=model.name, code=fault.code)
            _note(actor, model, search_id, began, clock(), fault=fault)
            faults[model.name] = fault
            continue
        _note(actor, model, search_id, began, clock(), answer=answer)
        return answer, faults
    return None, faults


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
