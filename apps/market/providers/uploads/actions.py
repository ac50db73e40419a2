"""Dividends and splits: columns beside bars, a list of their own, or Lean's factor files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.cleaning import Defect
from apps.market.providers.uploads import tables
from apps.market.providers.uploads.bars import DAY, Shaped
from apps.market.providers.uploads.gather import Gathered
from apps.market.providers.uploads.roles import DIVIDENDS, SPLITS

LARGEST_RATIO = 10_000.0


def beside_bars(found: Gathered, shaped: Shaped, file: str, headers: dict[str, str]) -> None:
    """Add the actions that stand in columns beside the bars to what came of them."""
    mode, spool = shaped.facts["price_mode"], found.spool
    if not {"dividend", "split"} & found.fields.keys():
        return
    codes, ts = spool.get("codes"), spool.get("ts")
    dividend, split = _values(found, len(ts))
    if mode == "total_return":
        dividend = np.zeros(len(ts))
    if mode != "raw":
        split = np.ones(len(ts))
    _write(found, shaped, codes, ts, dividend, split, file, headers)
    if mode != "raw":
        found.notes.append(f"Prices are {mode}: actions they contain already are left out.")


def shape_actions(found: Gathered, file: str, headers: dict[str, str]) -> Shaped:
    """Shape a list of actions. Raises ``Invalid`` for values that no action has."""
    shaped = Shaped({})
    codes, ts = found.spool.get("codes"), found.spool.get("ts")
    if "price_factor" in found.fields:
        return _lean(found, codes, ts)
    if "kind" in {*headers} and "value" in found.fields:
        dividend, split = _by_kind(found, file, headers)
    else:
        dividend, split = _values(found, len(ts))
    _write(found, shaped, codes, ts, dividend, split, file, headers)
    return shaped


def _values(found: Gathered, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    fields, spool = found.fields, found.spool
    dividend = spool.get("dividend") if "dividend" in fields else np.zeros(rows)
    split = spool.get("split") if "split" in fields else np.ones(rows)
    split = np.where(np.isnan(split) | (split == 0), 1.0, split)  # Yahoo writes 0 for none
    return np.nan_to_num(dividend), split


def _by_kind(
    found: Gathered, file: str, headers: dict[str, str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    kinds, value = found.spool.get("kinds"), found.spool.get("value")
    words = [word.strip().lower().replace("_", " ") for word in found.kinds.all]
    is_split = np.array([word in SPLITS for word in words])[kinds]
    known = is_split | np.array([word in DIVIDENDS for word in words])[kinds]
    wrong = np.flatnonzero(~known | np.isnan(value))
    if len(wrong):
        row = int(wrong[0])
        what = ascii(found.kinds.all[kinds[row]])
        defect = Defect(row, "kind", what, "dividend or split, with a value")
        raise tables.refusal([defect], file, headers)
    return np.where(is_split, 0.0, value), np.where(is_split, value, 1.0)


def _write(
    found: Gathered,
    shaped: Shaped,
    codes: NDArray[np.int32],
    ts: NDArray[np.int64],
    dividend: NDArray[np.float64],
    split: NDArray[np.float64],
    file: str,
    headers: dict[str, str],
) -> None:
    for name, values, bad in (
        ("dividend", dividend, dividend < 0),
        ("split", split, (split < 1 / LARGEST_RATIO) | (split > LARGEST_RATIO)),
    ):
        wrong = np.flatnonzero(bad)
        if len(wrong):
            row = int(wrong[0])
            expected = "zero or more" if name == "dividend" else "new shares per old share"
            defect = Defect(row, name, str(float(values[row])), expected)
            raise tables.refusal([defect], file, headers)
    rows = np.flatnonzero((dividend > 0) | (split != 1))
    day = ts[rows] // DAY * DAY
    _put(found, shaped, codes[rows], day, dividend[rows], split[rows])


def _lean(found: Gathered, codes: NDArray[np.int32], ts: NDArray[np.int64]) -> Shaped:
    """Read factor files: what holds up to a day differs from the next by what happened then.

    Lean's price factor falls across a dividend by ``(close - dividend) / close`` of the last
    session before it, its split factor by old over new shares.
    """
    spool = found.spool
    order = np.lexsort((ts, codes))
    codes, ts = codes[order], ts[order]
    price, share = spool.get("price_factor")[order], spool.get("split_factor")[order]
    reference = (
        spool.get("reference_price")[order]
        if "reference_price" in found.fields
        else np.full(len(ts), np.nan)
    )
    at = np.flatnonzero(codes[1:] == codes[:-1])
    by_price, by_share = price[at] / price[at + 1], share[at] / share[at + 1]
    if not (np.isfinite(by_price).all() and np.isfinite(by_share).all()):
        message = "The factors of the file are not all above zero. Nothing was stored."
        raise Invalid(message, code="upload.values", details={"column": "price_factor"})
    paid = (1 - by_price) * reference[at]
    dividend = np.where((np.abs(by_price - 1) > 1e-9) & (paid > 0), paid, 0.0)
    split = np.where(np.abs(by_share - 1) > 1e-9, 1 / by_share, 1.0)
    rows = np.flatnonzero((dividend > 0) | (split != 1))
    shaped = Shaped({})
    day = ts[at][rows] // DAY * DAY + DAY  # the factor holds up to and on its day
    _put(found, shaped, codes[at][rows], day, dividend[rows], split[rows], by_price[rows])
    found.notes.append("Lean factor file: factors were read as dividends and splits.")
    return shaped


def _put(
    found: Gathered,
    shaped: Shaped,
    codes: NDArray[np.int32],
    ts: NDArray[np.int64],
    dividend: NDArray[np.float64],
    split: NDArray[np.float64],
    factor: NDArray[np.float64] | None = None,
) -> None:
    spool, names = found.spool, found.names.all
    factor = np.full(len(ts), np.nan) if factor is None else factor
    order = np.lexsort((ts, codes))
    codes, ts = codes[order], ts[order]
    new = np.ones(len(ts), bool)
    new[1:] = (codes[1:] != codes[:-1]) | (ts[1:] != ts[:-1])
    at = np.flatnonzero(new)  # what falls on one day is one row: dividends add up
    columns: dict[str, NDArray[Any]] = {
        "action_codes": codes[at],
        "action_ts": ts[at],
        "action_dividend": np.add.reduceat(dividend[order], at) if len(at) else dividend,
        "action_split": np.multiply.reduceat(split[order], at) if len(at) else split,
        "action_factor": np.multiply.reduceat(factor[order], at) if len(at) else factor,
    }
    codes, ts, dividend, split = (
        columns[f"action_{name}"] for name in ("codes", "ts", "dividend", "split")
    )
    for name, values in columns.items():
        spool.put(name, values)
    shaped.arrays |= {name: str(spool.path(name)) for name in spool.dtypes}
    shaped.facts |= {
        "dividends": int((dividend > 0).sum()),
        "splits": int((split != 1).sum()),
    }
    if "symbols" not in shaped.facts:
        shaped.facts["symbols"] = _counted(codes, ts, names)
        shaped.facts["head"] = _head(columns, names)


def _counted(
    codes: NDArray[np.int32], ts: NDArray[np.int64], names: list[str]
) -> list[dict[str, Any]]:
    found, starts, counts = np.unique(codes, return_index=True, return_counts=True)
    return [
        {
            "symbol": names[code],
            "rows": int(count),
            "first": int(ts[start]),
            "last": int(ts[start + count - 1]),
        }
        for code, start, count in zip(found, starts, counts, strict=True)
    ]


def _head(columns: dict[str, NDArray[Any]], names: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": names[columns["action_codes"][row]],
            "ts": int(columns["action_ts"][row]),
            "dividend": float(columns["action_dividend"][row]),
            "split": float(columns["action_split"][row]),
        }
        for row in range(min(10, len(columns["action_ts"])))
    ]
