"""A book's risk as it stands: quantities, last prices and a prepared history to figures.

The history is prepared once and used until a bar or a position comes that it lacks; a change of
price or quantity only weighs it anew. What has no price or no history is left out by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.calendars import common_sessions
from apps.risk.kernel.grades_forecasts import WINDOW
from apps.risk.kernel.samples import LARGEST, Floats
from apps.risk.kernel.tail_parts import Parts, tail_parts

LEVELS = (0.95, 0.99)
# Below so many returns an instrument, or a book, is not measured.
LEAST = 60
# What rounding leaves where long and short cancel.
DUST = 1e-12
FALLBACK = "historical"
UNPRICED = "no price"
NOTHING = ("risk.empty", "Nothing is held.")


@dataclass(frozen=True, slots=True)
class History:
    """Returns ``(n, m)`` of ``names``; ``absent`` is why another name has none."""

    names: tuple[str, ...]
    returns: Floats
    absent: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def columns(self, names: Sequence[str]) -> Floats:
        """Return the returns of some of the names, in their order."""
        if tuple(names) == self.names:
            return self.returns
        at = {name: i for i, name in enumerate(self.names)}
        return self.returns[:, [at[name] for name in names]]


def prepare(prices: Mapping[str, tuple[Any, Any]], *, window: int = WINDOW) -> History:
    """Return the joint returns of the last ``window`` periods that all instruments share.

    Parameters
    ----------
    prices
        Name to ``(ts, close)``; NaN is a missing price, none is carried on.

    Notes
    -----
    An instrument with fewer than 60 returns, or with a price that is none, is absent by name.
    """
    absent: dict[str, str] = {}
    sound: dict[str, tuple[Any, Any]] = {}
    for name, (ts, close) in prices.items():
        why = _unfit(np.asarray(close, dtype=np.float64))
        if why:
            absent[name] = why
        else:
            sound[name] = (ts, close)
    if not sound:
        return History((), np.empty((0, 0)), absent)
    joint = common_sessions(sound)
    kept = np.ascontiguousarray(joint.returns[-window:])
    return History(joint.names, kept, absent, joint.notes)


def _unfit(close: Floats) -> str:
    known = close[~np.isnan(close)]
    if known.size <= LEAST:
        return f"{known.size} price(s), {LEAST + 1} are needed"
    if not np.isfinite(known).all() or known.min() <= 0.0:
        return "a price that is not above 0 or not finite"
    return ""


def exposure(
    quantities: Mapping[str, float], prices: Mapping[str, float], equity: float
) -> dict[str, Any]:
    """Return gross, net, long and short values, in money and by equity; ``unpriced`` by name.

    Raises ``Invalid`` (``risk.quantity``) for a quantity that is no number.
    """
    values, unpriced = _values(quantities, prices)
    long = math.fsum(value for value in values.values() if value > 0.0)
    short = math.fsum(-value for value in values.values() if value < 0.0)
    gross, net = long + short, long - short
    return {
        "equity": equity,
        "gross": gross,
        "net": net,
        "long": long,
        "short": short,
        "gross_share": gross / equity if equity > 0.0 else None,
        "net_share": net / equity if equity > 0.0 else None,
        "positions": sum(1 for quantity in quantities.values() if quantity),
        "unpriced": unpriced,
    }


def _values(
    quantities: Mapping[str, float], prices: Mapping[str, float]
) -> tuple[dict[str, float], list[str]]:
    values: dict[str, float] = {}
    unpriced = []
    for name, quantity in quantities.items():
        if not math.isfinite(quantity):
            message = f"The quantity of {name} is {quantity}; it is no number."
            raise Invalid(message, code="risk.quantity", details={"instrument": name})
        price = prices.get(name, math.nan)
        if not quantity:
            continue
        if math.isfinite(price) and price > 0.0:
            values[name] = quantity * price
        else:
            unpriced.append(name)
    return values, sorted(unpriced)


def live_figures(
    quantities: Mapping[str, float],
    prices: Mapping[str, float],
    history: History,
    *,
    model: str,
    equity: float,
    levels: Sequence[float] = LEVELS,
) -> dict[str, Any]:
    """Return exposure, VaR and ES with what each position adds; losses positive.

    Returns
    -------
    dict
        ``levels``: ``var`` and ``es`` as shares of equity (none without equity) and ``var_money``,
        ``es_money``; ``parts`` by position, the largest part of the shortfall first, money that
        sums to these; ``unmeasured`` by name with why and value; ``covered``, the share of the
        gross value that is measured; ``why_not`` and ``code`` when nothing can be.

    Notes
    -----
    Where the model can't be computed of this history, the historical figure stands in and
    ``model_note`` says so.
    """
    seen = exposure(quantities, prices, equity)
    values, _ = _values(quantities, prices)
    measured = [name for name in values if name in history.names]
    out = [
        {"symbol": name, "why": history.absent.get(name, "no history"), "value": value}
        for name, value in values.items()
        if name not in history.names
    ]
    out += [{"symbol": name, "why": UNPRICED, "value": None} for name in seen["unpriced"]]
    found: dict[str, Any] = {
        **seen,
        "model": model,
        "model_note": "",
        "observations": len(history.returns),
        "levels": [],
        "parts": _bare(values, quantities, prices, equity),
        "unmeasured": sorted(out, key=lambda row: str(row["symbol"])),
        "covered": _covered(values, measured, seen["gross"], seen["unpriced"]),
        "notes": list(history.notes),
        "code": "",
        "why_not": "",
    }
    try:
        return found | _measured(values, measured, history, model, equity, levels, found["parts"])
    except Invalid as error:
        code, words = error.code, error.message
        if not values and not out:
            code, words = NOTHING
        return found | {"code": code, "why_not": words}


def _covered(
    values: Mapping[str, float], measured: Sequence[str], gross: float, unpriced: Sequence[str]
) -> float | None:
    """Return the measured share of the gross value; none where a value is not known."""
    if unpriced or not gross:
        return None
    return math.fsum(abs(values[name]) for name in measured) / gross


def _bare(
    values: Mapping[str, float],
    quantities: Mapping[str, float],
    prices: Mapping[str, float],
    equity: float,
) -> list[dict[str, Any]]:
    return [
        {
            "symbol": name,
            "quantity": quantities[name],
            "price": prices[name],
            "value": value,
            "weight": value / equity if equity > 0.0 else None,
        }
        for name, value in values.items()
    ]


def _measured(
    values: Mapping[str, float],
    measured: Sequence[str],
    history: History,
    model: str,
    equity: float,
    levels: Sequence[float],
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    if not measured:
        names = ", ".join(values) or "anything held"
        raise Invalid(f"No history of {names} to measure from.", code="risk.no_price")
    if len(history.returns) < LEAST:
        message = f"{len(history.returns)} common returns; {LEAST} are needed."
        raise Invalid(message, code="risk.too_few")
    held = np.array([values[name] for name in measured])
    # Without equity the figures are shares of the gross value, told in money alone.
    scale = equity if equity > 0.0 else float(np.abs(held).sum())
    weights = held / scale
    if not np.isfinite(weights).all() or np.abs(weights).max() > LARGEST:
        message = f"A position is {np.abs(weights).max():.3g} times equity; that is no position."
        raise Invalid(message, code="risk.weights")
    parts, used, note = _by_model(history.columns(measured), weights, model, levels)
    return {
        "model": used,
        "model_note": note,
        "levels": [_level(one, scale, has_equity=equity > 0.0) for one in parts],
        "parts": _with_parts(rows, measured, parts, scale),
        "notes": list(dict.fromkeys([*history.notes, *(n for one in parts for n in one.notes)])),
    }


def _by_model(
    returns: Floats, weights: Floats, model: str, levels: Sequence[float]
) -> tuple[list[Parts], str, str]:
    try:
        return tail_parts(returns, weights, model, levels), model, ""
    except Invalid as error:
        if model == FALLBACK:
            raise
        note = f"{model} can't be computed here, {FALLBACK} stands in: {error.message}"
        return tail_parts(returns, weights, FALLBACK, levels), FALLBACK, note


def _level(one: Parts, scale: float, *, has_equity: bool) -> dict[str, Any]:
    return {
        "level": one.level,
        "var": one.var if has_equity else None,
        "es": one.es if has_equity else None,
        "var_money": one.var * scale,
        "es_money": one.es * scale,
    }


def _with_parts(
    rows: Sequence[Mapping[str, Any]],
    measured: Sequence[str],
    parts: Sequence[Parts],
    scale: float,
) -> list[dict[str, Any]]:
    at = {name: i for i, name in enumerate(measured)}
    found = [
        {**row, **(_of(parts, at[row["symbol"]], scale) if row["symbol"] in at else {})}
        for row in rows
    ]
    deepest = f"es_{parts[-1].level * 100:g}"
    return sorted(found, key=lambda row: -float(row.get(deepest, -math.inf)))


def _of(parts: Sequence[Parts], i: int, scale: float) -> dict[str, float | None]:
    told: dict[str, float | None] = {}
    for one in parts:
        name = f"{one.level * 100:g}"
        told[f"var_{name}"] = float(one.by_var[i]) * scale
        told[f"es_{name}"] = float(one.by_es[i]) * scale
    deepest = parts[-1]
    told["share_of_es"] = float(deepest.by_es[i]) / deepest.es if deepest.es else None
    return told


def after_trades(
    quantities: Mapping[str, float], trades: Sequence[tuple[str, float]]
) -> dict[str, float]:
    """Return the quantities once signed trades are filled; what cancels out is gone."""
    found = dict(quantities)
    for name, signed in trades:
        before = found.get(name, 0.0)
        then = before + signed
        found[name] = 0.0 if abs(then) <= DUST * (abs(before) + abs(signed)) else then
    return {name: quantity for name, quantity in found.items() if quantity}


def what_if(
    quantities: Mapping[str, float],
    prices: Mapping[str, float],
    trades: Sequence[tuple[str, float]],
    history: History,
    later: History,
    *,
    model: str,
    equity: float,
    cost: float = 0.0,
) -> dict[str, Any]:
    """Return the figures ``before`` and ``after`` signed trades at the prices given.

    ``history`` is of what is held, ``later`` of what would be, each as the live book has it;
    ``cost`` is what trading takes from equity. Raises ``Invalid`` (``risk.no_price``) naming the
    traded instruments that have no price: what they would do can't be told.
    """
    _, unpriced = _values({name: signed or 1.0 for name, signed in trades}, prices)
    if unpriced:
        message = f"{', '.join(unpriced)} has no price; wait for its next bar or leave it out."
        raise Invalid(message, code="risk.no_price", details={"instruments": unpriced})
    before = live_figures(quantities, prices, history, model=model, equity=equity)
    then = after_trades(quantities, trades)
    after = live_figures(then, prices, later, model=model, equity=equity - cost)
    return {"before": before, "after": after, "cost": cost}
