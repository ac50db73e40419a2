"""Longer bars made by the server are those of the kernel, to the bit."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.db import connection

from apps.core import tenancy
from apps.core.errors import Denied, Invalid
from apps.market import selectors, store
from apps.market.kernel.periods import EARLIEST, LATEST
from apps.market.kernel.resample import LADDER, resample
from apps.market.models import Instrument, Rollup, Series
from tests.conftest import NOW
from tests.integration.test_minute_store import FIRST, MINUTE, make_batch, make_place, write
from tests.integration.test_minute_store import minutes as walk

pytestmark = pytest.mark.store
NAMES = ("ts", "open", "high", "low", "close", "volume")
REAL = Path(__file__).parents[1] / "data" / "market" / "lean_equity_minutes.parquet"
DAY = timedelta(days=1)


@pytest.fixture
def place(team, now):
    return make_place(team, now)


def real_bars():
    """Minutes of three shares with the holes of nights and thin hours; volumes in round lots."""
    table = pd.read_parquet(REAL)
    for symbol, rows in table.groupby("symbol"):
        ts = rows["ts"].astype("datetime64[us, UTC]").astype(np.int64).to_numpy()
        prices = [rows[name].to_numpy(np.float64) for name in NAMES[1:5]]
        # A hundredth is no binary fraction: the order of a sum shows in its last bits.
        yield symbol, store.bars.Columns(ts, *prices, rows["volume"].to_numpy() / 100)


def same(found, expected):
    for name in NAMES:
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def longer(bars, timeframe):
    return resample(bars, timeframe, source="1m", complete=True)


@pytest.mark.parametrize("timeframe", LADDER)
def test_real_minutes_become_the_same_bars_by_sql_and_by_the_kernel(place, timeframe):
    bars, ids = dict(real_bars()), {}
    for symbol in bars:
        instrument = Instrument.objects.create(dataset=place[0], symbol=symbol)
        ids[symbol] = Series.objects.create(instrument=instrument, timeframe="1m").pk
    write(place, *((ids[symbol], bars[symbol]) for symbol in bars))
    found = store.read_longer_bars(list(ids.values()), timeframe, EARLIEST, LATEST)
    assert sum(map(len, bars.values())) == 6075
    for symbol, series_id in ids.items():
        same(found[series_id], longer(bars[symbol], timeframe))


@pytest.mark.parametrize("timeframe", LADDER)
def test_a_year_of_gaps_and_an_open_end(place, timeframe):
    series = place[2]
    bars = walk(4000, seed=5, start=FIRST + 7 * MINUTE)
    rng = np.random.default_rng(8)
    bars = bars.take(np.sort(rng.choice(4000, 3100, replace=False)))
    write(place, (series.pk, bars))
    same(
        store.read_longer_bars([series.pk], timeframe, EARLIEST, LATEST)[series.pk],
        longer(bars, timeframe),
    )
    for low, high in ((11, 2900), (500, 501), (0, 3099)):
        cut = bars.take(slice(low, high + 1))
        found = store.read_longer_bars(
            [series.pk], timeframe, int(bars.ts[low]), int(bars.ts[high])
        )
        expected = longer(cut, timeframe)
        assert (series.pk in found) == (len(expected) > 0)
        if len(expected):
            same(found[series.pk], expected)


def test_revised_and_withdrawn_minutes_show_at_once(place):
    dataset, _, series = place
    bars = walk(600)
    write(place, (series.pk, bars))
    high = bars.high.copy()
    high[200] *= 2
    later = make_batch(dataset, NOW + DAY)
    revised = replace(bars, high=high)
    write(place, (series.pk, revised), at=NOW + DAY, batch=later)
    store.withdraw_bars(
        team_id=dataset.team_id,
        dataset_id=dataset.pk,
        series_id=series.pk,
        ts=bars.ts[300:305],
        batch_id=later.pk,
        now=NOW + DAY,
    )
    left = revised.take(np.r_[0:300, 305:600])
    found = store.read_longer_bars([series.pk], "1h", EARLIEST, LATEST)[series.pk]
    same(found, longer(left, "1h"))
    assert found.high[3] == bars.high[200] * 2


def test_what_was_not_committed_before_an_aggregate_is_never_read_from_it(place):
    """An aggregate that is said to hold everything, but a series that changed since."""
    series = place[2]
    bars = walk(600)
    write(place, (series.pk, bars))
    Rollup.objects.create(timeframe="1h", holds_before=NOW + 900 * DAY, finished_at=NOW)
    found = store.read_longer_bars([series.pk], "1h", EARLIEST, LATEST)[series.pk]
    same(found, longer(bars, "1h"))


def test_a_foreign_series_or_one_of_days_is_refused(place, other_team):
    series = place[2]
    write(place, (series.pk, walk(100)))
    with tenancy.team(other_team.pk), pytest.raises(Denied):
        store.read_longer_bars([series.pk], "5m", EARLIEST, LATEST)
    day = Series.objects.create(instrument=series.instrument, timeframe="1d")
    with pytest.raises(Invalid, match="not of minutes"):
        store.read_longer_bars([series.pk, day.pk], "5m", EARLIEST, LATEST)
    with pytest.raises(Invalid, match="5m, 15m, 1h, 4h, 1d"):
        store.read_longer_bars([series.pk], "30m", EARLIEST, LATEST)
    assert store.read_longer_bars([], "5m", EARLIEST, LATEST) == {}


def test_charts_and_rows_ask_the_server_and_research_gets_the_same(place, team, monkeypatch):
    series = place[2]
    write(place, (series.pk, walk(3000)))
    asked = {"team_id": team.pk, "timeframe": "1h"}
    research = selectors.read_panel(instruments=["BTC"], price_mode="raw", **asked)
    with monkeypatch.context() as patch:
        patch.setattr(store, "read_bars", None)
        shown = selectors.bars_of(symbol="BTC", **asked)
    assert shown.n_bars == 50
    assert shown.digest == research.digest


def test_the_server_uses_what_it_has(place, servers):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        there = cursor.fetchone() is not None
    edition = store.find_edition()
    assert edition.has_hypertables == there
    assert ("time_bucket" in store.longer._made(edition, "1h")) == there
