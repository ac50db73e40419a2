"""Runs from request to tear sheet, on the bundled sample, with a real database."""

import io

import pandas as pd
import pytest

from apps.backtests import selectors, services
from apps.backtests.models import Run
from apps.core import jobs
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 20, "slow": 100},
    "instruments": ["AAPL", "MSFT", "XOM"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2015-12-31",
    "cash": 50_000,
    "costs": {"fee_bps": 5, "slippage_bps": 2},
}


@pytest.fixture
def made(actor, now, sample, db):
    """Create a run from a body and let a worker compute it."""

    def make(of=None, **changes):
        who = of or actor()
        run, job = services.create_backtest(actor=who, request=BODY | changes, now=now)
        status = jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
        assert status == "done", Job.objects.get(pk=job.pk).error
        return selectors.get_run(run.pk, who.team)

    return make


@pytest.mark.store
def test_run_is_computed_stored_and_audited(made, now):
    from apps.audit.selectors import list_events
    from apps.market.models import Reader

    run = made()
    detail = selectors.run_detail(run)
    assert detail["status"] == "done"
    assert detail["bars"] > 900
    assert detail["metrics"]["sharpe"] is not None
    assert detail["benchmark"]["label"].startswith("3 instruments in equal weights")
    assert set(detail["tail_losses"]) >= {"historical_95", "historical_99"}
    assert "close" in detail["fill_says"]
    assert detail["survivorship"]
    ts, curves = selectors.curves_of(run)
    assert len(ts) == detail["bars"]
    assert curves["equity"][-1] == run.equity_final == detail["equity_final"]
    assert curves["equity"][0] == 50_000
    actions = [e.action for e in list_events(team_id=run.team_id, subject=f"backtest:{run.pk}")]
    assert {"backtest.created", "backtest.finished"} <= set(actions)
    assert Reader.objects.filter(subject=f"backtest:{run.pk}", digest=run.data_digest).exists()


@pytest.mark.store
def test_trades_add_up_to_the_gain(made):
    run = made()
    trades = selectors.rows_of(run, "trades")
    assert sum(t["pnl"] for t in trades) == pytest.approx(run.equity_final - 50_000, rel=1e-6)
    assert len(trades) == run.trades
    held = selectors.open_positions(run)
    _, curves = selectors.curves_of(run)
    worth = curves["cash"][-1] + sum(line["value"] for line in held)
    assert worth == pytest.approx(run.equity_final)


def test_same_inputs_give_the_same_digest_and_other_terms_another(made):
    one, two, three = made(), made(title="again"), made(costs={"fee_bps": 6, "slippage_bps": 2})
    assert one.digest == two.digest
    assert one.data_digest == two.data_digest == three.data_digest
    assert one.digest != three.digest
    assert one.version_id == two.version_id


@pytest.mark.store
def test_run_repeated_from_the_start_stores_the_same_once(made, now):
    run = made()
    Job.objects.filter(pk=run.job_id).update(status="queued")
    assert jobs.execute(str(run.job_id), services.run_backtest, worker="w") == "done"
    again = selectors.get_run(run.pk, run.team_id)
    assert again.digest == run.digest
    assert len(selectors.curves_of(again)[0]) == run.result["bars"]
    assert again.artifacts.count() == 4


def test_a_run_archived_while_it_is_computed_stays_archived(actor, now, sample, db, monkeypatch):
    run, job = services.create_backtest(actor=actor(), request=BODY, now=now)
    compute = services.runs._compute

    def meanwhile(*args):
        services.archive_run(actor=actor(), run_id=run.pk, now=now)
        return compute(*args)

    monkeypatch.setattr(services.runs, "_compute", meanwhile)
    assert jobs.execute(str(job.pk), services.run_backtest, worker="w") == "done"
    run.refresh_from_db()
    assert (run.archived_at, run.is_done) == (now, True)


def test_command_gives_the_digest_of_the_worker(made):
    assert selectors.simulate(BODY)["digest"] == made().digest


@pytest.mark.store
def test_spy_as_benchmark(made):
    run = made(benchmark="SPY")
    assert run.result["benchmark"]["label"].startswith("SPY")
    # SPY with dividends made about 15 % a year from 2012 to 2015.
    gain = run.result["benchmark"]["metrics"]["total_return"]
    assert 0.6 < gain < 0.8


