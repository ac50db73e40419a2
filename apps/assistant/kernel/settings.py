"""The assistant's settings that can be changed at run time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apps.approvals.kernel.setting_specs import Spec, register

MODELS = "assistant.models"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def _check_models(value: Any) -> None:
    fits = isinstance(value, list) and all(
        isinstance(name, str) and NAME.fullmatch(name) for name in value
    )
    if not fits or len(set(value)) != len(value):
        message = "models are a list of different names of providers, such as openai and groq"
        raise ValueError(message)


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
    )
)
