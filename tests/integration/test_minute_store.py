"""Bars of a minute: in a table of their own, written and read as all the others."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from apps.core import tenancy
from apps.core.errors import Denied
from apps.market import store
from apps.market.kernel.columns import Columns, empty_columns
from apps.market.kernel.periods import EARLIEST, LATEST
from apps.market.models import Batch, Dataset, Instrument, Series
from tests.conftest import NOW

pytestmark = pytest.mark.store
MINUTE = 60_000_000
FIRST = 1_735_689_600_000_000  # 2025-01-01
DAY = timedelta(days=1)


@pytest.fixture
def place(team, now):
    return make_place(team, now)


def make_place(team, now, name="ticks"):
    dataset = Dataset.objects.create(
        team=team, name=name, title="Ticks", source="t", calendar="24/7", created_at=now
    )
    batch = make_batch(dataset, now)
    instrument = Instrument.objects.create(dataset=dataset, symbol="BTC", kind="perp")
    return dataset, batch, Series.objects.create(instrument=instrument, timeframe="1m")


def make_batch(dataset, at):
    return Batch.objects.create(
        dataset=dataset, provider="t", source="t", sha256="", created_at=at, created_by="t"
    )


def minutes(count, seed=1, start=FIRST):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    open_ = np.concatenate([close[:1], close[:-1]])
    return Columns(
        start + MINUTE * np.arange(count, dtype=np.int64),
        open_,
        np.maximum(open_, close) * 1.0003,
        np.minimum(open_, close) / 1.0003,
        close,
        rng.uniform(0, 10, count),
    )


def write(place, *blocks, at=NOW, batch=None):
    dataset, first, _ = place
    return store.write_bars(
        team_id=dataset.team_id,
        dataset_id=dataset.pk,
        batch_id=(batch or first).pk,
        blocks=blocks,
        now=at,
    )


def rows_in(table, series_id):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE series_id = %s", [series_id])
        return cursor.fetchone()[0]


def test_minutes_and_days_lie_in_their_own_tables_and_are_read_together(place):
    minute = place[2]
    day = Series.objects.create(instrument=minute.instrument, timeframe="1d")
    bars, days = minutes(300), minutes(40, seed=2)
    written = write(place, (minute.pk, bars), (day.pk, days))
    assert (written.added, written.changed) == (340, 0)
    counts = [rows_in(t, s.pk) for t in store.tables.TABLES for s in (day, minute)]
    assert counts == [40, 0, 0, 300]
    back = store.read_bars([day.pk, minute.pk], EARLIEST, LATEST)
    for series, expected in ((minute, bars), (day, days)):
        for name in ("ts", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(back[series.pk], name), getattr(expected, name)), name
    assert store.rows_by_batch([day.pk, minute.pk]) == {place[1].pk: 340}
    assert write(place, (minute.pk, bars), (day.pk, days)) == store.Written(340, 0, 0)


def test_a_revised_and_a_withdrawn_minute_stay_known_as_of_before(place):
    dataset, _, series = place
    bars = minutes(50)
    write(place, (series.pk, bars))
    later = make_batch(dataset, NOW + DAY)
    close = bars.close.copy()
    close[7] = bars.low[7]
    written = write(place, (series.pk, replace(bars, close=close)), at=NOW + DAY, batch=later)
    assert (written.added, written.changed) == (0, 1)
    (change,) = store.changes_of(later.pk, [series.pk])
    assert (change.before[3], change.after[3]) == (bars.close[7], bars.low[7])
    gone = store.withdraw_bars(
        team_id=dataset.team_id,
        dataset_id=dataset.pk,
        series_id=series.pk,
        ts=bars.ts[:3],
        batch_id=make_batch(dataset, NOW + 2 * DAY).pk,
        now=NOW + 2 * DAY,
    )
    assert gone == 3
    series.refresh_from_db()
    assert series.rows == 47
    known = [
        store.read_bars([series.pk], EARLIEST, LATEST, NOW + day * DAY)[series.pk]
        for day in range(3)
    ]
    assert [len(item) for item in known] == [50, 50, 47]
    assert [item.close[7] for item in known[:2]] == [bars.close[7], bars.low[7]]
    assert len(store.stretches_of(series.pk)) == 3


def test_the_next_minute_is_found_and_opens_are_counted_once(place):
    series = place[2]
    bars = minutes(10)
    write(place, (series.pk, bars.take(slice(2, 6))))
    first, total = store.count_opens([series.pk], None)
    assert total == 4
    assert store.next_open([series.pk], first, None) == first
    assert store.next_open([series.pk], first, first) == first + timedelta(minutes=1)
    assert store.next_open([series.pk], first, first + timedelta(minutes=3)) is None
    assert store.count_opens([], None) == (None, 0)
    assert store.read_bars([], EARLIEST, LATEST).get(series.pk, empty_columns()).ts.size == 0


def test_minutes_of_another_team_are_neither_read_nor_written(place, other_team):
    series = place[2]
    write(place, (series.pk, minutes(5)))
    with tenancy.team(other_team.pk):
        for ask in (
            lambda: store.read_bars([series.pk], EARLIEST, LATEST),
            lambda: store.rows_by_batch([series.pk]),
            lambda: store.count_opens([series.pk], None),
            lambda: write(place, (series.pk, minutes(5))),
        ):
            with pytest.raises(Denied):
                ask()
