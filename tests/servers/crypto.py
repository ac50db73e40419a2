"""What local servers of crypto venues share: real bars, cut and resampled as a venue has them.

The bars and the funding are those of the bundled sample, the same for every venue but Bybit, less
an outage of 500 hours, longer than the pages of some venues. Open interest is made up from volume.
Each venue's own file has its formats.
"""

from functools import cache

import numpy as np

from apps.market.kernel.columns import Columns
from apps.market.providers.base import Task
from tests.factories.market import SAMPLE
from tests.servers.vendor import Truth, VendorServer

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_767_614_400_000  # 2026-01-05T12:00Z
COINS = ("BTC", "ETH")
LISTED = 1_569_398_400_000
OUTAGE = (300, 800)  # hours after the first bar
STEPS = {"1h": HOUR, "4h": 4 * HOUR, "1d": DAY, "1w": 7 * DAY}
MONDAY = 4 * DAY  # 1970-01-05
PRICES = ("open", "high", "low", "close")


def number(value):
    """A number as venues write it in a string."""
    return np.format_float_positional(value, trim="-")


@cache
def hours(source, coin, count):
    """The newest bars of the sample up to the one that is not over, less an outage."""
    bars = SAMPLE.fetch(Task(source, coin, "1h")).bars
    bars = bars.take(bars.ts <= NOW * 1000)
    bars = bars.take(slice(len(bars) - count, None))
    row = np.arange(len(bars))
    return bars.take((row < OUTAGE[0]) | (row >= OUTAGE[1]))


@cache
def settlements(source, coin, since, *, hourly):
    """Settlements in milliseconds and their rates; hourly ones are an eighth of the next."""
    ts, rate = SAMPLE.fetch(Task(source, coin, "1h")).figures["funding"]
    ts = ts // 1000
    if hourly:
        offsets = np.arange(-7, 1) * HOUR
        ts = (ts[:, None] + offsets).ravel()
        rate = np.repeat(np.round(rate / 8, 10), 8)
    keep = (ts >= since) & (ts <= NOW)
    return ts[keep], rate[keep]


def joined(bars, timeframe):
    """Bars of hours joined to longer ones, as venues do: the first and the last may be partial."""
    ts = bars.ts // 1000
    if timeframe == "1mo":
        starts = ts.astype("M8[ms]").astype("M8[M]").astype("M8[ms]").astype(np.int64)
    else:
        offset = MONDAY if timeframe == "1w" else 0
        starts = (ts - offset) // STEPS[timeframe] * STEPS[timeframe] + offset
    first = np.flatnonzero(np.append(True, np.diff(starts) > 0))
    last = np.append(first[1:], len(ts)) - 1
    return Columns(
        starts[first] * 1000,
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.round(np.add.reduceat(bars.volume, first), 6),
    )


class VenueServer(VendorServer):
    """A venue: ``truth`` is for one of its sections.

    Subclasses name ``quote``, how many ``contracts`` make a coin, and what they keep.
    """

    source = "crypto-binance"
    quote = "USDT"
    count = 2400
    page = 1000
    sizes = {"BTC": 1.0, "ETH": 1.0}  # noqa: RUF012 coins per contract
    hourly = False
    funding_days = 0
    interest_days = 0
    has_funding = True
    has_interest = False
    jitter = 3

    def __init__(self, twin="", section="perpetuals"):
        super().__init__(twin)
        self.section = section
        self.now = NOW * 1000
        for coin in COINS:
            for timeframe in (*STEPS, "1mo"):
                self.truth[f"{coin}{self.quote}", timeframe] = self.true(coin, timeframe)

    def allowed(self, call):  # noqa: ARG002 public data
        return True

    # What it has.

    def bars(self, coin, timeframe):
        """All bars of a coin, the one that is not over included, volume in coins."""
        if timeframe not in STEPS and timeframe != "1mo":
            return hours(self.source, coin, self.count).take(slice(0, 0))
        found = joined(hours(self.source, coin, self.count), timeframe)
        size = self.sizes[coin] if self.section == "perpetuals" else 1.0
        contracts = np.round(found.volume / size) if size != 1.0 else found.volume
        return Columns(found.ts, *(getattr(found, n) for n in PRICES), contracts * size)

    def funding(self, coin):
        """Settlements in milliseconds as booked, and rates."""
        since = int(self.bars(coin, "1h").ts[0]) // 1000
        if self.funding_days:
            since = max(since, NOW - self.funding_days * DAY)
        return settlements(self.source, coin, since, hourly=self.hourly)

    def interest(self, coin, step=HOUR):
        """Open interest in coins every step."""
        bars = self.bars(coin, "1h")
        ts = bars.ts // 1000
        value = np.round(20_000 + 0.3 * bars.volume, 3)
        keep = (ts % step == 0) & (ts <= NOW)
        if self.interest_days:
            keep &= ts > NOW - self.interest_days * DAY
        return ts[keep], value[keep]

    def true(self, coin, timeframe):
        """What a right provider makes of it."""
        bars = self.bars(coin, timeframe)
        step = STEPS.get(timeframe, 31 * DAY)
        bars = bars.take(bars.ts // 1000 + step <= NOW)
        figures = {}
        if self.section == "perpetuals" and self.has_funding:
            ts, rate = self.funding(coin)
            figures["funding"] = (ts * 1000, rate)
        if self.section == "perpetuals" and self.has_interest:
            period = {"4h": 4 * HOUR, "1h": HOUR}.get(timeframe, DAY)
            ts, value = self.interest(coin, period)
            figures["open_interest"] = (ts * 1000, value)
        return Truth(bars, figures=figures)

    # What it tells, rightly or wrongly.

    def told_bars(self, coin, timeframe):
        """Times in milliseconds and bars as this server has them."""
        step = STEPS.get(timeframe, 31 * DAY) * 1000
        bars = self.bars(coin, timeframe)
        wrong = self.wrong_bars(bars, step)
        if self.twin == "sign" and self.section == "perpetuals":
            return bars.ts // 1000, bars
        return wrong.ts // 1000, wrong

    def told_funding(self, coin):
        """Booked times and rates as this server has them."""
        ts, rate = self.wrong_part("funding", *self.funding(coin), HOUR)
        return ts + np.arange(len(ts)) % self.jitter, -rate if self.twin == "sign" else rate

    def told_interest(self, coin, step):
        """Times and open interest in coins as this server has them."""
        return self.wrong_part("open_interest", *self.interest(coin, step), step)

    def pick(self, ts, low, high, limit, *, newest=False, after=False, before=False):
        """Rows from ``low`` to ``high``, both inclusive unless ``after`` or ``before``."""
        if self.twin == "paging":
            low += 1
        keep = (ts > low if after else ts >= low) & (ts < high if before else ts <= high)
        rows = np.flatnonzero(keep)
        if not limit:
            return rows
        return rows[-limit:] if newest else rows[:limit]


def bound(query, name, default):
    """A time of the query as a whole number."""
    return int(query.get(name) or default)
