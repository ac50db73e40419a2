"""How often each test speaks at 5 %. Written by ``manage.py risk_power --write``; do not edit."""

from __future__ import annotations

DAYS: tuple[int, ...] = (250,)
DRAWS = 0
# (case, days, level): share of the samples by test.
TABLE: dict[tuple[str, int, str], dict[str, float]] = {}