def test_figures_of_a_run_equal_empyrical_on_its_returns(made):
    import empyrical

    run = made()
    _, curves = selectors.curves_of(run)
    returns = pd.Series(curves["equity"]).pct_change().dropna()
    assert run.sharpe == pytest.approx(empyrical.sharpe_ratio(returns), rel=1e-9)
    assert run.cagr == pytest.approx(empyrical.cagr(returns), rel=1e-9)
    assert run.max_drawdown == pytest.approx(-empyrical.max_drawdown(returns), rel=1e-9)


def test_universe_of_the_sample_runs(made, team):
    from apps.market.selectors import list_universes

    daily = next(u for u in list_universes(team_id=team.pk) if u.timeframe == "1d")
    run = made(
        strategy="momentum_12_1",
        params={"top": 10},
        universe=daily.name,
        instruments=None,
        start="2014-01-02",
        end="2016-12-30",
    )
    assert run.result["survivorship"] == daily.survivorship
    assert run.trades > 0


def test_a_run_computed_again_by_the_next_worker_is_finished_once(made, now):
    from apps.audit.selectors import list_events

    run = made()
    again = jobs.Progress(run.job_id, run.team_id, 2, {"run_id": str(run.pk)}, lambda: now)
    with pytest.raises(jobs.Superseded):
        services.run_backtest(again)  # tells how far it is: the job is over
    Job.objects.filter(pk=run.job_id).update(status="running", attempt=2)
    assert services.run_backtest(again)["digest"] == run.digest
    filed = list_events(
        team_id=run.team_id, subject=f"backtest:{run.pk}", action="backtest.finished"
    )
    assert len(filed) == 1


# Bad input.


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"instruments": ["AAPL", "MSFTT"]}, NotFound, "MSFT"),
        ({"instruments": [], "universe": "mars"}, NotFound, "mars"),
        ({"instruments": []}, Invalid, "universe or instruments"),
        ({"universe": "sp500-sample"}, Invalid, "not both"),
        ({"start": "2015-12-31", "end": "2012-01-03"}, Invalid, "reversed"),
        ({"start": "yesterday"}, Invalid, "2020-01-31"),
        ({"params": {"fast": 0}}, Invalid, "fast"),
        ({"params": {"fast": 200, "slow": 100}}, Invalid, "below"),
        ({"params": {"speed": 3}}, Invalid, "no parameter"),
        ({"strategy": "crystal_ball"}, NotFound, "crystal_ball"),
        ({"cash": 0}, Invalid, "positive"),
        ({"cash": float("nan")}, Invalid, "finite"),
        ({"costs": {"fee_bps": -1}}, Invalid, "0 to 1000"),
        ({"costs": {"fees": 1}}, Invalid, "fees"),
        ({"fill": "yesterday"}, Invalid, "next_open"),
        ({"units": "dozens"}, Invalid, "whole"),
        ({"timeframe": "7m"}, Invalid, "timeframe"),
        ({"price_mode": "nominal"}, Invalid, "total_return"),
        ({"benchmark": "DAX"}, Invalid, "equal_weight"),
        ({"limits": {"max_fun": 1}}, Invalid, "max_exposure"),
        ({"study": "Not A Slug"}, Invalid, "lower-case"),
        ({"colour": "blue"}, Invalid, "colour"),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(
    change, error, words, actor, now, sample, db, team
):
    with pytest.raises(error, match=words):
        services.create_backtest(actor=actor(), request=BODY | change, now=now)
    assert Run.objects.filter(team=team).count() == 0
    assert Job.objects.filter(team=team).count() == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start": "1950-01-01", "end": "1950-12-31"}, "panel.no_bars"),
        ({"start": "2015-11-01"}, "panel.too_short"),
    ],
)
def test_run_that_can_not_be_computed_fails_with_words(change, code, actor, now, sample, db):
    run, job = services.create_backtest(actor=actor(), request=BODY | change, now=now)
    assert jobs.execute(str(job.pk), services.run_backtest, worker="w") == "failed"
    found = selectors.run_detail(selectors.get_run(run.pk, run.team_id))
    assert (found["status"], found["error"]["code"]) == ("failed", code)
    assert "hoose" in found["error"]["message"]
    with pytest.raises(Conflict, match="failed"):
        selectors.get_done_run(run.pk, run.team_id)


