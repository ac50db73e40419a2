"""Firi, over a socket against the server of tests/servers."""

from dataclasses import replace

import numpy as np

from apps.market.providers.firi import FiriProvider
from tests.contract.provider_suite import VendorContract
from tests.servers.firi_server import FIRST, HOUR, FiriServer


class TestFiri(VendorContract):
    name, section, symbol, timeframe = "firi", "spot-nok", "BTCNOK", "1h"
    has_key = False

    def make_server(self, twin=""):
        return FiriServer(twin)

    def connect(self, server, key=None, timeout=20.0):
        del key
        return FiriProvider(
            base_url=server.url, timeout=timeout, timing=self.time.timing, counts=(100, 400, 3000)
        )

    def test_prices_are_kroner_and_only_those_markets_are_listed(self, provider):
        listed = provider.listings("spot-nok")
        assert [(item.symbol, item.currency) for item in listed] == [
            ("BTCNOK", "NOK"),
            ("ETHNOK", "NOK"),
        ]

    def test_an_hour_without_trades_has_no_bar(self, provider):
        assert FIRST + 8 * HOUR not in self.fetch(provider).bars.ts

    def test_the_bar_in_which_known_trades_begin_is_left_out(self, provider, server):
        short = replace(provider, counts=(62,))
        found, truth = self.fetch(short).bars, self.truth(server).bars
        # 62 trades are the hour that is not over, eleven whole ones, and a part.
        assert np.array_equal(found.ts, truth.ts[-11:])
        assert np.array_equal(found.volume, truth.volume[-11:])

    def test_no_more_trades_are_asked_for_than_needed(self, provider, server):
        self.fetch(provider, since=int(self.truth(server).bars.ts[-5]))
        assert [call.query["count"] for call in server.asked("history")] == ["100"]
