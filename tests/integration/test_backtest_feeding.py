"""What the engine gets beside prices, on the bundled data, against figures worked by hand.

The hand reads the files of the sample with pandas; the runs read the database.
"""

import json

import numpy as np
import pandas as pd
import pytest

from apps.backtests import selectors, services
from apps.backtests.kernel import engine
from apps.backtests.kernel.requests import read_request
from apps.core import jobs
from apps.core.errors import Invalid
from apps.core.models import Job
from apps.market.models import Action, Reader
from apps.market.selectors import read_panel
from tests.factories.market import sample_table

pytestmark = pytest.mark.store
SPLIT_BOTH = {
    "strategy": "buy_and_hold",
    "instruments": ["AAPL"],
    "timeframe": "1d",
    "start": "2014-01-02",
    "end": "2015-12-31",
    "price_mode": "raw",
}
PERP = {
    "strategy": "buy_and_hold",
    "instruments": ["crypto-binance:BTC"],
    "timeframe": "1h",
    "start": "2025-06-01T00:00:00Z",
    "end": "2025-06-07T23:00:00Z",
    "costs": {"funding": True},
}
PAIRS = {
    "strategy": "buy_and_hold",
    "instruments": ["EURUSD", "EURGBP"],
    "timeframe": "1d",
    "start": "2015-01-01",
    "end": "2016-12-31",
}


@pytest.fixture
def ran(actor, now, sample, db):
    """Make a run and let a worker compute it; return run and job as they ended."""

    def run(body):
        made, job = services.create_backtest(actor=actor(), request=body, now=now)
        jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
        made.refresh_from_db()
        return made, Job.objects.get(pk=job.pk)

    return run


@pytest.fixture
def finished(ran):
    """Return a run that must have ended well."""

    def run(body):
        made, job = ran(body)
        assert job.status == "done", job.error
        return made

    return run


def apple():
    bars = sample_table("sp500_daily")
    days = (bars["ts"] >= "2014-01-02") & (bars["ts"] <= "2015-12-31")
    return bars[(bars["symbol"] == "AAPL") & days].reset_index(drop=True)


def panel_of(body, **changes):
    asked = read_request(body | changes)
    return selectors.panel_of(asked, None, ())


def test_raw_prices_pay_dividends_and_split_what_is_held(finished):
    run = finished(SPLIT_BOTH)
    bars = apple()
    held = 100_000.0 / bars["open"][1]
    cash = 0.0
    for row in bars.iloc[2:].itertuples():
        held *= row.split
        cash += held * row.dividend
    assert (bars["split"][2:] != 1.0).sum() == 1
    assert (bars["dividend"][2:] > 0.0).sum() == 8
    expected = held * bars["close"].iloc[-1] + cash
    assert run.equity_final == pytest.approx(expected, rel=1e-12)
    assert run.result["flows"]["dividend"] == pytest.approx(cash, rel=1e-12)
    assert run.result["flows"]["split"] == 1
    assert selectors.run_detail(run)["currency"] == "USD"


def test_dividends_put_back_in_make_the_total_return(sample, db):
    # A weight of 1 at every close spends the dividend at the close of its day, which is what the
    # total-return series supposes; so the two agree but for rounding: 500 bars of 1e-16 each.
    raw = panel_of(SPLIT_BOTH)
    assert {"split", "dividend"} <= raw.extras.keys()
    played = engine.run(raw, np.ones(raw.close.shape), cash=1.0, fill="next_close")
    whole = panel_of(SPLIT_BOTH, price_mode="total_return").close[:, 0]
    np.testing.assert_allclose(played.equity[1:], whole[1:] / whole[1], rtol=1e-12)
    # Kept as cash they earn nothing, which over these two years is less than 1 in 200.
    kept = engine.run(raw, np.vstack([[1.0], *[[np.nan]] * (raw.n_bars - 1)]), cash=1.0)
    theirs = whole[-1] / panel_of(SPLIT_BOTH, price_mode="total_return").open[1, 0]
    assert kept.equity[-1] == pytest.approx(theirs, rel=0.005)
    assert kept.equity[-1] != pytest.approx(theirs, rel=1e-6)


def test_split_adjusted_prices_take_dividends_per_share_of_today(finished):
    raw, adjusted = finished(SPLIT_BOTH), finished(SPLIT_BOTH | {"price_mode": "split"})
    assert adjusted.equity_final == pytest.approx(raw.equity_final, rel=1e-12)
    assert "split" not in adjusted.result["flows"]
    whole = finished(SPLIT_BOTH | {"price_mode": "total_return"})
    assert whole.result["flows"] == {}


def test_a_raw_bar_across_a_split_is_refused(sample, db):
    with pytest.raises(Invalid) as found:
        panel_of(SPLIT_BOTH, timeframe="1mo")
    assert found.value.code == "panel.mixed_price_modes"
    assert "2014-06-09" in found.value.message
    assert panel_of(SPLIT_BOTH, timeframe="1mo", price_mode="split").n_bars == 24


def test_a_run_on_raw_prices_is_among_the_readers_of_its_actions(finished):
    run = finished(SPLIT_BOTH)
    reader = Reader.objects.get(subject=f"backtest:{run.pk}")
    assert {"bars", "split", "dividend"} <= set(reader.reads)


def test_actions_are_those_known_then(sample, db, now):
    before = Action.objects.filter(instrument__symbol="AAPL", kind="split").first().known_at
    early = before - pd.Timedelta(days=1)
    ids = list(
        Action.objects.filter(instrument__symbol="AAPL").values_list("instrument", flat=True)
    )
    from apps.market import store

    assert store.read_amounts(ids, ["split"], early) == []
    assert len(store.read_amounts(ids, ["split"], before)) == len(
        store.read_amounts(ids, ["split"])
    )