def test_viewer_may_not_run(actor, now, sample, db):
    with pytest.raises(Denied, match=r"research\.write"):
        services.create_backtest(actor=actor("viewer"), request=BODY, now=now)


def test_run_of_another_team_is_not_found(made, other_team):
    with pytest.raises(NotFound):
        selectors.get_run(made().pk, other_team.pk)


# Proposals.


def test_run_is_proposed_with_its_evidence(made, actor, now):
    run = made()
    who = actor()
    proposal = services.propose_run(
        actor=who,
        run_id=run.pk,
        rationale="It beat its benchmark with half the drawdown.",
        target_stage="paper",
        now=now,
    )
    assert proposal.subject == f"version:{run.version_id}"
    assert proposal.evidence["facts"]["run digest"] == run.digest
    assert proposal.evidence["trials"] == 1
    assert proposal.evidence["metrics"]["sharpe"] == pytest.approx(run.sharpe)
    assert run.created_by in proposal.editors


def test_run_filled_at_the_deciding_close_can_not_be_proposed(made, actor, now):
    run = made(fill="close")
    with pytest.raises(Invalid, match="next_open"):
        services.propose_run(
            actor=actor(), run_id=run.pk, rationale="x" * 20, target_stage="paper", now=now
        )


# REST.


@pytest.fixture
def client(api_as, sample):
    return api_as("researcher")


def posted(client, path, body):
    return client.post(f"/api/v1{path}", body, content_type="application/json")


def test_rest_from_request_to_export(client, client_as, now):
    answer = posted(client, "/backtests", BODY)
    assert answer.status_code == 202, answer.content
    run_id, job = answer.json()["id"], answer.json()["job"]
    assert job["status"] == "queued"
    waiting = client.get(f"/api/v1/backtests/{run_id}/equity")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "backtest.not_done")
    page = client_as("researcher").get(f"/research/{run_id}/")
    assert page.status_code == 200
    assert b"queued" in page.content
    jobs.execute(job["id"], services.run_backtest, worker="w")
    found = client.get(f"/api/v1/backtests/{run_id}").json()
    assert found["status"] == "done"
    assert len(found["digest"]) == len(found["data_digest"]) == 64
    equity = client.get(f"/api/v1/backtests/{run_id}/equity").json()
    assert len(equity["ts"]) == len(equity["equity"]) == found["bars"]
    fills = client.get(f"/api/v1/backtests/{run_id}/fills?limit=3").json()
    assert len(fills["items"]) == 3
    more = client.get(f"/api/v1/backtests/{run_id}/fills?limit=3&cursor={fills['next']}").json()
    assert more["items"][0]["n"] == 3
    trades = client.get(f"/api/v1/backtests/{run_id}/trades?limit=200").json()["items"]
    assert len(trades) == min(found["trades"], 200)
    positions = client.get(f"/api/v1/backtests/{run_id}/positions").json()
    assert set(positions) == {"items", "history"}
    listed = client.get("/api/v1/backtests?strategy=sma_crossover&status=done&sort=-sharpe").json()
    assert [row["id"] for row in listed["items"]] == [run_id]


@pytest.mark.store
def test_rest_draws_and_exports(client, made):
    run = made(of=client.actor)
    found = client.get(f"/api/v1/backtests/{run.pk}").json()
    for name in ("equity", "rolling", "exposure", "price"):
        figure = client.get(f"/api/v1/backtests/{run.pk}/figures/{name}?symbol=AAPL")
        assert figure.status_code == 200, figure.content
        assert figure.json()["data"]
    csv = client.get(f"/api/v1/backtests/{run.pk}/export?format=csv&what=trades")
    assert csv["Content-Disposition"].endswith('trades.csv"')
    assert len(pd.read_csv(io.BytesIO(csv.content))) == run.trades
    parquet = client.get(f"/api/v1/backtests/{run.pk}/export?format=parquet&what=equity")
    frame = pd.read_parquet(io.BytesIO(parquet.content))
    assert frame["equity"].iloc[-1] == run.equity_final
    html = client.get(f"/api/v1/backtests/{run.pk}/export?format=html_light").content.decode()
    assert "<svg" in html
    assert found["digest"] in html
    assert "http" not in html.replace("http-equiv", "")


