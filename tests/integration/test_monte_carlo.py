"""Monte Carlo over the trades of a run: its doors, the same figures on every worker."""

import pytest

from apps.backtests import services
from apps.backtests.models import Run
from apps.backtests.selectors import reshuffles
from apps.core import jobs

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 10, "slow": 40},
    "instruments": ["AAPL"],
    "timeframe": "1d",
    "start": "2006-01-03",
    "end": "2012-12-28",
    "costs": {"fee_bps": 5},
}


@pytest.fixture
def run_id(api_as, sample):
    client = api_as("researcher")
    answer = client.post("/api/v1/backtests", BODY, content_type="application/json")
    assert answer.status_code == 202, answer.content
    done = jobs.execute(answer.json()["job"]["id"], services.run_backtest, worker="w")
    assert done == "done"
    return answer.json()["id"]


@pytest.mark.django_db
def test_doors_of_monte_carlo(run_id, api_as, monkeypatch):
    client, run = api_as("viewer"), Run.objects.get(pk=run_id)
    path = f"/api/v1/backtests/{run_id}/monte-carlo"
    found = client.get(path, {"n": 300}).json()
    figures = found["figures"]
    assert found["method"] == "bars"
    assert figures["max_drawdown"]["observed"] == pytest.approx(run.max_drawdown)
    assert figures["sharpe"]["observed"] == pytest.approx(run.sharpe)
    assert figures["cagr"]["observed"] == pytest.approx(run.cagr)
    assert figures["equity_final"]["observed"] == pytest.approx(run.equity_final)
    assert 0 < found["p_value"] <= 1
    monkeypatch.setattr(reshuffles.cache, "get", lambda _: None)
    assert client.get(path, {"n": 300}).json() == found

    shuffled = client.get(path, {"method": "shuffle", "n": 300}).json()
    profit = shuffled["figures"]["equity_final"]
    assert profit["q5"] == pytest.approx(profit["q95"])
    assert shuffled["steps"] == run.trades
    assert shuffled["p_value"] is None
    fan = client.get(f"{path}/fan", {"method": "shuffle", "n": 300}).json()
    assert fan["data"][-1]["y"][0] == 100_000
    bars = client.get(f"{path}/drawdowns", {"method": "shuffle", "n": 300}).json()
    assert sum(bars["data"][0]["y"]) == 300
    for asked, code in (({"method": "luck"}, "reshuffle.method"), ({"n": 9}, "reshuffle.paths")):
        answer = client.get(path, asked)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.django_db
def test_part_of_the_page(run_id, client_as):
    pages = client_as("viewer")
    part = pages.get(f"/research/{run_id}/monte-carlo/?method=trades").content.decode()
    assert 'data-path-figure="max_drawdown"' in part
    assert "data-p-value" in part
    page = pages.get(f"/research/{run_id}/?tab=integrity").content.decode()
    assert f'hx-get="/research/{run_id}/monte-carlo/"' in page
    assert "There is no" not in pages.get(f"/research/{run_id}/monte-carlo/").content.decode()
    refused = pages.get(f"/research/{run_id}/monte-carlo/?method=luck").content.decode()
    assert "choose one of shuffle, trades, bars" in refused
