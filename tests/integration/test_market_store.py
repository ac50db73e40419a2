"""Bars in and out of the real database: equal to the bit, nothing foreign, nothing twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg.errors
import pytest
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction

from apps.core import tenancy
from apps.core.errors import Denied, Invalid, NotFound
from apps.market import selectors, store
from apps.market.kernel.columns import empty_columns
from apps.market.kernel.periods import EARLIEST, LATEST, micros
from apps.market.models import Action, Batch, Dataset, Instrument, Series
from apps.market.providers.base import Task
from tests.conftest import NOW
from tests.factories.market import SAMPLE, columns, sample_table

pytestmark = pytest.mark.store
DAY = timedelta(days=1)
ORDER = ("ts", "open", "high", "low", "close", "volume")


@pytest.fixture
def place(team, now):
    dataset = Dataset.objects.create(
        team=team, name="mine", title="Mine", source="t", created_at=now
    )
    batch = Batch.objects.create(
        dataset=dataset, provider="t", source="t", sha256="", created_at=now, created_by="t"
    )
    instrument = Instrument.objects.create(dataset=dataset, symbol="AAPL")
    series = Series.objects.create(instrument=instrument, timeframe="1d")
    return dataset, batch, series


def write(place, bars, team_id=None, at=NOW):
    dataset, batch, series = place
    return store.write_bars(
        team_id=dataset.team_id if team_id is None else team_id,
        dataset_id=dataset.pk,
        batch_id=batch.pk,
        blocks=[(series.pk, bars)],
        now=at,
    )


def another_batch(place, at):
    batch = Batch.objects.create(
        dataset=place[0], provider="t", source="t", sha256="", created_at=at, created_by="t"
    )
    return place[0], batch, place[2]


def read(place, as_of=None):
    found = store.read_bars([place[2].pk], EARLIEST, LATEST, as_of=as_of)
    return found.get(place[2].pk, empty_columns())


def history(place):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT close, batch_id, superseded_by, superseded_at FROM market_bar_history"
            " WHERE series_id = %s ORDER BY ts, superseded_at",
            [place[2].pk],
        )
        return cursor.fetchall()


def test_bars_come_back_equal_to_the_bit(place):
    bars = SAMPLE.fetch(Task("sp500", "AAPL", "1d")).bars
    written = write(place, bars)
    assert (written.received, written.added, written.changed) == (3600, 3600, 0)
    back = read(place)
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(back, name), getattr(bars, name)), name
    series = Series.objects.get(pk=place[2].pk)
    assert (series.rows, series.first_at) == (3600, datetime(2007, 1, 3, tzinfo=UTC))


def plain_bars(series_ids):
    """Rows as the database shows them, without packing."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT series_id, (extract(epoch FROM ts) * 1000000)::int8, open, high, low, close,"
            " volume FROM market_bar WHERE series_id = ANY(%s) ORDER BY series_id, ts",
            [series_ids],
        )
        for series_id, *row in cursor.fetchall():
            found.setdefault(series_id, []).append(row)
    return found


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("count", [1, 15, 16, 37])
def test_many_series_are_read_in_parts_as_one_by_one(place, count, workers):
    """Also with workers of the server, which see what this transaction has not committed yet."""
    dataset, batch, series = place
    ids, rng = [series.pk], np.random.default_rng(count)
    for number in range(1, count + 1):  # the first one stays empty
        instrument = Instrument.objects.create(dataset=dataset, symbol=f"S{number}")
        ids.append(Series.objects.create(instrument=instrument, timeframe="1d").pk)
        bars = columns(50 * np.exp(np.cumsum(rng.normal(0, 0.01, 40 + number))))
        bars = replace(bars, volume=rng.uniform(0, 1e9, len(bars)))
        store.write_bars(
            team_id=dataset.team_id,
            dataset_id=dataset.pk,
            batch_id=batch.pk,
            blocks=[(ids[-1], bars.take(rng.random(len(bars)) < 0.8))],
            now=NOW,
        )
    before = {key: plain_bars([key])[key] for key in ids[1:]}
    again = another_batch((dataset, batch, ids[-1]), NOW + DAY)
    changed = replace(bars, close=(bars.low + bars.high) / 2)
    blocks = [(ids[-1], changed.take(slice(0, 30)))]
    store.write_bars(
        team_id=dataset.team_id,
        dataset_id=dataset.pk,
        batch_id=again[1].pk,
        blocks=blocks,
        now=NOW + DAY,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0")
        cursor.execute(f"SET LOCAL max_parallel_workers_per_gather = {workers}")
    for as_of, expected in ((None, plain_bars(ids)), (NOW + DAY / 2, before)):
        found = store.read_bars(ids[::-1], EARLIEST, LATEST, as_of=as_of)
        assert set(found) == set(ids[1:])
        for key, bars in found.items():
            rows = [list(row) for row in zip(*(getattr(bars, n) for n in ORDER), strict=True)]
            assert rows == expected[key]
    inner = store.read_bars(ids, int(bars.ts[3]), int(bars.ts[9]))
    assert all((b.ts >= bars.ts[3]).all() and (b.ts <= bars.ts[9]).all() for b in inner.values())


def test_the_same_bars_again_add_nothing_and_changed_ones_are_told(place):
    bars = columns(np.linspace(10, 20, 50))
    write(place, bars.take(slice(0, 30)))
    assert write(place, bars) == store.Written(50, 20, 0)
    assert write(place, bars) == store.Written(50, 0, 0)
    close = bars.close.copy()
    close[7] = (bars.high[7] + bars.low[7]) / 2
    first, last = int(bars.ts[7]), int(bars.ts[7])
    told = ((place[2].pk, 1, first, last),)
    assert write(place, replace(bars, close=close)) == store.Written(50, 0, 1, told)
    assert read(place).close[7] == close[7]
    assert history(place) == [], "a batch that corrects itself leaves no trace"


def test_a_superseded_bar_moves_to_the_history(place):
    bars = columns(np.linspace(10, 20, 5))
    write(place, bars)
    before = Series.objects.get(pk=place[2].pk)
    later = another_batch(place, NOW + DAY)
    close = bars.close.copy()
    close[[1, 3]] = bars.low[[1, 3]]
    written = write(later, replace(bars, close=close), at=NOW + DAY)
    told = (place[2].pk, 2, int(bars.ts[1]), int(bars.ts[3]))
    assert (written.added, written.changed, written.revisions) == (0, 2, (told,))
    assert history(place) == [
        (bars.close[row], place[1].pk, later[1].pk, NOW + DAY) for row in (1, 3)
    ]
    after = Series.objects.get(pk=place[2].pk)
    assert (after.rows, after.first_at, after.last_at) == (5, before.first_at, before.last_at)
    assert after.stamp != before.stamp
    assert write(later, replace(bars, close=close), at=NOW + 2 * DAY).changed == 0
    assert Series.objects.get(pk=place[2].pk).stamp == after.stamp, "nothing changed, same stamp"


def test_bars_around_and_inside_of_stored_ones_are_added(place):
    bars = columns(np.linspace(10, 20, 40))
    inner = np.zeros(40, bool)
    inner[10:20] = True
    inner[14] = False
    assert write(place, bars.take(inner)).added == 9
    assert write(place, bars) == store.Written(40, 31, 0)
    assert np.array_equal(read(place).close, bars.close)
    assert Series.objects.get(pk=place[2].pk).rows == 40


def test_few_bars_into_a_long_series_are_compared_in_the_database(place, monkeypatch):
    monkeypatch.setattr(store.bars, "COMPARED_ALWAYS", 0)
    bars = columns(np.linspace(10, 20, 50))
    write(place, bars.take(slice(0, 49)))
    ends = np.array([0, 7, 49])
    close = bars.close.copy()
    close[7] = bars.low[7]
    later = another_batch(place, NOW + DAY)
    written = write(later, replace(bars, close=close).take(ends), at=NOW + DAY)
    assert (written.added, written.changed) == (1, 1)
    assert [row[0] for row in history(place)] == [bars.close[7]]
    assert Series.objects.get(pk=place[2].pk).rows == 50


def test_three_versions_of_a_bar_are_each_read_as_of_their_time(place):
    bars = columns([10.0, 11.0, 12.0])
    write(place, bars)
    closes = [float(bars.close[1])]
    for version in (1, 2):
        close = bars.close.copy()
        close[1] = bars.high[1] - (bars.high[1] - bars.low[1]) * version / 2
        at = NOW + version * 2 * DAY
        write(another_batch(place, at), replace(bars, close=close), at=at)
        closes.append(float(close[1]))
    assert len(set(closes)) == 3
    before = read(place, as_of=NOW - DAY)
    assert len(before) == 0, "nothing was known before the first batch"
    for day, expected in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (9, 2)):
        known = read(place, as_of=NOW + day * DAY)
        assert known.close.tolist() == [bars.close[0], closes[expected], bars.close[2]], day
    assert read(place).close[1] == closes[2]


