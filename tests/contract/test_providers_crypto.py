"""Crypto venues through ccxt: the contract of providers against servers in the venues' formats."""

from apps.market.providers.ccxt import CcxtProvider
from tests.contract.provider_suite import VendorContract
from tests.servers.binance_server import BinanceServer
from tests.servers.bybit_server import BybitServer
from tests.servers.hyperliquid_server import HyperliquidServer
from tests.servers.kraken_server import KrakenServer
from tests.servers.kucoin_server import KucoinServer
from tests.servers.mexc_server import MexcServer
from tests.servers.okx_server import OkxServer


class VenueContract(VendorContract):
    """A subclass names the server and the section."""

    server_class: type
    section, symbol, timeframe = "perpetuals", "BTCUSDT", "1h"
    has_key = False

    def make_server(self, twin=""):
        return self.server_class(twin, self.section)

    def connect(self, server, key=None, timeout=20.0):  # noqa: ARG002 there is no key
        return CcxtProvider(self.name, server.url, timeout, self.time.timing)


class TestBinanceSpot(VenueContract):
    name, section, server_class = "binance", "spot", BinanceServer


class TestBinanceUsdm(VenueContract):
    name, server_class = "binanceusdm", BinanceServer


class TestBybitSpot(VenueContract):
    name, section, server_class = "bybit", "spot", BybitServer


class TestBybit(VenueContract):
    name, server_class = "bybit", BybitServer


class TestOkxSpot(VenueContract):
    name, section, server_class = "okx", "spot", OkxServer


class TestOkx(VenueContract):
    name, server_class = "okx", OkxServer


class TestKucoinSpot(VenueContract):
    name, section, server_class = "kucoin", "spot", KucoinServer


class TestKucoin(VenueContract):
    name, server_class = "kucoin", KucoinServer


class TestMexcSpot(VenueContract):
    name, section, server_class = "mexc", "spot", MexcServer


class TestMexc(VenueContract):
    name, server_class = "mexc", MexcServer


class TestKrakenSpot(VenueContract):
    name, section, symbol, server_class = "kraken", "spot", "BTCUSD", KrakenServer
    pages = False  # the newest 720 bars come in one


class TestKraken(VenueContract):
    name, symbol, server_class = "kraken", "BTCUSD", KrakenServer


class TestHyperliquidSpot(VenueContract):
    name, section, symbol, server_class = "hyperliquid", "spot", "BTCUSDC", HyperliquidServer
    pages = False  # the newest 5000 bars come in one


class TestHyperliquid(VenueContract):
    name, symbol, server_class = "hyperliquid", "BTCUSDC", HyperliquidServer
