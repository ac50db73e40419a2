"""Crypto venues through ccxt: the contract of providers against servers in the venues' formats."""

from typing import ClassVar

import numpy as np
import pytest

from apps.core.errors import Denied, Invalid, LabError, NotFound, Unavailable
from apps.core.kernel.timeframes import seconds_of
from apps.market.providers.ccxt import CcxtProvider
from apps.market.providers.coinalyze import CoinalyzeProvider
from tests.contract.provider_suite import FIELDS, VendorContract
from tests.servers.binance_server import BinanceServer
from tests.servers.bybit_server import BybitServer
from tests.servers.coinalyze_server import CoinalyzeServer
from tests.servers.crypto import DAY, HOUR, NOW
from tests.servers.hyperliquid_server import HyperliquidServer
from tests.servers.kraken_server import KrakenServer
from tests.servers.kucoin_server import KucoinServer
from tests.servers.mexc_server import MexcServer
from tests.servers.okx_server import OkxServer


class VenueContract(VendorContract):
    """A subclass names the server and the section.

    ``words`` are refusals as the venue words them: status, body, and what becomes of it.
    """

    server_class: type
    section, symbol, timeframe = "perpetuals", "BTCUSDT", "1h"
    has_key = False
    words: ClassVar[list] = []

    def make_server(self, twin=""):
        return self.server_class(twin, self.section)

    def connect(self, server, key=None, timeout=20.0):  # noqa: ARG002 there is no key
        return CcxtProvider(self.name, server.url, timeout, self.time.timing)

    def test_longer_bars_are_the_venues_own(self, provider, server):
        for timeframe in {"4h", "1d", "1w", "1mo"} & {*provider.capabilities.timeframes}:
            truth = server.truth[self.symbol, timeframe]
            found = self.fetch(provider, timeframe=timeframe)
            assert len(found.bars) > 1
            assert np.array_equal(found.bars.ts, truth.bars.ts)
            for name in FIELDS:
                assert np.array_equal(getattr(found.bars, name), getattr(truth.bars, name))
            for kind, (ts, values) in truth.figures.items():
                assert np.array_equal(found.figures[kind][0], ts)
                assert np.array_equal(found.figures[kind][1], values)

    def test_every_length_of_bars_is_one_the_venue_knows(self, provider):
        for timeframe in provider.capabilities.timeframes:
            since = (NOW - HOUR) * 1000 - seconds_of(timeframe) * 2_000_000
            self.fetch(provider, timeframe=timeframe, since=since)

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_any_stretch_is_what_the_venue_has_of_it(self, provider, server, seed):
        rng = np.random.default_rng(seed)
        truth = self.truth(server)
        first = int(truth.bars.ts[0]) - 400 * HOUR * 1000
        since, until = sorted(int(moment) for moment in rng.integers(first, server.now, 2))
        found = self.fetch(provider, since=since, until=until)
        bars = truth.bars
        inside = (bars.ts >= since) & (bars.ts + HOUR * 1000 <= until)
        assert np.array_equal(found.bars.ts, bars.ts[inside])
        assert np.array_equal(found.bars.close, bars.close[inside])
        for kind, (ts, values) in truth.figures.items():
            inside = (ts >= since) & (ts <= until)
            assert np.array_equal(found.figures[kind][0], ts[inside]), kind
            assert np.array_equal(found.figures[kind][1], values[inside]), kind

    def test_funding_is_per_interval_and_by_the_minute(self, provider, server):
        found = self.fetch(provider).figures.get("funding")
        if not server.has_funding or self.section == "spot":
            assert found is None
            return
        ts, rate = found
        assert len(ts) > 100
        assert not np.any(ts % 60_000_000)
        assert np.abs(rate).max() < 0.01  # a year of it would be far more

    def test_the_venues_own_words_are_understood(self, provider, server):
        task = self.task(provider)
        for status, body, kind, code in self.words:
            for route in server.data_routes:
                setattr(server, route, lambda _, answer=(status, body): answer)
            with pytest.raises(LabError) as caught:
                provider.fetch(task)
            assert type(caught.value) is kind, (body, caught.value)
            assert caught.value.code == code, (body, caught.value)
            self.time.sleep(60)

    def test_another_gate_keeps_the_connection(self, provider, server):
        task = self.task(provider)
        asked = len(server.requests)
        found = provider.with_timing(self.time.timing).fetch(task)
        assert len(found.bars) > 100
        again = server.requests[asked:]
        assert {call.route for call in again} <= {*server.data_routes}


