"""What every provider of market data keeps to, the bundled ones included."""

import numpy as np
import pytest
from django.conf import settings

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.core.plugs import list_plugs, load_plug
from apps.market.kernel.cleaning import find_defects
from apps.market.providers.base import Request, Task
from tests.factories.market import SAMPLE

FIRST_HOURS_OF_2026 = 1_767_250_800_000_000


class ProviderContract:
    """A short subclass names the provider and a section with one of its symbols."""

    name: str
    section: str
    symbol: str
    timeframe: str
    until: int | None = FIRST_HOURS_OF_2026

    @pytest.fixture
    def provider(self):
        return load_plug("MARKET_PROVIDERS", self.name)

    def request(self, **changes):
        wanted = {"section": self.section, "timeframe": self.timeframe, "until": self.until}
        return Request(**{**wanted, **changes})

    def task(self, provider, **changes):
        (task,) = provider.plan(self.request(symbols=(self.symbol,), **changes))
        return task

    def test_it_is_in_the_table_under_its_own_name(self, provider):
        assert provider.capabilities.name == self.name
        assert self.name in list_plugs("MARKET_PROVIDERS")

    def test_sections_say_source_licence_and_survivorship(self, provider):
        for name in provider.capabilities.sections:
            section = provider.section(name)
            assert section.source
            assert section.licence
            assert section.survivorship
            assert section.calendar in {"XNYS", "24/7"}

    def test_the_plan_has_one_task_per_symbol_with_its_own_key(self, provider):
        tasks = provider.plan(self.request())
        assert len({task.key for task in tasks}) == len(tasks) > 0
        assert {task.symbol for task in tasks} == {
            listing.symbol for listing in provider.listings(self.section)
        }

    def test_bars_are_clean_and_in_order(self, provider):
        bars = provider.fetch(self.task(provider)).bars
        assert len(bars) > 100
        assert find_defects(bars) == []
        assert bars.ts.dtype == np.int64
        assert all(getattr(bars, n).dtype == np.float64 for n in ("open", "close", "volume"))

    def test_since_and_until_bound_the_bars(self, provider):
        whole = provider.fetch(self.task(provider)).bars
        since, until = int(whole.ts[10]), int(whole.ts[20])
        part = provider.fetch(self.task(provider, since=since, until=until)).bars
        assert part.ts[0] == since
        # Only bars that have closed by then.
        assert part.ts[-1] + seconds_of(self.timeframe) * 1_000_000 <= until

    def test_the_same_task_gives_the_same_bars(self, provider):
        task = self.task(provider)
        one, two = provider.fetch(task), provider.fetch(task)
        assert np.array_equal(one.bars.close, two.bars.close)

    def test_an_unknown_symbol_is_named_with_close_ones(self, provider):
        with pytest.raises(NotFound) as caught:
            provider.plan(self.request(symbols=(f"{self.symbol}Z",)))
        assert f"{self.symbol}Z" in caught.value.message
        assert caught.value.code == "symbol.unknown"


class TestSample(ProviderContract):
    name, section, symbol, timeframe = "sample", "sp500", "AAPL", "1d"

    def test_an_unknown_section_is_refused(self, provider):
        with pytest.raises(NotFound, match="it has sp500"):
            provider.section("mars")

    def test_close_symbols_are_suggested(self, provider):
        with pytest.raises(NotFound, match=r"did you mean .*AAPL"):
            provider.plan(self.request(symbols=("AAPLE",)))

    def test_raw_bars_are_not_joined_across_splits(self, provider):
        with pytest.raises(Invalid, match="bars of 1d only"):
            provider.plan(self.request(timeframe="1w"))


class TestSampleCrypto(ProviderContract):
    name, section, symbol, timeframe = "sample", "crypto-bybit", "ETH", "4h"

    def test_funding_comes_on_whole_minutes(self, provider):
        ts, rate = provider.fetch(self.task(provider)).figures["funding"]
        assert len(ts) == 1092
        assert not np.any(ts % 60_000_000)
        assert np.abs(rate).max() < 0.01


class TestReplay(ProviderContract):
    name, section, symbol, timeframe = "replay", "crypto-binance", "BTC", "1h"

    def test_without_a_clock_there_is_nothing(self, provider):
        fetched = provider.fetch(Task(self.section, self.symbol, self.timeframe))
        assert len(fetched.bars) == 0
        assert len(fetched.figures["funding"][0]) == 0

    def test_actions_and_figures_stay_behind_the_clock(self, provider):
        clock = 1_402_000_000_000_000  # 2014-06-05, before the split of AAPL
        fetched = provider.fetch(Task("sp500", "AAPL", "1d", until=clock))
        assert fetched.actions.ts.max() <= clock
        assert 7.0 not in np.round(fetched.actions.split)


class TestUpload(ProviderContract):
    name, section, symbol, timeframe = "upload", "mine", "BTC", "1h"
    until = None

    @pytest.fixture
    def provider(self):
        bars = SAMPLE.fetch(Task("crypto-binance", "BTC", "1h")).bars
        lines = ["symbol,ts,open,high,low,close,volume"]
        for i in range(300):
            when = np.datetime64(int(bars.ts[i]), "us")
            values = (getattr(bars, n)[i] for n in ("open", "high", "low", "close", "volume"))
            lines.append(f"BTC,{when}Z," + ",".join(repr(float(value)) for value in values))
        plug = load_plug("MARKET_PROVIDERS", "upload")
        return plug.open("\n".join(lines).encode(), "btc.csv", {})

    def test_digits_survive_the_file(self, provider):
        bars = SAMPLE.fetch(Task("crypto-binance", "BTC", "1h")).bars.take(slice(0, 300))
        found = provider.fetch(self.task(provider)).bars
        assert np.array_equal(found.close, bars.close)
        assert np.array_equal(found.ts, bars.ts)


def test_every_provider_of_the_table_has_a_contract_test():
    tested = {kind.name for kind in ProviderContract.__subclasses__()}
    assert set(settings.MARKET_PROVIDERS) <= tested
