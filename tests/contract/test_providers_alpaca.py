"""Alpaca through alpaca-py, over sockets against the server of tests/servers."""

import logging
import threading

import pytest

from apps.core.errors import Denied, Invalid, Unavailable
from apps.market.providers.alpaca import AlpacaProvider
from tests.contract.provider_suite import VendorContract
from tests.servers.alpaca_server import KEY, AlpacaServer, minute_bar, streaming

MINUTE = 60_000_000
START = 1_709_820_000_000_000


class Alpaca(VendorContract):
    name, section, symbol, unknown = "alpaca", "us-equities", "AAPL", "NOBODY"
    intraday = False

    def make_server(self, twin=""):
        return AlpacaServer(twin, intraday=self.intraday)

    def connect(self, server, key=None, timeout=20.0):
        return AlpacaProvider(
            base_url=server.url,
            trading_url=server.url,
            timeout=timeout,
            key=key or server.key,
            timing=self.time.timing,
        )


class TestAlpacaDaily(Alpaca):
    timeframe = "1d"

    def test_a_subscription_that_lacks_data_is_not_a_wrong_key(self, provider, server):
        task = self.task(provider)
        server.refusal = lambda _status: {
            "message": "subscription does not permit querying recent SIP data"
        }
        server.fault = "403"
        with pytest.raises(Invalid) as caught:
            provider.fetch(task)
        assert caught.value.code == "provider.plan"


class TestAlpacaIntraday(Alpaca):
    timeframe, intraday = "15m", True

    def request(self, **changes):
        return super().request(**{"since": START, **changes})


class Listener:
    """Keeps what a stream told, and stops it when enough was heard."""

    def __init__(self, enough):
        self.bars, self.enough = [], enough
        self.corrections, self.links = 0, []
        self.gave_up = threading.Event()

    def heard(self, symbol, bar, is_correction):
        self.corrections += is_correction
        self.bars.append((symbol, int(bar.ts[0]), float(bar.close[0]), float(bar.volume[0])))

    def stopped(self):
        return len(self.bars) >= self.enough or self.gave_up.is_set()


def listen(address, enough, key=None):
    provider = AlpacaProvider(stream_url=address, key=key or KEY)
    listener = Listener(enough)
    timer = threading.Timer(60, listener.gave_up.set)
    timer.start()
    try:
        provider.stream(["AAPL"], listener.heard, listener.stopped, listener.links.append)
    finally:
        timer.cancel()
    return listener


def test_the_stream_tells_bars_by_the_time_they_opened():
    minutes = [minute_bar("AAPL", START + i * MINUTE, 170.0 + i) for i in range(3)]
    with streaming(minutes) as address:
        heard = listen(address, enough=3)
    assert (heard.links, heard.corrections) == ([True], 0)
    assert heard.bars == [("AAPL", START + i * MINUTE, 170.0 + i, 1200.0) for i in range(3)]


def test_a_bar_that_is_corrected_is_told_again():
    minutes = [minute_bar("AAPL", START, 170.0), minute_bar("AAPL", START, 170.25, kind="u")]
    with streaming(minutes) as address:
        heard = listen(address, enough=2)
    assert [bar[2] for bar in heard.bars] == [170.0, 170.25]
    assert heard.corrections == 1


def test_a_stream_that_is_cut_goes_on():
    minutes = [minute_bar("AAPL", START + i * MINUTE, 170.0 + i) for i in range(3)]
    with streaming(minutes, cuts={1}) as address:
        heard = listen(address, enough=3)
    assert [bar[2] for bar in heard.bars] == [170.0, 171.0, 172.0]
    assert heard.links == [True, False, True]


def test_a_stream_with_a_wrong_key_ends_and_tells_no_key(caplog):
    caplog.set_level(logging.INFO)
    wrong = {"api_key": "PKWRONG-0123456789", "secret_key": "wrong-secret-0123456789"}
    with streaming([]) as address, pytest.raises(Denied) as caught:
        listen(address, enough=1, key=wrong)
    assert caught.value.code == "provider.auth"
    told = caught.value.message + caplog.text
    assert not [value for value in wrong.values() if value in told]


@pytest.mark.parametrize(
    ("said", "code", "error"),
    [
        ("connection limit exceeded", 406, Unavailable),
        ("symbol limit exceeded", 405, Invalid),
        ("insufficient subscription", 409, Invalid),
        ("auth timeout", 404, Unavailable),
        ("internal error", 500, Unavailable),
        ("auth failed", 402, Denied),
    ],
)
@pytest.mark.parametrize("when", ["sign-in", "subscription"])
def test_what_the_stream_refuses_is_typed(said, code, error, when):
    with streaming([], refusal=(when, code, said)) as address, pytest.raises(error) as caught:
        listen(address, enough=1)
    assert said in caught.value.message