class BinanceWords:
    """https://developers.binance.com/docs/binance-spot-api-docs/errors"""

    words: ClassVar[list] = [
        (400, {"code": -1121, "msg": "Invalid symbol."}, NotFound, "symbol.unknown"),
        (400, {"code": -1100, "msg": "Illegal characters."}, Invalid, "provider.refused"),
        (418, {"code": -1003, "msg": "Way too many requests."}, Unavailable, "provider.limited"),
        (503, {"code": -1008, "msg": "Server is overloaded."}, Unavailable, "provider.down"),
        (401, {"code": -2014, "msg": "API-key format invalid."}, Denied, "provider.auth"),
        (
            451,
            {"code": 0, "msg": "Service unavailable from a restricted location."},
            Denied,
            "provider.region",
        ),
    ]


class TestBinanceSpot(BinanceWords, VenueContract):
    name, section, server_class = "binance", "spot", BinanceServer


class TestBinanceUsdm(BinanceWords, VenueContract):
    name, server_class = "binanceusdm", BinanceServer

    def test_open_interest_older_than_the_venue_keeps_is_not_asked_for(self, provider, server):
        since = (NOW - 60 * DAY) * 1000
        ts, _ = self.fetch(provider, since=since).figures["open_interest"]
        assert ts[0] > (NOW - 30 * DAY) * 1000
        assert len(server.asked("interest_history")) == 2


class BybitWords:
    """https://bybit-exchange.github.io/docs/v5/error"""

    words: ClassVar[list] = [
        (200, {"retCode": 10006, "retMsg": "Too many visits."}, Unavailable, "provider.limited"),
        (200, {"retCode": 10001, "retMsg": "Bad parameter."}, Invalid, "provider.refused"),
        (200, {"retCode": 33004, "retMsg": "apikey expired"}, Denied, "provider.auth"),
    ]


class TestBybitSpot(BybitWords, VenueContract):
    name, section, server_class = "bybit", "spot", BybitServer


class TestBybit(BybitWords, VenueContract):
    name, server_class = "bybit", BybitServer


class OkxWords:
    """https://www.okx.com/docs-v5/en/#error-code-rest-api"""

    words: ClassVar[list] = [
        (200, {"code": "51001", "msg": "No instrument", "data": []}, NotFound, "symbol.unknown"),
        (429, {"code": "50011", "msg": "Too Many", "data": []}, Unavailable, "provider.limited"),
        (503, {"code": "50001", "msg": "Unavailable", "data": []}, Unavailable, "provider.down"),
        (401, {"code": "50113", "msg": "Invalid sign", "data": []}, Denied, "provider.auth"),
        (200, {"code": "51000", "msg": "Parameter bar", "data": []}, Invalid, "provider.refused"),
    ]


class TestOkxSpot(OkxWords, VenueContract):
    name, section, server_class = "okx", "spot", OkxServer


class TestOkx(OkxWords, VenueContract):
    name, server_class = "okx", OkxServer


class KucoinWords:
    """https://www.kucoin.com/docs-new/errors"""

    words: ClassVar[list] = [
        (429, {"code": "429000", "msg": "Too Many Requests"}, Unavailable, "provider.limited"),
        (400, {"code": "400100", "msg": "Parameter error"}, Invalid, "provider.refused"),
        (401, {"code": "400003", "msg": "KC-API-KEY not exists"}, Denied, "provider.auth"),
    ]


class TestKucoinSpot(KucoinWords, VenueContract):
    name, section, server_class = "kucoin", "spot", KucoinServer


class TestKucoin(KucoinWords, VenueContract):
    name, server_class = "kucoin", KucoinServer

    def test_volume_counts_coins_where_the_venue_counts_contracts(self, provider):
        volume = self.fetch(provider).bars.volume
        contracts = volume / KucoinServer.sizes["BTC"]
        assert np.allclose(contracts, np.round(contracts))


class MexcWords:
    """https://www.mexc.com/api-docs/spot-v3/general-info#error-code"""

    words: ClassVar[list] = [
        (400, {"code": -1121, "msg": "Invalid symbol."}, NotFound, "symbol.unknown"),
        (429, {"code": 429, "msg": "Too Many Requests"}, Unavailable, "provider.limited"),
        (200, {"success": False, "code": 510, "message": "x"}, Unavailable, "provider.limited"),
    ]


