"""Crypto venues through ccxt: the contract of providers against servers in the venues' formats."""

from apps.market.providers.ccxt import CcxtProvider
from tests.contract.provider_suite import VendorContract
from tests.servers.binance_server import BinanceServer
from tests.servers.bybit_server import BybitServer
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
