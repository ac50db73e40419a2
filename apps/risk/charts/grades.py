"""The fan of a risk model: what it told for each day, and the days it was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def fan(
    *,
    title: str,
    model: str,
    level: float,
    ts: Sequence[str],
    returns: Sequence[float] = (),
    var: Sequence[float] = (),
    es: Sequence[float] = (),
) -> dict[str, Any]:
    """Return returns over the VaR and ES told for their days, with the exceptions marked."""
    if not ts:
        older = "The days are kept with the newest grading of a book only."
        return {"data": [], "layout": {"meta": {"empty": older}}}
    beyond = [i for i, (made, told) in enumerate(zip(returns, var, strict=True)) if -made > told]
    expected = (1.0 - level) * len(ts)
    heading = f"{title}: {len(beyond)} exceptions in {len(ts)} days, {expected:.1f} expected"
    words = model.replace("_", " ")
    below = f"VaR and ES at {level:.0%} by {words}, each told the day before"
    return {
        "data": [
            _line(ts, [-told for told in es], f"ES {level:.0%}", "$down", "dot"),
            _line(ts, [-told for told in var], f"VaR {level:.0%}", "$amber", "solid"),
            {
                "type": "scatter",
                "mode": "markers",
                "name": "Return",
                "x": list(ts),
                "y": list(returns),
                "marker": {"color": "$muted", "size": 3},
                "hovertemplate": "%{y:.2%}<extra>Return</extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "Exception",
                "x": [ts[i] for i in beyond],
                "y": [returns[i] for i in beyond],
                "marker": {"color": "$down", "size": 8, "symbol": "x"},
                "hovertemplate": "%{y:.2%}<extra>Beyond the VaR</extra>",
            },
        ],
        "layout": {
            "title": {"text": heading, "subtitle": {"text": below}},
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.3},
            "xaxis": {"title": {"text": "Close of the day, UTC"}},
            "yaxis": {"title": {"text": "Return"}, "tickformat": ".1%"},
        },
    }


def _line(
    ts: Sequence[str], values: list[float], name: str, colour: str, dash: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(ts),
        "y": values,
        "line": {"color": colour, "width": 1.5, "dash": dash, "shape": "hv"},
        "hovertemplate": f"%{{y:.2%}}<extra>{name}</extra>",
    }
