"""A crypto venue's bars and figures, from its server into the team's dataset and back."""

import numpy as np
import pytest
from django.conf import settings

from apps.core import jobs
from apps.core.errors import NotFound
from apps.core.models import Job
from apps.core.plugs import load_plug
from apps.market import selectors, services
from tests.servers import vendor
from tests.servers.bybit_server import BybitServer

STRETCH = {"start": "2025-12-20", "end": "2026-01-03"}


@pytest.fixture
def bybit(monkeypatch):
    with vendor.running(BybitServer("", "perpetuals")) as server:
        options = {"venue": "bybit", "base_url": server.url}
        line = {**settings.MARKET_PROVIDERS["bybit"], "OPTIONS": options}
        monkeypatch.setitem(settings.MARKET_PROVIDERS, "bybit", line)
        load_plug.cache_clear()
        yield server
    load_plug.cache_clear()


def ingest(actor, now, **changes):
    wanted = {
        "provider": "bybit",
        "section": "perpetuals",
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "timeframe": "1h",
        "dataset": "my-perps",
        **STRETCH,
    }
    run, job = services.start_ingest(actor=actor, now=now, **{**wanted, **changes})
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    return run, services.run_ingest(jobs.Progress(job.pk, job.team_id, 1, job.payload))


def test_perpetuals_come_in_with_funding_and_open_interest(actor, now, db, bybit):
    run, result = ingest(actor(), now)
    assert (result["symbols"], result["failed"]) == (2, 0)
    universe = selectors.get_universe(team_id=run.team_id, name="my-perps")
    panel = selectors.read_panel(
        team_id=run.team_id, universe=universe, timeframe="1h", inputs=["close", "funding"]
    )
    truth = bybit.truth["BTCUSDT", "1h"]
    rows = np.searchsorted(truth.bars.ts, panel.ts)
    column = panel.symbols.index("BTCUSDT")
    assert panel.n_bars == 15 * 24
    assert np.array_equal(panel.close[:, column], truth.bars.close[rows])
    # Each settlement stands once, at its own hour.
    settled = panel.extras["funding"][:, column]
    ts, rate = truth.figures["funding"]
    inside = (ts >= panel.ts[0]) & (ts <= panel.ts[-1])
    assert inside.sum() == 45
    assert np.array_equal(settled[np.searchsorted(panel.ts, ts[inside])], rate[inside])
    assert np.count_nonzero(settled) == np.count_nonzero(rate[inside])
    figures = selectors.read_figures(team_id=run.team_id, dataset="my-perps", kind="open_interest")
    ts, value = figures["BTCUSDT"]
    kept = np.isin(truth.figures["open_interest"][0], ts)
    assert len(ts) > 350
    assert np.array_equal(value, truth.figures["open_interest"][1][kept])


def test_the_same_stretch_again_changes_nothing(actor, now, db, bybit):
    someone = actor()
    ingest(someone, now)
    _, again = ingest(someone, now)
    assert (again["rows_added"], again["rows_changed"]) == (0, 0)


def test_a_coin_the_venue_lacks_is_told_at_once(actor, now, db, bybit):
    with pytest.raises(NotFound, match="did you mean BTCUSDT"):
        ingest(actor(), now, symbols=["BTCUSD"])
