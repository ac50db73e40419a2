"""The form of a new run: what may be chosen, and what a run begins from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.backtests.forms.pages import title_of_figure
from apps.backtests.forms.terms import (
    COST_FIELDS,
    EXECUTION_FIELDS,
    LIMIT_FIELDS,
    STOP_FIELDS,
    kept_terms,
    percent_of,
    row_fields,
    term_fields,
)
from apps.backtests.kernel.fills import FILLS, UNITS
from apps.backtests.kernel.requests import BENCHMARKS
from apps.backtests.kernel.spaces import METHODS
from apps.backtests.kernel.trials import OBJECTIVES
from apps.core.kernel.timeframes import SECONDS
from apps.market.kernel.bars import PRICE_MODES
from apps.strategies.kernel.asking import field_of
from apps.strategies.kernel.interface import Parameter, Spec
from apps.strategies.selectors import VersionView
from apps.strategies.selectors.own import Runnable

SWEEP_HINTS = {"int": "5, 10 or 5:50:5", "float": "0.5, 1 or 0:2:0.1", "bool": "true, false"}
KINDS = {"python": "Python", "expression": "expression", "library": "from the library"}
BENCHMARK_WORDS = ("Equal weights, bought and held", "SPY", "None")


def new_run(
    specs: Iterable[Spec],
    own: Iterable[VersionView],
    universes: Iterable[Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the form of a new run shows.

    Parameters
    ----------
    own
        The newest versions of the team's own strategies.
    asked
        A request to begin from, as ``selectors.request_to_begin`` returns it.
    """
    known, places = list(specs), list(universes)
    chosen, entries = _entries(known, asked)
    execution, rows = asked.get("execution") or {}, asked.get("rows") or {}
    return {
        **_choices(places),
        **_terms(asked, execution),
        "kept": kept_terms(execution),
        "row_fields": row_fields(rows),
        "has_rows": bool(rows),
        "strategies": entries,
        "strategy_options": [(spec.name, spec.title) for spec in known],
        "own_options": _own_options(own, asked.get("own")),
        "chosen": chosen,
        "asked": _asked(asked, places),
        "refused": asked.get("refused"),
    }


def _entries(known: list[Spec], asked: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return what is chosen, and the parameters of each strategy that the page holds."""
    chosen, given = str(asked.get("strategy") or ""), asked.get("params") or {}
    own: Runnable | None = asked.get("own")
    names = [spec.name for spec in known]
    if own is None and chosen not in names:
        chosen, given = names[0], {}
    entries = [_entry(s, s.name, given if s.name == chosen else {}) for s in known]
    return chosen, [own_entry(own, given), *entries] if own else entries


def own_entry(own: Runnable, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the parameters of a version of the team's own, with what it has or ``values``."""
    given = own.version.params if values is None else values
    return {
        **_entry(own.spec, str(own.version.id), given),
        "version": own.version,
        "leave": own.leave,
    }


def _entry(spec: Spec, key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    fields = [_field(key, parameter, values) for parameter in spec.parameters]
    return {"key": key, "spec": spec, "fields": fields, "version": None, "leave": None}


def _field(key: str, parameter: Parameter, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **field_of(parameter, values),
        # A user's text may name a parameter as it likes: "start", "cash".
        "name": f"params.{parameter.name}",
        "id": f"id_{key}_{parameter.name}",
        "sweep_name": f"sweep.{parameter.name}",
        "sweep_id": f"id_{key}_sweep_{parameter.name}",
        "sweep_hint": SWEEP_HINTS.get(parameter.kind, ", ".join(parameter.choices)),
    }


def _own_options(own: Iterable[VersionView], begun: Runnable | None) -> list[tuple[str, str]]:
    """Return the team's own strategies; an older version that a run begins from comes first."""
    versions = list(own)
    if begun is not None and begun.version.id not in {version.id for version in versions}:
        versions = [begun.version, *versions]
    return [(str(v.id), f"{v.label}, {KINDS.get(v.kind, v.kind)}") for v in versions]


def _choices(places: list[Any]) -> dict[str, Any]:
    """Return what the drop-downs offer."""
    return {
        "universe_options": [
            *((u.name, f"{u.title} ({len(u.symbols)}, {u.timeframe})") for u in places),
            ("", "Instruments by symbol"),
        ],
        "fill_options": [(rule.name, rule.says.capitalize()) for rule in FILLS.values()],
        "unit_options": [(unit, unit.capitalize()) for unit in UNITS],
        "benchmark_options": list(zip(BENCHMARKS, BENCHMARK_WORDS, strict=True)),
        "price_options": [(mode, mode.replace("_", " ").capitalize()) for mode in PRICE_MODES],
        "method_options": [
            (name, f"{name.capitalize()}: {says}") for name, says in METHODS.items()
        ],
        "objective_options": [(name, title_of_figure(name)) for name in OBJECTIVES],
        "timeframe_options": [("", "As the universe"), *((name, name) for name in SECONDS)],
    }


def _terms(asked: Mapping[str, Any], execution: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cost_fields": term_fields("costs", COST_FIELDS, asked.get("costs") or {}),
        "execution_fields": term_fields("execution", EXECUTION_FIELDS, execution),
        "stop_fields": term_fields("execution", STOP_FIELDS, execution),
        "limit_fields": term_fields("limits", LIMIT_FIELDS, asked.get("limits") or {}),
    }


def _asked(asked: Mapping[str, Any], places: list[Any]) -> dict[str, Any]:
    """Return the plain fields of the request to begin from, with what is usual."""
    costs = asked.get("costs") or {}
    daily = next((u.name for u in places if u.timeframe == "1d"), "")
    return {
        "universe": "" if asked.get("instruments") else daily,
        "cash": 100_000,
        "fill": "next_open",
        "units": "fractional",
        "benchmark": "equal_weight",
        "price_mode": "total_return",
        "timeframe": "",
        **{name: value for name, value in asked.items() if value is not None},
        "instruments": ", ".join(asked.get("instruments") or []),
        "labels": ", ".join(asked.get("labels") or []),
        "fee_bps": costs.get("fee_bps", 5),
        "slippage_bps": costs.get("slippage_bps", 5),
        "signal_weight": percent_of(asked.get("signal_weight")),
    }
