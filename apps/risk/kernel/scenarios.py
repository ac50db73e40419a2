"""Scenarios people think of: a table of shocks by instrument, sector and factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Invalid
from apps.risk.kernel.stress import TOTAL_LOSS, Book

KINDS = ("instrument", "sector", "factor")
MOST_SHOCKS, MOST_NAME = 500, 80
# A shock is a simple return: nothing falls by more than all, or rises more than tenfold.
LOWEST, HIGHEST = -1.0, 10.0


@dataclass(frozen=True, slots=True)
class Shocks:
    """Simple returns by instrument, sector and factor."""

    instrument: Mapping[str, float] = field(default_factory=dict)
    sector: Mapping[str, float] = field(default_factory=dict)
    factor: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Return it as JSON."""
        return {kind: dict(getattr(self, kind)) for kind in KINDS}


def shocks_from(table: Mapping[str, Any]) -> Shocks:
    """Return a checked table of shocks.

    Raises ``Invalid``: ``risk.scenario.kind``, ``risk.scenario.name``, ``risk.scenario.shock``,
    ``risk.scenario.empty``, ``risk.scenario.too_many``.
    """
    unknown = sorted(set(table) - set(KINDS))
    if unknown:
        message = f"There is no kind {unknown[0]!r} of shock; there are {', '.join(KINDS)}."
        raise Invalid(message, code="risk.scenario.kind", details={"field": unknown[0]})
    found = {kind: _checked(kind, table.get(kind) or {}) for kind in KINDS}
    count = sum(len(rows) for rows in found.values())
    if not count:
        message = "The table is empty; give at least one shock, such as sector Energy -0.3."
        raise Invalid(message, code="risk.scenario.empty", details={"field": "shocks"})
    if count > MOST_SHOCKS:
        message = f"{count} shocks; a table has up to {MOST_SHOCKS}."
        raise Invalid(message, code="risk.scenario.too_many", details={"field": "shocks"})
    return Shocks(**found)


def _checked(kind: str, rows: object) -> dict[str, float]:
    if not isinstance(rows, Mapping):
        message = f"The shocks by {kind} are no table of name and return."
        raise Invalid(message, code="risk.scenario.kind", details={"field": kind})
    found: dict[str, float] = {}
    for name, value in rows.items():
        key = str(name).strip()
        if not key or len(key) > MOST_NAME or key in found:
            message = f"{name!r} under {kind} is empty, too long, or stands there twice."
            raise Invalid(message, code="risk.scenario.name", details={"field": kind})
        found[key] = _shock(kind, key, value)
    return found


def _shock(kind: str, name: str, value: object) -> float:
    number = (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else math.nan
    )
    if not (math.isfinite(number) and LOWEST <= number <= HIGHEST):
        message = f"The shock of {kind} {name} is {value!r}; give a return from -1 to 10."
        raise Invalid(message, code="risk.scenario.shock", details={"field": kind, "name": name})
    return number


def apply(
    book: Book,
    shocks: Shocks,
    *,
    sectors: Mapping[str, str],
    betas: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Return what the book would lose if the shocks came at once.

    Parameters
    ----------
    sectors
        Symbol to sector.
    betas
        Symbol to its exposure by factor; none where it could not be estimated.

    Returns
    -------
    dict
        ``loss`` (positive, share of equity), ``positions``: by symbol the return, the loss and
        what it came from; ``unmoved``, ``unused`` and ``notes`` in words.

    Notes
    -----
    A shock by instrument stands alone. Else sector and factors add up: the sector's return plus
    exposure times each factor's. A return is cut at -100 %.
    """
    rows, notes = {}, []
    without = sorted(s for s in book.weights if s not in betas and s not in shocks.instrument)
    if shocks.factor and without:
        notes.append(f"No exposures for {', '.join(without)}: factors do not move them here.")
    for symbol, weight in book.weights.items():
        change, came = _change(symbol, shocks, sectors, betas)
        if change < TOTAL_LOSS:
            notes.append(f"{symbol}: {change:.0%} is cut at -100 %.")
            change = TOTAL_LOSS
        rows[symbol] = {"return": change, "loss": -weight * change, "weight": weight, "by": came}
    return {
        "loss": sum(row["loss"] for row in rows.values()),
        "positions": rows,
        "unmoved": sorted(s for s, row in rows.items() if not row["by"]),
        "unused": _unused(shocks, book, sectors),
        "notes": notes,
    }


def _change(
    symbol: str,
    shocks: Shocks,
    sectors: Mapping[str, str],
    betas: Mapping[str, Mapping[str, float]],
) -> tuple[float, list[str]]:
    if symbol in shocks.instrument:
        return shocks.instrument[symbol], ["instrument"]
    total, came = 0.0, []
    sector = sectors.get(symbol, "")
    if sector in shocks.sector:
        total += shocks.sector[sector]
        came.append(f"sector {sector}")
    exposures = betas.get(symbol, {})
    for factor, move in shocks.factor.items():
        if factor in exposures:
            total += exposures[factor] * move
            came.append(f"factor {factor}")
    return total, came


def _unused(shocks: Shocks, book: Book, sectors: Mapping[str, str]) -> list[str]:
    held = {sectors.get(symbol, "") for symbol in book.weights}
    return sorted(
        [f"instrument {name}" for name in shocks.instrument if name not in book.weights]
        + [f"sector {name}" for name in shocks.sector if name not in held]
    )
