"""An indicator on a file of bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.backtests.kernel.panels import read_panel_file
from apps.core.errors import Invalid
from apps.strategies.kernel.indicators import find_indicator, measure

TEXTS = ("against",)


def read_params(given: Sequence[str]) -> dict[str, Any]:
    """Return ``k=v`` words as parameters: numbers where they read as such. Raises ``Invalid``."""
    found: dict[str, Any] = {}
    for word in given:
        name, sign, value = word.partition("=")
        if not (sign and name.strip() and value.strip()):
            message = f"--param {word!r} is not of the form name=value, such as period=14."
            raise Invalid(message, code="indicator.param")
        found[name.strip()] = value.strip() if name.strip() in TEXTS else _number(value.strip())
    return found


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def indicator_file(
    name: str, content: bytes, file_name: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an indicator's values on every bar of a tidy file, by symbol; None where unknown.

    Raises
    ------
    NotFound, Invalid
        For an unknown indicator, parameters it does not take, a file that can't be read.
    """
    indicator = find_indicator(name)
    panel = read_panel_file(content, file_name)
    params, found = measure(name, panel, dict(given))
    values: dict[str, dict[str, Any]] = {}
    for column, symbol in enumerate(panel.symbols):
        there = np.isfinite(panel.close[:, column])
        times = panel.ts[there].astype("datetime64[us]").astype("datetime64[s]")
        values[symbol] = {"ts": [f"{time}Z" for time in times.astype(str)]}
        for output, array in found.items():
            numbers = array[there, column].tolist()
            values[symbol][output] = [x if np.isfinite(x) else None for x in numbers]
    return {
        "indicator": indicator.name,
        "title": indicator.title,
        "source": indicator.source,
        "params": params,
        "outputs": list(found),
        "values": values,
    }
