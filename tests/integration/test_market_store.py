"""Bars in and out of the real database: equal to the bit, nothing foreign, nothing twice."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import psycopg.errors
import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from apps.core.errors import Denied, Invalid, NotFound
from apps.market import selectors, store
from apps.market.kernel.periods import EARLIEST, LATEST, micros
from apps.market.models import Batch, Dataset, Instrument, Series
from apps.market.providers.base import Task
from tests.factories.market import SAMPLE, columns, sample_table

pytestmark = pytest.mark.store


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


def write(place, bars, team_id=None):
    dataset, batch, series = place
    return store.write_bars(
        team_id=dataset.team_id if team_id is None else team_id,
        dataset_id=dataset.pk,
        batch_id=batch.pk,
        blocks=[(series.pk, bars)],
    )


def read(place):
    return store.read_bars([place[2].pk], EARLIEST, LATEST)[place[2].pk]


def test_bars_come_back_equal_to_the_bit(place):
    bars = SAMPLE.fetch(Task("sp500", "AAPL", "1d")).bars
    written = write(place, bars)
    assert (written.received, written.added, written.changed) == (3600, 3600, 0)
    back = read(place)
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(back, name), getattr(bars, name)), name
    series = Series.objects.get(pk=place[2].pk)
    assert (series.rows, series.first_at) == (3600, datetime(2007, 1, 3, tzinfo=UTC))


def test_the_same_bars_again_add_nothing_and_changed_ones_are_told(place):
    bars = columns(np.linspace(10, 20, 50))
    write(place, bars.take(slice(0, 30)))
    assert write(place, bars) == store.Written(50, 20, 0)
    assert write(place, bars) == store.Written(50, 0, 0)
    close = bars.close.copy()
    close[7] = (bars.high[7] + bars.low[7]) / 2
    assert write(place, replace(bars, close=close)) == store.Written(50, 0, 1)
    assert read(place).close[7] == close[7]


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
