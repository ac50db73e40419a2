"""What strategies of one team hold together: nets first, is measured then.

Long 10 in one and short 10 in another is nothing held. All in one currency and at one set of
prices; other currencies are another group.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.risk.kernel.live import DUST, History, exposure, live_figures


@dataclass(frozen=True, slots=True)
class Part:
    """A strategy on an account, or what the account holds by hand."""

    key: str
    label: str
    account: str
    quantities: Mapping[str, float]


def net_quantities(parts: Sequence[Part]) -> dict[str, float]:
    """Return what is held of each instrument by all; what cancels out is gone."""
    found: dict[str, float] = {}
    for name, held in _by_name(parts).items():
        net = math.fsum(held)
        if abs(net) > DUST * math.fsum(abs(quantity) for quantity in held):
            found[name] = net
    return found


def _by_name(parts: Sequence[Part]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for part in parts:
        for name, quantity in part.quantities.items():
            found.setdefault(name, []).append(quantity)
    return found


def netted(
    parts: Sequence[Part],
    prices: Mapping[str, float],
    history: History,
    *,
    models: Sequence[str],
    equity: float,
) -> dict[str, Any]:
    """Return the figures of the net book beside those of each strategy alone.

    Parameters
    ----------
    models
        The models in force of the accounts. Of several the one that tells the net book the
        largest shortfall is taken, for all figures.

    Returns
    -------
    dict
        ``figures`` of the net book; ``strategies`` alone, in money; ``benefit`` by level: their
        sum, the net figure and the difference; ``crossed``: instruments held long by one and
        short by another; ``gross_apart`` before netting.
    """
    net = net_quantities(parts)
    told = [
        live_figures(net, prices, history, model=model, equity=equity)
        for model in dict.fromkeys(models)
    ]
    figures = max(told, key=_worst)
    alone = [_alone(part, prices, history, str(figures["model"]), equity) for part in parts]
    return {
        "figures": figures,
        "models": list(dict.fromkeys(models)),
        "strategies": alone,
        "benefit": _benefit(figures, alone),
        "crossed": _crossed(parts, prices),
        "gross_apart": math.fsum(row["gross"] for row in alone),
    }


def _worst(figures: Mapping[str, Any]) -> float:
    return float(figures["levels"][-1]["es_money"]) if figures["levels"] else -math.inf


def _alone(
    part: Part, prices: Mapping[str, float], history: History, model: str, equity: float
) -> dict[str, Any]:
    """Return a strategy's figures alone, by the equity of all: money is what is compared."""
    seen = exposure(part.quantities, prices, equity)
    found = live_figures(part.quantities, prices, history, model=model, equity=equity)
    return {
        "key": part.key,
        "label": part.label,
        "account": part.account,
        "gross": seen["gross"],
        "net": seen["net"],
        "positions": seen["positions"],
        "levels": [
            {name: row[name] for name in ("level", "var_money", "es_money")}
            for row in found["levels"]
        ],
        "unmeasured": [row["symbol"] for row in found["unmeasured"]],
        "model": found["model"],
        "why_not": found["why_not"],
    }


def _benefit(
    figures: Mapping[str, Any], alone: Sequence[Mapping[str, Any]]
) -> list[dict[str, float]]:
    """Return by level what the strategies' figures sum to, the net one, and the difference.

    A strategy that holds nothing adds nothing; a net book without positions has no risk.
    """
    by_level: dict[float, list[float]] = {}
    for row in alone:
        for one in row["levels"]:
            sums = by_level.setdefault(one["level"], [0.0, 0.0])
            sums[0] += one["var_money"]
            sums[1] += one["es_money"]
    empty = not figures["positions"]
    if not empty and not figures["levels"]:
        return []
    net = {one["level"]: (one["var_money"], one["es_money"]) for one in figures["levels"]}
    return [
        {
            "level": level,
            "sum_var": var,
            "sum_es": es,
            "net_var": net.get(level, (0.0, 0.0))[0],
            "net_es": net.get(level, (0.0, 0.0))[1],
            "var": var - net.get(level, (0.0, 0.0))[0],
            "es": es - net.get(level, (0.0, 0.0))[1],
        }
        for level, (var, es) in sorted(by_level.items())
    ]


def _crossed(parts: Sequence[Part], prices: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what some hold long and others short, with the value that nets away."""
    found = []
    for name, held in sorted(_by_name(parts).items()):
        long = math.fsum(quantity for quantity in held if quantity > 0.0)
        short = math.fsum(-quantity for quantity in held if quantity < 0.0)
        if long and short:
            price = prices.get(name)
            found.append(
                {
                    "symbol": name,
                    "long": long,
                    "short": short,
                    "netted": min(long, short),
                    "value": None if price is None else min(long, short) * price,
                }
            )
    return found
