"""A revision of bars: who had read them is found, computed once more, and shown."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from apps.backtests import selectors, services
from apps.backtests.models import Rerun
from apps.core import jobs
from apps.core.errors import Conflict, NotFound
from apps.core.models import Job
from apps.dashboard.selectors import blast_radius
from apps.market import services as market
from apps.market.models import Revision
from tests.factories.market import sample_table

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=False)]
REVISED = "2013-06-05"


def upload(actor, table, now):
    sent = SimpleUploadedFile("apple.csv", table.to_csv(index=False).encode())
    wanted = market.Upload(sent=sent, dataset="own", price_mode="raw")
    result, job = market.store_upload(actor=actor, upload=wanted, now=now)
    assert job is None
    return result


def apple():
    table = sample_table("sp500_daily")
    mine = table[(table["symbol"] == "AAPL") & (table["ts"] >= "2012-01-01")]
    names = ["symbol", "ts", "open", "high", "low", "close", "volume"]
    return mine[mine["ts"] < "2015-01-01"][names]


def revised(table):
    """One close that the vendor corrected by 3 percent, as vendors do."""
    table = table.copy()
    day = table["ts"].dt.strftime("%Y-%m-%d") == REVISED
    table.loc[day, "close"] *= 0.97
    table.loc[day, "low"] = table.loc[day, ["low", "close"]].min(axis=1)
    return table


def backtest(actor, now, **changes):
    body = {
        "strategy": "buy_and_hold",
        "instruments": ["own:AAPL"],
        "timeframe": "1d",
        "price_mode": "raw",
        "start": "2012-01-03",
        "end": REVISED,
        "benchmark": "none",
        **changes,
    }
    run, job = services.create_backtest(actor=actor, request=body, now=now)
    assert jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now) == "done"
    return selectors.get_run(run.pk, actor.team)


@pytest.fixture
def world(actor, now, sample, db, django_capture_on_commit_callbacks, later):
    """Bars of a team, two runs before and one beside the revision, and the revised batch."""
    who = actor()
    with django_capture_on_commit_callbacks(execute=True):
        upload(who, apple(), now)
    touched = backtest(who, now)
    before = backtest(who, now, end="2013-05-31")
    with django_capture_on_commit_callbacks(execute=True):
        batch = upload(who, revised(apple()), later)["batch"]
    return who, touched, before, batch


@pytest.fixture
def later(now):
    from datetime import timedelta

    return now + timedelta(days=1)


def work(kind, task, now):
    for job in Job.objects.filter(kind="rerun", task=kind, status="queued"):
        assert jobs.execute(str(job.pk), task, worker="w", now=lambda: now) == "done", job.error


def test_runs_that_read_the_bars_are_computed_once_more(world, later):
    who, touched, _, batch = world
    rows = Revision.objects.filter(batch_id=batch)
    assert [(row.bars, f"{row.first_at:%Y-%m-%d}") for row in rows] == [(1, REVISED)]
    work("backtests.rerun_readers", services.rerun_readers, later)
    work("backtests.rerun", services.run_reruns, later)
    found = blast_radius(team_id=who.team, batch_id=batch)
    assert [run["id"] for run in found["runs"]] == [str(touched.pk)]
    run = found["runs"][0]
    assert run["rerun"] == "done"
    # All cash is held in one share class to the last day, whose close fell by 3 percent.
    assert run["after"]["equity_final"] == pytest.approx(0.97 * touched.equity_final, rel=1e-9)
    assert run["change"]["total_return"] == pytest.approx(
        -0.03 * (1 + touched.total_return), rel=1e-9
    )
    touched.refresh_from_db()
    assert touched.total_return == run["before"]["total_return"]
    assert run["data_digest_after"] != run["data_digest_before"] == touched.data_digest


def test_approvals_on_such_a_run_are_listed(world, later, actor, team):
    who, touched, _, batch = world
    proposal = services.propose_run(
        actor=who,
        run_id=touched.pk,
        rationale="It held up, and the costs are in it.",
        target_stage="paper",
        now=later,
    )
    found = blast_radius(team_id=team.pk, batch_id=batch)
    assert [row["id"] for row in found["proposals"]] == [str(proposal.pk)]


def test_what_is_left_is_computed_on_demand_and_once(world, later):
    who, touched, _, batch = world
    job = services.rerun_left(actor=who, batch_id=batch, now=later)
    assert jobs.execute(str(job.pk), services.run_reruns, worker="w", now=lambda: later) == "done"
    assert Rerun.objects.get(run=touched).finished_at == later
    with pytest.raises(Conflict):
        services.rerun_left(actor=who, batch_id=batch, now=later)
    work("backtests.rerun_readers", services.rerun_readers, later)
    assert Rerun.objects.count() == 1


def test_doors_show_the_blast_radius_to_its_team_only(world, api_as, client_as, other_team, later):
    _, touched, _, batch = world
    body = api_as("viewer").get(f"/api/v1/revisions/{batch}/blast-radius").json()
    assert [run["id"] for run in body["runs"]] == [str(touched.pk)]
    assert body["waiting"] == 1
    page = client_as("researcher").get(f"/revisions/{batch}/")
    assert touched.title in page.content.decode()
    assert api_as("viewer").post(f"/api/v1/revisions/{batch}/reruns").status_code == 403
    started = api_as("researcher").post(f"/api/v1/revisions/{batch}/reruns")
    assert started.status_code == 202
    foreign = api_as("viewer", other_team).get(f"/api/v1/revisions/{batch}/blast-radius")
    missing = api_as("viewer").get("/api/v1/revisions/999999/blast-radius")
    assert foreign.status_code == missing.status_code == 404


def test_a_batch_that_changed_nothing_has_no_radius(team):
    with pytest.raises(NotFound):
        blast_radius(team_id=team.pk, batch_id=0)


def test_a_rerun_keeps_the_bars_of_then(world, later):
    """What was known before the revision can still be read."""
    batch = world[-1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM market_bar_history WHERE superseded_by = %s", [batch])
        assert cursor.fetchone() == (1,)