def test_withdrawn_bars_are_gone_and_still_known_as_of_before(place):
    bars = columns([10.0, 11.0, 12.0])
    write(place, bars)
    stamp = Series.objects.get(pk=place[2].pk).stamp
    repair = another_batch(place, NOW + DAY)
    asked = {"dataset_id": place[0].pk, "series_id": place[2].pk, "batch_id": repair[1].pk}
    gone = store.withdraw_bars(team_id=place[0].team_id, ts=bars.ts[2:], now=NOW + DAY, **asked)
    assert gone == 1
    assert read(place).close.tolist() == bars.close[:2].tolist()
    series = Series.objects.get(pk=place[2].pk)
    assert (series.rows, micros(series.last_at)) == (2, int(bars.ts[1]))
    assert series.stamp != stamp
    assert len(read(place, as_of=NOW)) == 3
    assert len(read(place, as_of=NOW + DAY)) == 2
    again = another_batch(place, NOW + 3 * DAY)
    assert write(again, bars, at=NOW + 3 * DAY).added == 1
    assert [len(read(place, as_of=NOW + day * DAY)) for day in (0, 2, 3)] == [3, 2, 3]


def test_a_foreign_dataset_is_neither_read_nor_written(place, other_team):
    bars = columns([10.0, 11.0])
    write(place, bars)
    mine = {"dataset_id": place[0].pk, "batch_id": place[1].pk, "now": NOW}
    series_id, instrument_id = place[2].pk, place[2].instrument_id
    figures = [store.Figures(instrument_id, bars.ts, bars.close)]
    with tenancy.team(other_team.pk):
        for team_id in (other_team.pk, place[0].team_id):
            with pytest.raises(Denied):
                store.write_bars(team_id=team_id, blocks=[(series_id, bars)], **mine)
            with pytest.raises(Denied):
                store.withdraw_bars(team_id=team_id, series_id=series_id, ts=bars.ts, **mine)
        with pytest.raises(Denied):
            store.read_bars([series_id], EARLIEST, LATEST)
        with pytest.raises(Denied):
            store.read_bars([series_id], EARLIEST, LATEST, as_of=NOW)
        with pytest.raises(Denied):
            store.read_metric([instrument_id], "funding", EARLIEST, LATEST)
        with pytest.raises(Denied):
            store.write_metric("funding", figures, place[1].pk, NOW)
    assert len(read(place)) == 2
    with tenancy.team(place[0].team_id):
        assert len(store.read_bars([series_id], EARLIEST, LATEST)[series_id]) == 2
        store.write_metric("funding", figures, place[1].pk, NOW)
        assert len(store.read_metric([instrument_id], "funding", EARLIEST, LATEST)) == 1


