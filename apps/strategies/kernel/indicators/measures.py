"""Indicators by name on whole panels, those of TA-Lib included."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.columns import Bars, by_column
from apps.strategies.kernel.indicators.table import ALIASES, INDICATORS, SPELLINGS, Indicator
from apps.strategies.kernel.interface import Parameter, Params, check_params

Floats = NDArray[np.float64]


def find_indicator(name: str) -> Indicator:
    """Return the indicator of that name: one of the table's, else TA-Lib's own function.

    Raises ``NotFound`` with the names there are.
    """
    wanted = name.strip().lower()
    found = INDICATORS.get(ALIASES.get(wanted, wanted))
    return found or _of_talib(wanted.removeprefix("ta_"))


def measure(name: str, panel: Panel, given: Params) -> tuple[Params, dict[str, Floats]]:
    """Return the parameters in force and every output, ``(n_bars, n_assets)``.

    Notes
    -----
    Counted in each instrument's own bars; NaN before the indicator knows enough, and where the
    instrument has no bar. Those of two instruments take the other one's symbol as ``against``.

    Raises
    ------
    NotFound, Invalid
        For an unknown name or symbol, and parameters it does not take.
    """
    indicator = find_indicator(name)
    given = dict(given)
    if indicator.pair:
        panel = _against(indicator, panel, given)
    params = check_params(indicator, _spelled(indicator, given))
    return params, by_column(panel, lambda bars: indicator.measure(bars, params))


def _spelled(indicator: Indicator, given: Params) -> Params:
    """Return parameters with the usual other words for ``period`` brought to it."""
    known = {parameter.name for parameter in indicator.parameters}
    if "period" not in known or "period" in given:
        return given
    return {
        "period" if name in SPELLINGS and name not in known else name: value
        for name, value in given.items()
    }


def _against(indicator: Indicator, panel: Panel, given: Params) -> Panel:
    other = str(given.pop("against", ""))
    if other not in panel.symbols:
        message = (
            f"{indicator.name} compares with another instrument: give against=SYMBOL, one of "
            f"{', '.join(panel.symbols[:10])}; found {other or 'nothing'}."
        )
        raise Invalid(message, code="indicator.against", details={"field": "params.against"})
    column = panel.close[:, [panel.symbols.index(other)]]
    shared = np.isfinite(panel.close) & np.isfinite(column)
    prices: dict[str, Any] = {
        name: np.where(shared, getattr(panel, name), np.nan) for name in FIELDS
    }
    extras = {"against": np.where(shared, column, np.nan)}
    return replace(panel, **prices, extras=extras, known_digest="")


def _of_talib(name: str) -> Indicator:
    abstract: Any = import_module("talib.abstract")
    functions = import_module("talib").get_functions()
    if name.upper() not in functions:
        message = (
            f"There is no indicator {name!r}; there are {', '.join(INDICATORS)}, and the "
            "functions of TA-Lib by their names."
        )
        raise NotFound(message, code="indicator.unknown", details={"field": "name"})
    function = abstract.Function(name.upper())
    title = function.info["display_name"]
    declared = tuple(_declared(key, value) for key, value in function.parameters.items())

    def run(bars: Bars, params: Params) -> dict[str, Floats]:
        return _call(name.upper(), bars, params)

    return Indicator(name, title, f"TA-Lib {name.upper()}", declared, run)


def _declared(name: str, default: Any) -> Parameter:
    kind = "int" if isinstance(default, int) else "float"
    return Parameter(name, kind, default, about="As in TA-Lib")


def _call(name: str, bars: Bars, params: Params) -> dict[str, Floats]:
    abstract: Any = import_module("talib.abstract")
    function = abstract.Function(name)
    labels = list(function.output_names)
    if len(bars) < 2:
        return {label: np.full(len(bars), np.nan) for label in labels}
    inputs = {field: getattr(bars, field) for field in FIELDS}
    try:
        found = function(inputs, **params)
    except Exception as error:
        message = f"TA-Lib {name} refuses these parameters or bars: {error}."
        raise Invalid(message, code="indicator.refused", details={"field": "params"}) from error
    arrays = found if isinstance(found, list | tuple) else [found]
    return {
        label: np.asarray(array, dtype=np.float64)
        for label, array in zip(labels, arrays, strict=True)
    }
