"""Bar lengths by name: ``1m`` to ``1mo``."""

from __future__ import annotations

from apps.core.errors import Invalid

SECONDS: dict[str, int] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "4h": 14400,
    "1d": 86400,
    "1w": 604800,
    "1mo": 2629746,
}


def seconds_of(timeframe: str) -> int:
    """Return the nominal length of ``timeframe`` in seconds. Raises ``Invalid`` when unknown."""
    if timeframe not in SECONDS:
        message = f"{timeframe!r} is not a timeframe; choose one of {', '.join(SECONDS)}."
        raise Invalid(message, code="timeframe.unknown", details={"field": "timeframe"})
    return SECONDS[timeframe]