def test_a_shared_series_is_read_but_not_written_by_a_team(sample, db, team):
    series = Series.objects.filter(instrument__dataset__team=None).first()
    batch = Batch.objects.filter(dataset=series.instrument.dataset).first()
    figures = [store.Figures(series.instrument_id, np.array([0]), np.array([1.0]))]
    with tenancy.team(team.pk):
        assert len(store.read_bars([series.pk], EARLIEST, LATEST)[series.pk]) == series.rows
        with pytest.raises(Denied):
            store.write_metric("funding", figures, batch.pk, NOW)


def test_figures_and_actions_change_the_stamp_of_their_series(place):
    def stamp():
        return Series.objects.get(pk=place[2].pk).stamp

    seen = {stamp()}
    figures = [store.Figures(place[2].instrument_id, np.array([0]), np.array([1.0]))]
    store.write_metric("funding", figures, place[1].pk, NOW)
    seen.add(stamp())
    store.write_metric("funding", figures, place[1].pk, NOW)
    assert len(seen | {stamp()}) == 2, "the same figures again change nothing"
    facts = {"instrument": place[2].instrument, "kind": "split", "on": "2020-01-02"}
    action = Action.objects.create(value=2, factor=0.5, **facts)
    seen.add(stamp())
    Action.objects.filter(pk=action.pk).update(value=2)
    assert len(seen | {stamp()}) == 3, "the same action again changes nothing"
    Action.objects.filter(pk=action.pk).update(value=4, factor=0.25)
    seen.add(stamp())
    action.delete()
    assert len(seen | {stamp()}) == 5


