"""TAAPI.IO, over a socket against the server of tests/servers."""

from dataclasses import replace

import numpy as np
import pytest

from apps.core.errors import Denied, Unavailable
from apps.market.providers.taapi import FIGURES, TaapiProvider
from tests.contract.provider_suite import VendorContract
from tests.servers.taapi_server import HOUR, LAST, TaapiServer


class TestTaapi(VendorContract):
    name, section, symbol, timeframe = "taapi", "binance", "BTCUSDT", "1h"
    min_bars = 0

    def make_server(self, twin=""):
        return TaapiServer(twin)

    def connect(self, server, key=None, timeout=20.0):
        return TaapiProvider(
            base_url=server.url,
            timeout=timeout,
            key=key or server.key,
            timing=self.time.timing,
            page=server.page,
        )

    def request(self, **changes):
        return super().request(**{"since": (LAST - 200 * HOUR) * 1_000_000, **changes})

    def test_every_figure_has_its_unit(self, provider):
        assert (
            set(provider.capabilities.units) == set(FIGURES) == set(self.fetch(provider).figures)
        )

    @pytest.mark.parametrize("back", [1, 49, 50, 51, 77])
    def test_stretches_of_figures_meet(self, provider, server, back):
        edge = (LAST - back * HOUR) * 1_000_000
        before = self.fetch(provider, until=edge).figures
        after = self.fetch(provider, since=edge).figures
        for name, (ts, values) in self.truth(server).figures.items():
            assert np.array_equal(np.concatenate([before[name][0], after[name][0]]), ts)
            assert np.array_equal(np.concatenate([before[name][1], after[name][1]]), values)

    def test_requests_are_fifteen_seconds_apart_at_least(self, provider, server):
        start = self.time.at
        self.fetch(provider)
        asked = len(server.asked("bulk"))
        assert asked == 4  # three pages, and one that shows that nothing is older
        assert (self.time.at - start).total_seconds() >= 15 * (asked - 1)

    def test_candles_that_are_not_there_yet_are_asked_for_again(self, provider, server):
        server.pending = 2
        self.check_figures(provider, server)
        server.pending = 99
        with pytest.raises(Unavailable) as caught:
            provider.fetch(self.task(provider))
        assert caught.value.code == "provider.pending"

    @pytest.mark.parametrize("most", [50, 300])
    def test_a_plan_that_takes_less_at_once_is_asked_for_less(self, provider, server, most):
        server.page, server.most = 500, most
        provider = replace(provider, page=500)
        self.check_figures(provider, server)
        asked = [
            call.body["constructs"][0]["indicators"][0]["results"] for call in server.asked("bulk")
        ]
        assert (max(asked), min(asked)) == (500, most)

    def test_a_key_put_to_rest_is_told_by_words_with_status_200(self, provider, server):
        server.bulk = lambda _call: {"error": "Your API token is inactive."}
        with pytest.raises(Denied) as caught:
            provider.fetch(self.task(provider))
        assert caught.value.code == "provider.auth"
