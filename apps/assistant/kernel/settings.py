"""The assistant's settings that can be changed at run time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apps.approvals.kernel.setting_specs import Spec, number, register

MODELS = "assistant.models"
BUDGET = "assistant.budget"
MOST_TOKENS, MOST_USD = 1_000_000_000, 1_000_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def _check_models(value: Any) -> None:
    fits = isinstance(value, list) and all(
        isinstance(name, str) and NAME.fullmatch(name) for name in value
    )
    if not fits or len(set(value)) != len(value):
        message = "models are a list of different names of providers, such as openai and groq"
        raise ValueError(message)


def _check_budget(value: Any) -> None:
    names = {"tokens_a_day", "usd_a_month"}
    if not isinstance(value, dict) or set(value) != names:
        message = "a budget has tokens_a_day and usd_a_month"
        raise ValueError(message)
    number(0, MOST_TOKENS, whole=True)(value["tokens_a_day"])
    number(0, MOST_USD)(value["usd_a_month"])


def in_order(found: Sequence[Any], wanted: Sequence[str]) -> list[Any]:
    """Return the models with the wanted names, in that order; all as they are when none is named.

    Parameters
    ----------
    found
        Models that can be asked; each has a ``name``.
    wanted
        The value of ``assistant.models``; names that can't be asked are passed over.
    """
    if not wanted:
        return list(found)
    by_name = {model.name: model for model in found}
    return [by_name[name] for name in wanted if name in by_name]


register(
    Spec(
        MODELS,
        "Language models that are asked, in this order",
        [],
        _check_models,
        hint="names of the lab's providers; empty asks all that are set up, in the lab's order",
    ),
    Spec(
        BUDGET,
        "What language models may take",
        {"tokens_a_day": 2_000_000, "usd_a_month": 100.0},
        _check_budget,
        hint="a question is asked only while less was used in the last 24 hours and 30 days",
    ),
)