def test_writes_into_one_dataset_wait_for_each_other(live_db, team, now):
    """Two runs over the same range: the second finds the bars of the first and adds none."""
    bars = columns(np.linspace(10, 20, 500))
    dataset = Dataset.objects.create(team=team, name="two", title="", source="t", created_at=now)
    batch = Batch.objects.create(
        dataset=dataset, provider="t", source="t", sha256="", created_at=now, created_by="t"
    )
    instrument = Instrument.objects.create(dataset=dataset, symbol="AAPL")
    place = dataset, batch, Series.objects.create(instrument=instrument, timeframe="1d")
    together = threading.Barrier(2, timeout=30)

    def once():
        try:
            with transaction.atomic():
                together.wait()
                return write(place, bars)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        done = [future.result(60) for future in [pool.submit(once), pool.submit(once)]]
    assert sorted(written.added for written in done) == [0, 500]
    assert {written.changed for written in done} == {0}
    assert Series.objects.get(pk=place[2].pk).rows == 500


def test_extreme_figures_survive(place):
    bars = columns([1e-12, 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
    write(place, bars)
    assert np.array_equal(read(place).close, bars.close)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_the_database_itself_refuses_bad_prices(place, name, value):
    bars = columns([10.0, 10.0])
    column = getattr(bars, name).copy()
    column[1] = value
    with pytest.raises((IntegrityError, psycopg.errors.CheckViolation)), transaction.atomic():
        write(place, replace(bars, **{name: column}))


def test_a_foreign_or_shared_dataset_is_not_written_to(place, other_team):
    with pytest.raises(Denied, match="can't be written"):
        write(place, columns([1.0]), team_id=other_team.pk)
    Dataset.objects.filter(pk=place[0].pk).update(team=None, name="shared-now")
    with pytest.raises(Denied, match="can't be written"):
        write(place, columns([1.0]))


def test_a_series_of_another_dataset_is_refused(place, team, now):
    other = Dataset.objects.create(team=team, name="two", title="", source="t", created_at=now)
    with pytest.raises(Denied, match="not of dataset"):
        write((other, place[1], place[2]), columns([1.0]))


def test_the_sample_is_loaded_as_the_files_have_it(sample, db):
    panel = selectors.read_panel(team_id=None, universe="sp500-sample", price_mode="raw")
    table = sample_table("sp500_daily")
    wide = table.pivot_table(index="ts", columns="symbol", values="close", dropna=False)
    assert panel.symbols == tuple(wide.columns)
    assert panel.close.shape == (3600, 140)
    assert np.array_equal(panel.close, wide.to_numpy(), equal_nan=True)
    assert np.isnan(panel.close).any()
    assert "missing" in panel.survivorship


def test_a_second_load_does_nothing(sample, db, now):
    from apps.core.actors import system
    from apps.market import services

    rows = services.load_sample(actor=system("tests"), now=now)["rows"]
    assert set(rows.values()) == {0}


def test_total_return_panel_equals_the_source(sample, db):
    panel = selectors.read_panel(
        team_id=None, instruments=["AAPL", "MSFT"], dataset="sp500", start="2014-01-01"
    )
    table = sample_table("sp500_daily")
    for column, symbol in enumerate(panel.symbols):
        rows = table[(table["symbol"] == symbol) & (table["ts"] >= "2014-01-01")]
        expected = (rows["close"] * rows["adj_factor"]).to_numpy()
        assert panel.close[:, column] == pytest.approx(expected, rel=1e-6)


def test_every_price_mode_of_every_symbol_equals_the_source(sample, db):
    """Raw as it was traded; total return to the source's own adjusted close, over 19 years."""
    table = sample_table("sp500_daily")
    table["adjusted"] = table["close"] * table["adj_factor"]
    wide = {
        name: table.pivot_table(index="ts", columns="symbol", values=name, dropna=False).to_numpy()
        for name in ("close", "adjusted")
    }
    panels = {
        mode: selectors.read_panel(team_id=None, universe="sp500-sample", price_mode=mode)
        for mode in ("raw", "split", "total_return")
    }
    assert np.array_equal(panels["raw"].close, wide["close"], equal_nan=True)
    off = np.abs(panels["total_return"].close / wide["adjusted"] - 1)
    assert np.nanmedian(off) < 1e-6
    assert np.array_equal(np.isnan(panels["total_return"].close), np.isnan(wide["close"]))
    # Splits alone keep what was traded: price times volume is the same in raw and split.
    turnover = [panels[mode].close * panels[mode].volume for mode in ("raw", "split")]
    assert np.allclose(*turnover, rtol=1e-9, equal_nan=True)
    assert (panels["total_return"].close <= panels["split"].close * (1 + 1e-9))[
        np.isfinite(wide["close"])
    ].all()
    assert len({panel.digest for panel in panels.values()}) == 3
    with pytest.raises(Invalid, match="not a price mode"):
        selectors.read_panel(team_id=None, universe="sp500-sample", price_mode="raw,split")


def test_price_modes_across_the_split_of_aapl(sample, db):
    around = {"start": "2020-08-28", "end": "2020-08-31", "instruments": ["sp500:AAPL"]}
    raw = selectors.read_panel(team_id=None, price_mode="raw", **around)
    split = selectors.read_panel(team_id=None, price_mode="split", **around)
    assert raw.close[:, 0].tolist() == [499.23, 129.04]
    assert split.close[:, 0] == pytest.approx([499.23 / 4, 129.04])
    assert split.volume[0, 0] == pytest.approx(raw.volume[0, 0] * 4)
    assert raw.digest != split.digest


def test_perpetuals_come_with_funding_and_four_hour_bars(sample, db):
    panel = selectors.read_panel(
        team_id=None, universe="crypto-perps", timeframe="4h", inputs=("close", "funding")
    )
    assert panel.continuous
    funding = panel.extras["funding"]
    assert funding.shape == panel.close.shape
    table = sample_table("crypto_perp_funding")
    btc = table[(table["venue"] == "binance") & (table["symbol"] == "BTC")]
    inside = btc[btc["ts"] < "2026-03-05 08:00"]
    assert np.nansum(funding[:, panel.symbols.index("BTC")]) == pytest.approx(
        inside["funding_rate"].sum(), rel=1e-9
    )
    first = panel.ts[np.flatnonzero(np.isfinite(funding[:, 0]))[0]]
    assert first == micros(datetime(2025, 3, 8, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"instruments": ["AAPLE"]}, NotFound, "did you mean AAPL"),
        ({"instruments": ["sp500:SPY"]}, NotFound, "no instrument 'SPY' in sp500"),
        ({"universe": "sp"}, NotFound, "crypto-perps"),
        ({"instruments": []}, Invalid, "give a universe"),
        ({"instruments": ["AAPL", "AAPL"]}, Invalid, "more than once"),
        (
            {"instruments": ["AAPL"], "start": "2020-02-01", "end": "2020-01-01"},
            Invalid,
            "reversed",
        ),
        ({"instruments": ["AAPL"], "start": ""}, Invalid, "write a date"),
        ({"instruments": ["AAPL"], "start": "2031-01-01"}, Invalid, "stored are 2007-01-03"),
        ({"instruments": ["AAPL"], "timeframe": "1h"}, Invalid, "it has 1d"),
        ({"instruments": ["AAPL"], "timeframe": "7m"}, Invalid, "choose one of"),
        ({"instruments": ["BTC"], "timeframe": "1h", "inputs": ["mood"]}, Invalid, "funding"),
        ({"instruments": ["AAPL"], "price_mode": "nice"}, Invalid, "total_return"),
    ],
)
def test_bad_questions_say_what_to_do(sample, db, asked, error, words):
    with pytest.raises(error, match=words):
        selectors.read_panel(team_id=None, **asked)


def test_the_data_of_another_team_is_not_read(place, other_team):
    write(place, columns([10.0, 11.0]))
    found = selectors.read_panel(team_id=place[0].team_id, instruments=["mine:AAPL"])
    assert found.n_bars == 2
    with pytest.raises(NotFound):
        selectors.read_panel(team_id=other_team.pk, instruments=["mine:AAPL"])


def test_the_app_role_may_not_change_the_table(db):
    statement = "ALTER TABLE market_bar DROP CONSTRAINT bar_high_is_highest"
    with (
        pytest.raises(ProgrammingError, match="must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
