"""Formulas as backtests over REST, on the bundled bars."""

import numpy as np
import pytest

from apps.backtests import services
from apps.core import jobs
from apps.core.models import Job
from apps.market.selectors import read_panel
from apps.strategies.kernel.expressions import EXTRAS, parse
from apps.strategies.kernel.expressions.inputs import inputs_of
from apps.strategies.selectors import get_strategy

JSON = "application/json"
STOCKS = {"universe": "sp500-sample", "start": "2012-01-03", "end": "2012-12-31"}
COINS = {"universe": "crypto-perps", "start": "2025-09-01", "end": "2025-10-31"}


@pytest.fixture
def run(api_as, sample, db, now):
    """Ask for a backtest of a formula, let a worker compute it; return the job and the answer."""
    rest = api_as("researcher")

    def ask(expression, where, **params):
        body = {"strategy": "expression", "params": {"expression": expression, **params}, **where}
        answer = rest.post("/api/v1/backtests", body, content_type=JSON)
        assert answer.status_code == 202, answer.content
        made = answer.json()
        jobs.execute(made["job"]["id"], services.run_backtest, worker="w", now=lambda: now)
        job = Job.objects.get(pk=made["job"]["id"])
        return job, rest.get(f"/api/v1/backtests/{made['id']}").json()

    return ask


def test_a_published_formula_runs_by_its_name(run, team):
    job, found = run("Alpha#101", STOCKS, share=0.1, rebalance_days=30)
    assert (job.status, job.error) == ("done", None)
    written = run("(close - open) / (high - low + .001)", STOCKS, share=0.1, rebalance_days=30)[1]
    assert found["trades"] > 50
    assert found["equity_final"] == written["equity_final"] != 100_000
    # The first bar's choice, by hand: the tenth that closed highest within their range.
    panel = read_panel(team_id=team, **STOCKS)
    values = ((panel.close - panel.open) / (panel.high - panel.low + 0.001))[0]
    best = np.argsort(-values)[: round(0.1 * np.isfinite(values).sum())]
    targets = get_strategy("expression").targets(
        panel,
        {"expression": "Alpha#101", "share": 0.1, "rebalance_days": 30, "long_short": False},
    )
    assert set(np.flatnonzero(targets[0])) == set(best)


@pytest.mark.parametrize("expression", ["-funding", "rank(close) - rank(ts_mean(funding, 24))"])
def test_funding_is_read_where_the_universe_has_it(run, expression):
    job, found = run(expression, COINS, share=0.2, long_short=True)
    assert (job.status, job.error) == ("done", None)
    assert found["trades"] > 3


@pytest.mark.parametrize(
    ("expression", "where", "column"),
    [
        ("-funding", STOCKS, 2),
        ("rank(returns) - rank(ts_mean(funding, 24))", STOCKS, 30),
        ("delta(open_interest, 5)", COINS, 7),
        ("returns * long_short_ratio", COINS, 11),
        ("indneutralize(returns, industry)", STOCKS, 24),
    ],
)
def test_a_field_the_universe_lacks_is_pointed_at(run, expression, where, column):
    job, _ = run(expression, where)
    assert job.status == "failed"
    assert job.error["code"] == "expression.no_field"
    assert job.error["message"].startswith(f"Column {column}: nothing is known of")


def test_what_a_formula_needs_is_told():
    node = parse("rank(funding) * delta(open_interest, 3) * vwap / close", EXTRAS)
    assert inputs_of(node) == ("funding", "open_interest")
    strategy = get_strategy("expression")
    assert strategy.reads({"expression": "-funding"}) == ("funding",)
    assert strategy.reads({"expression": "indneutralize(vwap, sector)"}) == ("sector",)
