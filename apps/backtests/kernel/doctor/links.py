"""Where a finding points: bars, trades, orders, fills, parameters, stretches of time, pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from apps.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Link:
    """A cause by its kind and what names it; ``label`` is what people read."""

    kind: str
    label: str
    target: Mapping[str, str]


def moment(ts: int) -> str:
    """Return microseconds since 1970 as ISO text in UTC."""
    return datetime.fromtimestamp(int(ts) / 1e6, UTC).isoformat().replace("+00:00", "Z")


def micros_of(text: str) -> int:
    """Return ISO text as microseconds since 1970; UTC where it names no offset.

    Raises
    ------
    Invalid
        For text that is no moment.
    """
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1e6)
    except (ValueError, OverflowError) as error:
        message = f"at = {text!r}; a moment such as 2020-03-16T00:00:00Z is expected."
        raise Invalid(message, code="figure.at", details={"field": "at"}) from error


def on(ts: int) -> str:
    """Return a time as people read it: the day, and the clock where it is not midnight."""
    text = moment(ts)
    return text[:10] if text[11:19] == "00:00:00" else f"{text[:10]} {text[11:16]}"


def bar(symbol: str, ts: int) -> Link:
    """Point at a bar of an instrument."""
    return Link("bar", f"{symbol} {on(ts)}", {"symbol": symbol, "at": moment(ts)})


def row(table: str, n: int, label: str) -> Link:
    """Point at a row of a table of the run: trades, orders, fills or positions."""
    return Link(table.removesuffix("s"), label, {"table": table, "row": str(int(n))})


def span(first: int, last: int, label: str = "") -> Link:
    """Point at a stretch of the equity curve."""
    words = label or f"{on(first)} to {on(last)}"
    return Link("span", words, {"from": moment(first), "to": moment(last)})


def field(name: str, label: str = "") -> Link:
    """Point at a field of the form that runs it changed."""
    return Link("field", label or name, {"field": name})


def parameter(name: str, value: object) -> Link:
    """Point at a parameter."""
    return Link("parameter", f"{name} = {value}", {"field": f"params.{name}"})


def run(run_id: str, label: str) -> Link:
    """Point at another run."""
    return Link("run", label, {"run": run_id})


def sweep(sweep_id: str, label: str, params: str = "") -> Link:
    """Point at a sweep, or at some of its combinations."""
    return Link("sweep", label, {"sweep": sweep_id, "params": params})


def family(family_id: object, label: str = "All trials of the family") -> Link:
    """Point at the family of trials."""
    return Link("family", label, {"family": str(family_id)})


def version(version_id: object, label: str = "The version and its probe") -> Link:
    """Point at the version and its look-ahead probe."""
    return Link("version", label, {"version": str(version_id)})


def tab(name: str, label: str) -> Link:
    """Point at a tab of the run's page."""
    return Link("tab", label, {"tab": name})


def data(symbol: str) -> Link:
    """Point at an instrument in the data room."""
    return Link("data", f"{symbol} in the data room", {"symbol": symbol})


def address(link: Link, run_id: str) -> str:
    """Return the page and place that a link of a run leads to."""
    asked, here = link.target, f"/research/{run_id}/"
    if link.kind == "bar":
        query = urlencode({"tab": "trades", **asked})
        return f"{here}?{query}#price-head"
    if link.kind in {"trade", "order", "fill", "position"}:
        query = urlencode({"tab": "trades", **asked})
        return f"{here}?{query}#row-{asked['row']}"
    if link.kind == "span":
        return f"{here}?{urlencode(dict(asked))}#equity-head"
    if link.kind in {"field", "parameter"}:
        return f"/research/new/?{urlencode({'from': run_id, **asked})}"
    if link.kind == "sweep":
        query = f"?{urlencode({'params': asked['params']})}" if asked["params"] else ""
        return f"/research/sweeps/{asked['sweep']}/{query}"
    return _page(link, here)


def _page(link: Link, here: str) -> str:
    asked = link.target
    places = {
        "run": f"/research/{asked.get('run', '')}/",
        "family": f"/research/families/{asked.get('family', '')}/",
        "version": f"/strategies/versions/{asked.get('version', '')}/#probe",
        "tab": f"{here}?tab={asked.get('tab', '')}",
        "data": f"/data/instruments/{quote(asked.get('symbol', ''), safe='')}/",
    }
    return places[link.kind]
