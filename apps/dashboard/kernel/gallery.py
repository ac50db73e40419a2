"""What the gallery shows: every part in every state, with made-up contents that say so."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 1, 30, 12, tzinfo=UTC)
CURVE = [100 + 8 * math.sin(i / 9) + i * 0.11 for i in range(120)]
BEFORE = "fast = 10\nslow = 30\nshort = False\n"
AFTER = "fast = 12\nslow = 30\nshort = False\nstop = 0.02\n"


def contents() -> dict[str, Any]:
    """Return the context of the gallery page."""
    return {
        "curve": CURVE[-40:],
        "falling": [130 - value for value in CURVE[-40:]],
        "digest": "sha256:9f2c4e1a7b3d5f60817263544536271809fedcba98765432100123456789abcd",
        "statuses": ["done", "running", "open", "failed", "queued"],
        "jobs": _jobs(),
        "columns": _columns(),
        "rows": _rows(),
        "timeline": _timeline(),
        "gaps": _gaps(),
        "months": _months(),
        "before": BEFORE,
        "after": AFTER,
        "choices": [("legacy_trend", "Legacy trend"), ("sma_crossover", "SMA crossover")],
        "figure": _figure(),
        "nothing": {
            "data": [],
            "layout": {"meta": {"empty": "No trades yet: the figure fills as they come."}},
        },
        "noon": NOON,
    }


def _jobs() -> list[dict[str, Any]]:
    states = (
        ("running", 0.42, "bar 4 200 of 10 000"),
        ("queued", 0.0, "waiting for a worker"),
        ("done", 1.0, ""),
        ("failed", 0.7, "the worker was killed; start it again"),
    )
    return [
        {"id": "", "title": f"Example job, {name}", "status": name, "progress": at, "note": note}
        for name, at, note in states
    ]


def _columns() -> list[dict[str, Any]]:
    return [
        {"name": "name", "label": "Run", "sort": True},
        {"name": "state", "label": "State"},
        {"name": "sharpe", "label": "Sharpe", "num": True, "sort": True},
        {"name": "return", "label": "Total return, %", "num": True, "sort": True},
    ]


def _rows() -> list[dict[str, Any]]:
    made_up = (("Example A", 1.42, 31.2), ("Example B", -0.31, -8.4), ("Example C", 0.88, 12.0))
    return [
        {
            "id": str(number),
            "href": "#table",
            "cells": [name, "done", _signed(sharpe), _signed(total)],
        }
        for number, (name, sharpe, total) in enumerate(made_up, 1)
    ]


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


def _timeline() -> list[dict[str, Any]]:
    steps = (
        ("ok", "Approved for paper", "validator@example: evidence read, gates passed"),
        ("person", "Proposed for paper", "researcher@example"),
        ("busy", "Backtest finished", "3 840 bars in 0.4 s"),
        ("idle", "Version made", ""),
    )
    return [
        {"at": NOON - timedelta(hours=3 * n), "title": title, "text": text, "tone": tone}
        for n, (tone, title, text) in enumerate(steps)
    ]


def _gaps() -> list[dict[str, Any]]:
    def span(start: float, end: float, kind: str) -> dict[str, Any]:
        return {"start": start, "end": end, "kind": kind, "label": kind}

    return [
        {"label": "AAPL", "note": "100.0 %", "spans": [span(0, 1, "have")]},
        {
            "label": "TRMB",
            "note": "96.4 %",
            "spans": [span(0, 0.4, "have"), span(0.4, 0.436, "gap"), span(0.436, 1, "have")],
        },
        {
            "label": "GNRC",
            "note": "71.0 %",
            "spans": [span(0.28, 0.8, "have"), span(0.8, 0.82, "suspect"), span(0.82, 1, "have")],
        },
    ]


def _months() -> list[dict[str, Any]]:
    years = []
    for year in (2019, 2020, 2021):
        months: list[float | None] = [
            round(0.06 * math.sin(year * 1.7 + month * 1.3), 4) for month in range(12)
        ]
        if year == 2019:
            months[:3] = [None, None, None]
        total = math.prod(1 + (m or 0.0) for m in months) - 1
        years.append({"year": year, "months": months, "total": total})
    return years


def _figure() -> dict[str, Any]:
    start = NOON - timedelta(days=len(CURVE))
    days = [(start + timedelta(days=i)).date().isoformat() for i in range(len(CURVE))]
    return {
        "data": [
            {"type": "scatter", "name": "Example strategy", "x": days, "y": CURVE},
            {
                "type": "scatter",
                "name": "Benchmark",
                "x": days,
                "y": [100 + i * 0.08 for i in range(len(CURVE))],
                "line": {"color": "$muted", "dash": "dot"},
            },
        ],
        "layout": {
            "title": {
                "text": "The example ends above its benchmark",
                "subtitle": {"text": "Made-up figures · fills at next open · in sample"},
            },
            "yaxis": {"title": {"text": "Equity, USD"}},
        },
    }
