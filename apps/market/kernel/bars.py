"""The panel: bars of several instruments on one time axis."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.hashing import digest_arrays

Floats = NDArray[np.float64]
PRICE_MODES = ("raw", "split", "total_return")
FIELDS = ("open", "high", "low", "close", "volume")
US_SESSIONS_PER_YEAR = 252.0
DAYS_PER_YEAR = 365.0
SECONDS_PER_DAY = 86400.0
US_SESSION_SECONDS = 23400.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of ``n_assets`` instruments at ``n_bars`` times.

    Parameters
    ----------
    symbols
        Instrument symbols, in column order.
    ts
        ``(n_bars,)`` int64, the open of each bar in microseconds since 1970 UTC, ascending.
    open, high, low, close, volume
        ``(n_bars, n_assets)`` float64; NaN where an instrument has no bar at that time.
    timeframe
        A name of ``apps.core.kernel.timeframes``.
    price_mode
        ``raw``, ``split`` (adjusted for splits) or ``total_return`` (splits and dividends).
    continuous
        True when the venue trades around the clock, every day.
    survivorship
        A sentence on who is missing, printed on every result that used the panel.
    extras
        Further ``(n_bars, n_assets)`` inputs by name, such as ``funding``.
    series_ids
        Where the bars are stored, in column order; none when they come from elsewhere.
    known_digest
        The digest, when it is known already.
    kinds
        What each instrument is, in column order: ``equity``, ``perpetual`` …; none when unknown.
    currency
        What ``extras["fx"]`` counts in, or what all prices are in; empty when unknown.
    also_read
        Series that were read beside the bars: the currency pairs of ``fx``.
    """

    symbols: tuple[str, ...]
    ts: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    timeframe: str
    price_mode: str = "raw"
    continuous: bool = False
    survivorship: str = ""
    extras: dict[str, Floats] = field(default_factory=dict)
    series_ids: tuple[int, ...] = ()
    known_digest: str = ""
    kinds: tuple[str, ...] = ()
    currency: str = ""
    also_read: tuple[int, ...] = ()

    @property
    def n_bars(self) -> int:
        """How many times there are."""
        return len(self.ts)

    @property
    def n_assets(self) -> int:
        """How many instruments there are."""
        return len(self.symbols)

    @property
    def digest(self) -> str:
        """The sha-256 of everything a result can depend on."""
        if self.known_digest:
            return self.known_digest
        arrays = {name: getattr(self, name) for name in FIELDS}
        names = np.array([*self.symbols, self.timeframe, self.price_mode], dtype=np.str_)
        extras = {f"extra_{name}": array for name, array in self.extras.items()}
        return digest_arrays(names=names, ts=self.ts, **arrays, **extras)

    def rows(self, start: int, stop: int) -> Panel:
        """Return the bars ``start:stop`` as a view, sharing memory."""
        cut = slice(start, stop)
        return Panel(
            symbols=self.symbols,
            ts=self.ts[cut],
            open=self.open[cut],
            high=self.high[cut],
            low=self.low[cut],
            close=self.close[cut],
            volume=self.volume[cut],
            timeframe=self.timeframe,
            price_mode=self.price_mode,
            continuous=self.continuous,
            survivorship=self.survivorship,
            extras={name: array[cut] for name, array in self.extras.items()},
            series_ids=self.series_ids,
            kinds=self.kinds,
            currency=self.currency,
            also_read=self.also_read,
        )


def periods_per_year(timeframe: str, *, continuous: bool) -> float:
    """Return how many bars of ``timeframe`` a year has: 252 sessions, or 365 whole days.

    Notes
    -----
    Weekly is 52 and monthly 12 for both. Intraday bars of exchanges count 6.5 hours a session.
    """
    from apps.core.kernel.timeframes import seconds_of

    if timeframe == "1w":
        return 52.0
    if timeframe == "1mo":
        return 12.0
    seconds = seconds_of(timeframe)
    if continuous:
        return DAYS_PER_YEAR * SECONDS_PER_DAY / seconds
    if timeframe == "1d":
        return US_SESSIONS_PER_YEAR
    return US_SESSIONS_PER_YEAR * US_SESSION_SECONDS / seconds