class TestMexcSpot(MexcWords, VenueContract):
    name, section, server_class = "mexc", "spot", MexcServer


class TestMexc(MexcWords, VenueContract):
    name, server_class = "mexc", MexcServer


class TestKrakenSpot(VenueContract):
    """https://docs.kraken.com/api/docs/guides/spot-errors"""

    name, section, symbol, server_class = "kraken", "spot", "BTCUSD", KrakenServer
    pages = False  # the newest 720 bars come in one
    words: ClassVar[list] = [
        (200, {"error": ["EQuery:Unknown asset pair"]}, NotFound, "symbol.unknown"),
        (200, {"error": ["EGeneral:Too many requests"]}, Unavailable, "provider.limited"),
        (200, {"error": ["EService:Unavailable"]}, Unavailable, "provider.down"),
        (200, {"error": ["EAPI:Invalid key"]}, Denied, "provider.auth"),
        (200, {"error": ["EGeneral:Invalid arguments"]}, Invalid, "provider.refused"),
    ]

    def test_no_more_than_the_newest_720_can_be_had(self, provider, server):
        old = self.fetch(provider, until=(NOW - 40 * DAY) * 1000)
        assert len(old.bars) == 0
        assert len(server.bars("BTC", "1h")) > 1000


class TestKraken(VenueContract):
    """https://docs.kraken.com/api/docs/guides/futures-rest"""

    name, symbol, server_class = "kraken", "BTCUSD", KrakenServer
    words: ClassVar[list] = [
        (429, {"result": "error", "error": "apiLimitExceeded"}, Unavailable, "provider.limited"),
        (400, {"result": "error", "error": "invalidArgument"}, Invalid, "provider.refused"),
    ]


class HyperliquidWords:
    """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api"""

    words: ClassVar[list] = [
        (429, None, Unavailable, "provider.limited"),
        (422, "Failed to deserialize the JSON body", Invalid, "provider.refused"),
    ]


class TestHyperliquidSpot(HyperliquidWords, VenueContract):
    name, section, symbol, server_class = "hyperliquid", "spot", "BTCUSDC", HyperliquidServer
    pages = False  # the newest 5000 bars come in one


class TestHyperliquid(HyperliquidWords, VenueContract):
    name, symbol, server_class = "hyperliquid", "BTCUSDC", HyperliquidServer


class TestCoinalyze(VendorContract):
    name, section, timeframe = "coinalyze", "perpetuals", "1h"
    symbol = "BTCUSDT_PERP.A"

    def make_server(self, twin=""):
        return CoinalyzeServer(twin)

    def connect(self, server, key=None, timeout=20.0):
        key = server.key if key is None else key
        return CoinalyzeProvider(server.url, timeout, key, self.time.timing)

    def test_the_key_travels_in_a_header_and_in_no_address(self, provider, server):
        self.fetch(provider)
        key = server.key["api_key"]
        assert all(call.headers["api_key"] == key for call in server.requests)
        assert not [call for call in server.requests if key in str(call.query) + call.path]

    def test_days_and_four_hours_are_the_vendors_own(self, provider, server):
        for timeframe in ("4h", "1d"):
            truth = server.truth[self.symbol, timeframe]
            found = self.fetch(provider, timeframe=timeframe)
            assert np.array_equal(found.bars.ts, truth.bars.ts)
            assert np.array_equal(found.bars.volume, truth.bars.volume)
            for kind, (ts, values) in truth.figures.items():
                assert np.array_equal(found.figures[kind][0], ts)
                assert np.array_equal(found.figures[kind][1], values)

    def test_every_length_of_bars_is_one_the_vendor_knows(self, provider):
        for timeframe in provider.capabilities.timeframes:
            self.fetch(provider, timeframe=timeframe, since=(NOW - DAY) * 1000)

    def test_what_is_not_counted_in_coins_is_not_offered(self, provider):
        offered = {listing.symbol for listing in provider.listings(self.section)}
        assert offered == {"BTCUSDT_PERP.A", "ETHUSDT_PERP.A"}

    def test_rates_in_force_are_not_settlements(self, provider):
        found = self.fetch(provider).figures
        assert "funding" not in found  # what is summed over bars
        assert np.abs(found["funding_rate"][1]).max() < 0.01