def test_rest_compares_runs(client, made):
    one, two = made(of=client.actor), made(of=client.actor, params={"fast": 10, "slow": 50})
    answer = client.get(f"/api/v1/backtests/compare?ids={one.pk},{two.pk}").json()
    sharpe = next(row for row in answer["metrics"] if row["name"] == "sharpe")
    assert sharpe["deltas"] == [0.0, pytest.approx(two.sharpe - one.sharpe)]
    assert {row["name"] for row in answer["differs"]} == {"params.fast", "params.slow"}
    figure = client.get(f"/api/v1/backtests/compare/figure?ids={one.pk},{two.pk}").json()
    assert len(figure["data"]) == 2
    alone = client.get(f"/api/v1/backtests/compare?ids={one.pk}")
    assert (alone.status_code, alone.json()["code"]) == (422, "compare.count")


def test_rest_studies_and_archive(client, made):
    run = made(of=client.actor)
    study = posted(client, "/studies", {"name": "trend", "title": "Trend"})
    assert study.status_code == 201
    done = posted(client, f"/studies/{study.json()['id']}/runs", {"runs": [str(run.pk)]})
    assert done.status_code == 204
    assert client.get("/api/v1/studies").json()["items"][0]["runs"] == 1
    assert posted(client, "/studies", {"name": "trend"}).status_code == 409
    assert len(client.get("/api/v1/backtests?study=trend").json()["items"]) == 1
    assert client.delete(f"/api/v1/backtests/{run.pk}").status_code == 204
    assert client.get("/api/v1/backtests").json()["items"] == []
    assert client.get(f"/api/v1/backtests/{run.pk}").status_code == 200


def test_rest_of_another_team_and_role(client, api_as, other_team, made):
    run = made(of=client.actor)
    stranger = api_as("researcher", of=other_team)
    for path in ("", "/equity", "/trades", "/fills", "/positions", "/export"):
        assert stranger.get(f"/api/v1/backtests/{run.pk}{path}").status_code == 404
    assert posted(api_as("viewer"), "/backtests", BODY).status_code == 403
    assert stranger.get("/api/v1/backtests").json()["items"] == []


def test_rest_refuses_what_it_does_not_know(client):
    answer = posted(client, "/backtests", BODY | {"instruments": ["NOPE"]})
    assert answer.status_code == 404
    assert answer.json()["code"] == "symbol.unknown"
    answer = posted(client, "/backtests", BODY | {"params": {"fast": 0}})
    assert answer.status_code == 422
    answer = client.get("/api/v1/backtests?sort=colour")
    assert (answer.status_code, answer.json()["code"]) == (422, "runs.sort")


def test_lists_are_paged_in_the_sorted_order(client, made):
    for slow in (40, 60, 80):
        made(of=client.actor, params={"fast": 20, "slow": slow})
    seen, cursor = [], ""
    for _ in range(3):
        answer = client.get(f"/api/v1/backtests?limit=1&sort=-sharpe&cursor={cursor}").json()
        seen += [row["sharpe"] for row in answer["items"]]
        cursor = answer["next"]
    assert cursor is None
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 3


# Pages.


def test_pages_from_form_to_comparison(client_as, made, sample):
    client = client_as("researcher")
    form = client.get("/research/new/?strategy=momentum_12_1").content.decode()
    assert 'data-params="momentum_12_1"' in form
    assert "Jegadeesh" in form
    one, two = made(), made(params={"fast": 10, "slow": 50})
    again = client.get(f"/research/new/?from={two.pk}").content.decode()
    assert 'value="50"' in again
    listed = client.get("/research/?sort=-sharpe").content.decode()
    assert str(one.pk) in listed
    sheet = client.get(f"/research/{one.pk}/").content.decode()
    for words in ("in sample", "filled at the next open", one.digest, "VaR and ES", "Propose"):
        assert words in sheet
    compared = client.get(f"/research/compare/?ids={one.pk},{two.pk}")
    assert compared.status_code == 200
    assert "params.fast" in compared.content.decode()


def test_page_of_a_run_under_way_shows_progress(client_as, actor, now, sample):
    run, job = services.create_backtest(actor=actor(), request=BODY, now=now)
    page = client_as("viewer").get(f"/research/{run.pk}/").content.decode()
    assert f'data-job="{job.pk}"' in page
    assert 'data-done-href="reload"' in page


def test_pages_of_another_team_are_not_there(client_as, other_team, made):
    assert client_as("researcher", of=other_team).get(f"/research/{made().pk}/").status_code == 404
