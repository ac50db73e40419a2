"""What every provider of market data keeps to, the bundled ones included."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from apps.core.errors import Invalid, NotFound
from apps.core.plugs import load_plug
from apps.market.providers.base import Task
from tests.contract.provider_suite import ProviderContract
from tests.factories.market import SAMPLE


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
    for path in Path(__file__).parent.glob("test_providers*.py"):
        importlib.import_module(f"tests.contract.{path.stem}")
    tested = {name for kind in leaves(ProviderContract) if (name := getattr(kind, "name", ""))}
    assert set(settings.MARKET_PROVIDERS) <= tested


def leaves(kind):
    """Return all classes below a class."""
    below = kind.__subclasses__()
    return [*below, *(leaf for child in below for leaf in leaves(child))]
