"""Any other figures by time: long or wide, each under a kind and an instrument."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.providers.uploads import symbols, tables
from apps.market.providers.uploads.bars import Shaped
from apps.market.providers.uploads.gather import Gathered

FACTORS = re.compile(r"(mkt_?rf|smb|hml|rmw|cma|mom|rf|umd|qmj|bab)")
TENOR = re.compile(r"(dgs)?\d+_?(m|mo|month|months|y|yr|year|years)?")
MAX_KINDS = 500
CLOSES = frozenset({"close", "adj_close"})
KNOWN_KINDS = {
    "funding_rate": "funding",
    "fundingrate": "funding",
    "oi": "open_interest",
    "openinterest": "open_interest",
    "oi_usd": "open_interest",
    "open_interest_usd": "open_interest",
}


def shape_metrics(found: Gathered, *, wide: bool, metric: str, headers: dict[str, str]) -> Shaped:
    """Write figures as one set of columns per kind.

    Parameters
    ----------
    wide
        Whether the columns are the instruments; else they are the kinds.
    metric
        The kind of a wide file; guessed from its columns when not given.
    """
    if wide:
        parts, kind = _wide(found), metric or guess_metric([*found.fields])
        if not metric:
            found.notes.append(f"One column per series: they are stored as figures {kind!r}.")
        pieces = {kind: parts}
    elif "kind" in headers and "value" in found.fields:
        pieces = _by_kind(found)
    else:
        pieces = {_kind(name): [_long(found, name)] for name in found.fields}
        _say_closes(found)
        _say_dollars(found)
    shaped = Shaped({"kinds": [], "symbols": []})
    for number, (kind, parts) in enumerate(pieces.items()):
        _write(found, shaped, number, kind, parts)
    if again := shaped.facts.pop("again", 0):
        found.notes.append(
            f"{again:,} figures have a time that comes again for the same symbol: the last row "
            "counts."
        )
    shaped.facts["symbols"] = _spans(found, shaped)
    shaped.facts["head"] = _head(found, shaped)
    return shaped


Part = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]


def guess_metric(names: list[str]) -> str:
    """Return what the columns of a wide file have in common."""
    if sum(bool(FACTORS.fullmatch(name)) for name in names) >= 2:
        return "return"
    if all(TENOR.fullmatch(name) for name in names):
        return "yield"
    if len(names) == 1 and names[0] not in CLOSES:
        return "rate" if "rate" in names[0] else "value"
    return "close" if all(re.fullmatch(r"[a-z0-9_]{1,6}", name) for name in names) else "value"


def _kind(name: str) -> str:
    return KNOWN_KINDS.get(name, name)


def _say_closes(found: Gathered) -> None:
    closes = sorted(CLOSES & found.fields.keys())
    if closes and not {"open", "high", "low"} & found.fields.keys():
        found.notes.append(
            f"Only {' and '.join(closes)}, without open, high and low: these are no bars and are "
            "stored as figures."
        )


def _say_dollars(found: Gathered) -> None:
    for name in sorted(found.fields):
        if name.endswith("_usd") and _kind(name) == "open_interest":
            found.notes.append(f"{name} is stored as open_interest; it is in dollars.")


def _long(found: Gathered, name: str) -> Part:
    spool = found.spool
    return _known(spool.get("codes"), spool.get("ts"), spool.get(name))


def _known(codes: NDArray[np.int32], ts: NDArray[np.int64], values: NDArray[np.float64]) -> Part:
    keep = ~np.isnan(values)
    return codes[keep], ts[keep], values[keep] + 0.0  # -0.0 becomes 0.0


def _wide(found: Gathered) -> list[Part]:
    """Return one part per column, its header as the symbol."""
    ts = found.spool.get("ts")
    parts = []
    headers = {}
    for name, header in found.fields.items():
        symbol = symbols.normalise(header).upper()
        if wrong := symbols.fault(symbol):
            raise tables.unreadable(f"the header {wrong} is no symbol")
        headers[name] = symbol
    for name, symbol in headers.items():
        code = found.names.codes.setdefault(symbol, len(found.names.codes))
        codes = np.full(len(ts), code, np.int32)
        parts.append(_known(codes, ts, found.spool.get(name)))
    return parts


def _by_kind(found: Gathered) -> dict[str, list[Part]]:
    if len(found.kinds.all) > MAX_KINDS:
        raise tables.unreadable(f"it has {len(found.kinds.all):,} kinds of figures")
    codes, ts, value = _columns(found)
    kinds = found.spool.get("kinds")
    return {
        kind: [_known(codes[kinds == at], ts[kinds == at], value[kinds == at])]
        for at, kind in enumerate(found.kinds.all)
    }


def _columns(found: Gathered) -> Part:
    spool = found.spool
    return spool.get("codes"), spool.get("ts"), spool.get("value")


def _write(found: Gathered, shaped: Shaped, number: int, kind: str, parts: list[Part]) -> None:
    codes, ts, values = (np.concatenate([part[at] for part in parts]) for at in range(3))
    if not len(ts):
        return
    order = np.lexsort((ts, codes))
    codes, ts, values = codes[order], ts[order], values[order]
    last = np.ones(len(ts), bool)
    last[:-1] = (codes[1:] != codes[:-1]) | (ts[1:] != ts[:-1])
    again = int((~last).sum())
    shaped.facts["again"] = shaped.facts.get("again", 0) + again
    spool = found.spool
    for name, column in (("codes", codes), ("ts", ts), ("value", values)):
        spool.put(f"metric{number}_{name}", column[last])
        shaped.arrays[f"metric{number}_{name}"] = str(spool.path(f"metric{number}_{name}"))
    shaped.facts["kinds"].append(
        {"kind": kind[:60], "rows": int(last.sum()), "arrays": f"metric{number}"}
    )


def _spans(found: Gathered, shaped: Shaped) -> list[dict[str, Any]]:
    size = len(found.names.all)
    rows = np.zeros(size, np.int64)
    first, last = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    for kind in shaped.facts["kinds"]:
        codes = found.spool.get(f"{kind['arrays']}_codes")
        ts = found.spool.get(f"{kind['arrays']}_ts")
        rows += np.bincount(codes, minlength=size)
        np.minimum.at(first, codes, ts)
        np.maximum.at(last, codes, ts)
    return [
        {"symbol": name, "rows": int(rows[at]), "first": int(first[at]), "last": int(last[at])}
        for at, name in enumerate(found.names.all)
        if rows[at]
    ]


def _head(found: Gathered, shaped: Shaped) -> list[dict[str, Any]]:
    rows = []
    for kind in shaped.facts["kinds"][:10]:
        codes, ts, value = (
            found.spool.get(f"{kind['arrays']}_{name}")[:3] for name in ("codes", "ts", "value")
        )
        rows += [
            {
                "symbol": found.names.all[codes[at]],
                "ts": int(ts[at]),
                "kind": kind["kind"],
                "value": float(value[at]),
            }
            for at in range(len(ts))
        ]
    return rows[:10]
