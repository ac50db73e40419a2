"""What differs between crypto venues: how each pages, counts and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.market.providers.base import Limit

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo")
NO_MONTHS = TIMEFRAMES[:-1]
INTEREST = ("5m", "15m", "30m", "1h", "4h", "1d")
PER_INTERVAL = "fraction of the position per interval; positive: longs pay"


@dataclass(frozen=True, slots=True)
class Candles:
    """How bars are asked for.

    Parameters
    ----------
    page
        Bars per request; one below the venue's own cap where its end bound is inclusive.
    bound
        How the end of a page is told: ``last`` (the end is inclusive), ``before`` (exclusive),
        ``count`` (the venue's end follows from the number) or ``newest`` (it gives its newest bars
        since a time, and none before).
    depth
        Bars the venue keeps at each timeframe; 0 when it keeps all.
    contracts
        Whether volume counts contracts, to be multiplied by their size.
    cost
        What the venue counts a page as.
    """

    page: int
    bound: str
    depth: int = 0
    contracts: bool = False
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Funding:
    """How past funding is asked for.

    Parameters
    ----------
    order
        ``forward`` from a time on, ``backward`` from a time, in ``numbered`` pages, newest first,
        or ``whole``.
    page
        Rows per request; 0 when the venue doesn't say.
    bound
        The name of the parameter that tells the end, and whether the end itself is left out.
    limit
        A limit of its own besides the venue's.
    """

    order: str
    page: int = 0
    bound: str = "until"
    exclusive: bool = False
    cost: int = 1
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """How past open interest is asked for; ``days`` is how long the venue keeps it, 0 for ever."""

    page: int
    days: int = 0
    contracts: bool = False
    cost: int = 1
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One market of a venue: a class of ccxt, and how it is asked.

    ``envelope`` is a name that every answer of the venue has, for venues that answer with objects;
    ``errors`` are codes of the venue that ccxt does not tell apart, by the name of its exception.
    """

    exchange: str
    candles: Candles
    envelope: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    funding: Funding | None = None
    interest: Interest | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue.

    Parameters
    ----------
    began
        A time before its first bar, in milliseconds since 1970.
    cost
        What the venue counts a request for its list of markets as.
    """

    title: str
    began: int
    sides: Mapping[str, Side]
    limits: tuple[Limit, ...]
    history: str
    terms: str
    timeframes: tuple[str, ...] = TIMEFRAMES
    cost: int = 1


def _only(*types: str, **more: Any) -> dict[str, Any]:
    return {"fetchMarkets": {"types": list(types), **more}}


# Limits are the vendors' own or a little below, over half a minute where they count by the minute.
VENUES: dict[str, Venue] = {
    "binance": Venue(
        title="Binance spot",
        began=1_498_867_200_000,
        sides={
            "spot": Side("binance", Candles(1000, "last", cost=2), options=_only("spot")),
        },
        limits=(Limit(3000, 30.0),),
        cost=20,
        history="since listing, 2017 at the earliest",
        terms="https://www.binance.com/en/terms",
    ),
    "binanceusdm": Venue(
        title="Binance USD-M",
        began=1_567_296_000_000,
        sides={
            "perpetuals": Side(
                "binanceusdm",
                Candles(1000, "last", cost=5),
                options=_only("linear"),
                funding=Funding("forward", 1000, limit=Limit(50, 30.0)),
                interest=Interest(500, days=30, limit=Limit(100, 30.0)),
            )
        },
        limits=(Limit(1200, 30.0),),
        history="since listing, 2019 at the earliest; open interest: 30 days",
        terms="https://www.binance.com/en/terms",
    ),
    "bybit": Venue(
        title="Bybit",
        began=1_541_030_400_000,
        sides={
            "spot": Side("bybit", Candles(1000, "last"), "retCode", _only("spot")),
            "perpetuals": Side(
                "bybit",
                Candles(1000, "last"),
                "retCode",
                _only("linear"),
                Funding("backward", 200),
                Interest(200),
            ),
        },
        limits=(Limit(500, 5.0),),
        history="since listing, 2018 at the earliest",
        terms="https://www.bybit.com/en/terms-service/",
    ),
    "okx": Venue(
        title="OKX",
        began=1_483_228_800_000,
        sides={
            "spot": Side("okx", Candles(300, "before"), "code", _only("spot")),
            "perpetuals": Side(
                "okx",
                Candles(300, "before"),
                "code",
                _only("swap"),
                Funding("backward", 100, "after", exclusive=True, limit=Limit(10, 2.0)),
                Interest(99, limit=Limit(10, 2.0)),
            ),
        },
        limits=(Limit(18, 2.0),),
        history="since listing; funding: about three months",
        terms="https://www.okx.com/help/terms-of-service",
    ),
    "kucoin": Venue(
        title="KuCoin",
        began=1_504_224_000_000,
        sides={
            "spot": Side(
                "kucoin",
                Candles(1499, "count", cost=3),
                "code",
                _only("spot", fetchTickersFees=False),
            ),
            "perpetuals": Side(
                "kucoin",
                Candles(199, "count", contracts=True, cost=3),
                "code",
                _only("swap", fetchTickersFees=False),
                Funding("backward", cost=5),
                Interest(199, contracts=True, cost=20),
            ),
        },
        limits=(Limit(2000, 30.0),),
        cost=4,
        history="since listing",
        terms="https://www.kucoin.com/legal/terms-of-use",
        timeframes=NO_MONTHS,
    ),
    "mexc": Venue(
        title="MEXC",
        began=1_514_764_800_000,
        sides={
            "spot": Side("mexc", Candles(499, "last"), errors={"510": "RateLimitExceeded"}),
            "perpetuals": Side(
                "mexc",
                Candles(1999, "last", contracts=True),
                "success",
                funding=Funding("numbered", 100),
                errors={"510": "RateLimitExceeded"},
            ),
        },
        limits=(Limit(18, 2.0),),
        history="since listing",
        terms="https://www.mexc.com/terms",
    ),
    "kraken": Venue(
        title="Kraken",
        began=1_378_857_600_000,
        sides={
            "spot": Side(
                "kraken",
                Candles(720, "newest", depth=720),
                "error",
                errors={"EQuery:Unknown asset pair": "BadSymbol"},
            ),
            "perpetuals": Side("krakenfutures", Candles(1999, "count"), funding=Funding("whole")),
        },
        limits=(Limit(1, 1.0),),
        history="spot: the newest 720 bars of each timeframe; perpetuals: since listing",
        terms="https://www.kraken.com/legal",
        timeframes=NO_MONTHS,
    ),
    "hyperliquid": Venue(
        title="Hyperliquid",
        began=1_667_260_800_000,
        sides={
            "spot": Side(
                "hyperliquid",
                Candles(5000, "last", depth=5000, cost=104),
                options=_only("spot"),
            ),
            "perpetuals": Side(
                "hyperliquid",
                Candles(5000, "last", depth=5000, cost=104),
                options=_only("swap"),
                funding=Funding("forward", 500, cost=45),
            ),
        },
        limits=(Limit(600, 30.0),),
        cost=20,
        history="the newest 5000 bars of each timeframe; funding since listing",
        terms="https://app.hyperliquid.xyz/terms",
    ),
}
