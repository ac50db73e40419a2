"""Financial Modeling Prep, over a socket against the server of tests/servers."""

import numpy as np
import pytest

from apps.core.errors import NotFound
from apps.market.providers.base import Member, Request
from apps.market.providers.fmp import FmpProvider
from tests.contract.provider_suite import VendorContract
from tests.servers.fmp_server import SPLIT_AT, FmpServer

# A week before the first bar, so that they come on two pages of two weeks.
MONDAY = 1_708_905_600_000_000


class Fmp(VendorContract):
    name, symbol, unknown = "fmp", "AAPL", "NOBODY"
    intraday = False

    def make_server(self, twin=""):
        return FmpServer(twin, intraday=self.intraday)

    def connect(self, server, key=None, timeout=20.0):
        return FmpProvider(
            base_url=server.url,
            timeout=timeout,
            key=key or server.key,
            timing=self.time.timing,
        )


class TestFmpDaily(Fmp):
    section, timeframe = "us-daily", "1d"

    def test_todays_members_are_a_section(self, provider, server):
        listed = provider.listings("sp500")
        assert [(item.symbol, item.name) for item in listed] == [
            ("AAPL", "Apple Inc."),
            ("MSFT", "Microsoft Corporation"),
        ]
        tasks = provider.plan(Request("sp500", until=server.now))
        assert [task.symbol for task in tasks] == ["AAPL", "MSFT"]
        assert np.array_equal(
            provider.fetch(tasks[1]).bars.close, server.truth["MSFT", "1d"].bars.close
        )

    def test_members_of_an_index_come_with_their_days(self, provider):
        assert provider.memberships("sp500") == [
            Member("AAPL", "1982-11-30", None),
            Member("GONE", None, "2015-03-23"),
            Member("MSFT", "2020-06-22", None),
            Member("OLDCO", None, "2010-01-04"),
            Member("OLDCO", "2015-03-23", "2020-06-22"),
        ]

    def test_an_unknown_index_is_refused(self, provider):
        with pytest.raises(NotFound, match="sp500"):
            provider.memberships("dax")

    def test_the_split_adjusted_section_has_no_splits_of_its_own(self, provider, server):
        request = Request("us-daily-split", ("AAPL",), "1d", until=server.now)
        found = provider.fetch(provider.plan(request)[0])
        truth = server.adjusted("AAPL").take(slice(0, -1))
        assert np.array_equal(found.bars.close, truth.close)
        assert np.array_equal(found.bars.volume, truth.volume)
        assert set(found.actions.split) == {1.0}
        assert list(found.actions.dividend) == [0.06, 0.24]

    def test_raw_prices_jump_where_the_split_is(self, provider):
        found = self.fetch(provider)
        assert found.bars.ts[SPLIT_AT] in found.actions.ts[found.actions.split == 4.0]


class TestFmpIntraday(Fmp):
    section, timeframe, intraday = "us-intraday", "15m", True

    def request(self, **changes):
        return super().request(**{"since": MONDAY, **changes})