def bitcoin():
    bars, rates = sample_table("crypto_perp_hourly"), sample_table("crypto_perp_funding")
    mine = [
        table[(table["venue"] == "binance") & (table["symbol"] == "BTC")].set_index("ts")
        for table in (bars, rates)
    ]
    prices = mine[0].loc["2025-06-01":"2025-06-07 23:00"]
    # Settlements carry some milliseconds; they belong to the hour that begins then.
    settled = mine[1]["funding_rate"]
    settled.index = settled.index.round("min")
    return prices, settled.loc[prices.index[0] : prices.index[-1]]


def test_funding_is_charged_at_the_stored_rates(finished):
    run = finished(PERP)
    prices, settled = bitcoin()
    assert len(settled) == 21  # three a day for a week
    held = 100_000.0 / prices["open"].iloc[1]
    owed = 0.0
    for ts, rate in settled.items():
        if ts > prices.index[0]:  # bought in the second hour
            owed += held * prices.loc[ts, "close"] * rate
    assert owed != 0.0
    assert run.result["flows"]["funding"] == pytest.approx(-owed, rel=1e-12)
    expected = held * prices["close"].iloc[-1] - owed
    assert run.equity_final == pytest.approx(expected, rel=1e-12)
    assert "settled" in run.result["funding"]
    free = finished(PERP | {"costs": {}})
    assert free.equity_final == pytest.approx(expected + owed, rel=1e-12)
    assert "left out" in free.result["funding"]


def test_unknown_funding_of_what_is_held_stops_the_run(ran):
    # Rates are known from 8 March 16:00 on.
    body = PERP | {"start": "2025-03-07T00:00:00Z", "end": "2025-03-12"}
    run, job = ran(body)
    assert job.status == "failed"
    assert job.error["code"] == "funding.missing"
    assert job.error["details"]["field"] == "costs.funding"
    assert (run.result, run.digest, run.artifacts.count()) == ({}, "", 0)


def test_shares_beside_perpetuals_have_no_funding_to_settle(finished):
    body = PERP | {
        "instruments": ["crypto-binance:BTC", "fx:EURUSD"],
        "timeframe": "1d",
        "start": "2018-12-01",
        "end": "2025-06-30",
    }
    run = finished(body)
    # Bought on the first day there was: euros alone; nothing was settled on them.
    assert "funding" not in run.result["flows"]


def pairs():
    table = sample_table("fx_daily")
    days = (table["ts"] >= "2015-01-01") & (table["ts"] <= "2016-12-31")
    return [
        table[days & (table["symbol"] == name)].reset_index(drop=True)
        for name in ("EURUSD", "EURGBP", "GBPUSD")
    ]


def test_a_book_of_two_currencies_adds_up_in_its_base(finished):
    run = finished(PAIRS)
    dollars, pounds, rate = pairs()
    # Half each at the second open; pounds convert at the close before, and are worth the last one.
    euros = 50_000.0 / dollars["open"][1]
    others = 50_000.0 / (pounds["open"][1] * rate["close"][0])
    last = len(rate) - 1
    expected = (
        euros * dollars["close"][last] + others * pounds["close"][last] * rate["close"][last]
    )
    assert run.equity_final == pytest.approx(expected, rel=1e-12)
    assert run.result["currency"] == "USD"
    reader = Reader.objects.get(subject=f"backtest:{run.pk}")
    assert len(reader.series_ids) == 3  # GBPUSD was read too


def test_the_base_may_be_chosen(finished):
    run = finished(PAIRS | {"currency": "gbp"})
    dollars, pounds, rate = pairs()
    last = len(rate) - 1
    euros = 50_000.0 / (dollars["open"][1] / rate["close"][0])
    others = 50_000.0 / pounds["open"][1]
    expected = (
        euros * dollars["close"][last] / rate["close"][last] + others * pounds["close"][last]
    )
    assert run.equity_final == pytest.approx(expected, rel=1e-12)
    assert run.result["currency"] == "GBP"


def test_rates_that_nobody_has_are_refused(ran):
    _, job = ran(PAIRS | {"currency": "NOK"})
    assert (job.status, job.error["code"]) == ("failed", "fx.no_path")
    _, job = ran(SPLIT_BOTH | {"currency": "EUR", "start": "2018-01-02", "end": "2019-06-28"})
    assert (job.status, job.error["code"]) == ("failed", "fx.missing")


def test_the_same_over_rest(api_as, sample, db, now):
    api = api_as("researcher")
    cases = ((SPLIT_BOTH, {"split", "dividend"}), (PERP, {"funding"}), (PAIRS, set()))
    for body, flows in cases:
        answer = api.post("/api/v1/backtests", json.dumps(body), content_type="application/json")
        assert answer.status_code == 202, answer.content
        job = answer.json()["job"]["id"]
        assert jobs.execute(job, services.run_backtest, worker="w", now=lambda: now) == "done"
        found = api.get(f"/api/v1/backtests/{answer.json()['id']}").json()
        assert found["currency"] == "USD"
        assert set(found["flows"]) == flows
        assert found["digest"] == selectors.simulate(body)["digest"]


def test_cached_panels_hold_the_same(sample, db, settings, tmp_path):
    settings.PANEL_CACHE, settings.PANEL_CACHE_MB = tmp_path / "panels", 64
    for body in (SPLIT_BOTH, PAIRS):
        one, two = panel_of(body), panel_of(body)
        assert one.digest == two.digest
        for name, array in one.extras.items():
            np.testing.assert_array_equal(array, two.extras[name])
        again = read_panel(
            team_id=None,
            timeframe="1d",
            instruments=body["instruments"],
            start=body["start"],
            end=body["end"],
        )
        assert again.extras == {}
