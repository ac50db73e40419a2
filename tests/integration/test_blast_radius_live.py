"""A revision of the bundled bars: run, approval and deployment that read them, with the change."""

import io
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from apps.backtests import selectors as backtests
from apps.backtests import services as runs
from apps.core import jobs
from apps.core.actors import system
from apps.core.models import Job
from apps.dashboard.management.commands.bootstrap_lab import relax_gates
from apps.dashboard.selectors import blast_radius
from apps.dashboard.selectors.blast_radius import places_of
from apps.market import services as market
from apps.market import store
from apps.market.kernel.periods import micros
from apps.market.models import Batch, Dataset, Reader, Series
from apps.market.selectors import read_panel
from apps.strategies import services as strategies
from apps.strategies.selectors import get_version
from apps.trading import selectors as trading_selectors
from apps.trading import services as trading_services
from tests.factories import people, research, signing, trading

pytestmark = [pytest.mark.django_db, pytest.mark.store]
WHY = "It held out of sample and survives the costs."


@pytest.fixture
def feed(sample, db, now):
    return trading.make_feed(now, skip=1500, bars=1600)


def researched(team, feed, now):
    """A run over the feed's history, proposed with it as evidence, approved, deployed."""
    who = people.make_actor(team, "researcher")
    body = {
        "strategy": "momentum_12_1",
        "universe": "sp500-sample",
        "price_mode": "split",
        "end": f"{feed.position_at:%Y-%m-%d}",
        "benchmark": "none",
    }
    run, job = runs.create_backtest(actor=who, request=body, now=now)
    assert jobs.execute(str(job.pk), runs.run_backtest, worker="w", now=lambda: now) == "done"
    run = backtests.get_run(run.pk, team.pk)
    relax_gates(team.pk)  # what this run is worth beside luck is not what is looked at here
    research.make_probe(team, now, run.version)
    proposal = runs.propose_run(
        actor=who, run_id=run.pk, rationale=WHY, target_stage="paper", now=now
    )
    signing.decide(people.make_actor(team, "validator"), proposal, now)
    strategies.promote_version(
        actor=system("tests", team.pk),
        version_id=run.version_id,
        digest=get_version(run.version_id, team.pk).digest,
        stage="paper",
        tier=1,
        now=now,
    )
    return run, proposal


def deployed(team, version_id, now):
    account = trading.make_account(team, now)
    return trading_services.deploy(
        actor=system("tests", team.pk),
        version_id=version_id,
        account_id=account.pk,
        allocation=Decimal(80_000),
        now=now,
    )


def revise(symbol, opened_at, factor, now):
    """Correct one close of the bundled data, as a vendor would."""
    dataset = Dataset.objects.get(team=None, name="sp500")
    series = Series.objects.get(instrument__dataset=dataset, instrument__symbol=symbol)
    at = micros(opened_at)
    bar = store.read_bars([series.pk], at, at)[series.pk]
    close = bar.close * factor
    changed = type(bar)(
        bar.ts,
        bar.open,
        np.maximum(bar.high, close),
        np.minimum(bar.low, close),
        close,
        bar.volume,
    )
    batch = Batch.objects.create(
        dataset=dataset,
        provider="t",
        source="correction",
        sha256="",
        created_at=now,
        created_by="t",
    )
    written = store.write_bars(
        team_id=None,
        dataset_id=dataset.pk,
        batch_id=batch.pk,
        blocks=[(series.pk, changed)],
        now=now,
    )
    assert written.changed == 1
    market.note_revisions(batch=batch, changes=written.revisions, now=now)
    return batch.pk


def work(task, function, now):
    for job in Job.objects.filter(kind="rerun", task=task, status="queued"):
        assert jobs.execute(str(job.pk), function, worker="w", now=lambda: now) == "done"


def test_run_approval_and_deployment_are_listed_with_the_change(
    feed, team, now, client_as, api_as, django_capture_on_commit_callbacks
):
    run, proposal = researched(team, feed, now)
    deployment = deployed(team, run.version_id, now)
    trading.advance(feed, now, 3)
    feed.refresh_from_db()
    first = feed.position_at
    later = now + timedelta(days=1)
    last_close = trading.moment(micros(read_last(run)))
    with django_capture_on_commit_callbacks(execute=True):
        batch = revise(held_at_the_end(run), last_close, 0.5, later)
    work("backtests.rerun_readers", runs.rerun_readers, later)
    work("backtests.rerun", runs.run_reruns, later)
    found = blast_radius(team_id=team.pk, batch_id=batch)
    assert [row["id"] for row in found["runs"]] == [str(run.pk)]
    change = found["runs"][0]["change"]["total_return"]
    # Half of what the run held of one of its shares on the last day is gone.
    assert change < -1e-4
    assert [row["id"] for row in found["proposals"]] == [str(proposal.pk)]
    assert found["proposals"][0]["change"]["total_return"] == change
    (row,) = found["deployments"]
    assert (row["id"], row["read_itself"]) == (deployment.pk, True)
    assert row["change"]["total_return"] == change
    reader = Reader.objects.get(subject=f"deployment:{deployment.pk}")
    assert reader.reads == ["bars", "split"]
    assert reader.last_at == first + timedelta(days=1) - timedelta.resolution
    body = api_as("viewer").get(f"/api/v1/revisions/{batch}/blast-radius").json()
    assert body["deployments"][0]["read_itself"] is True
    page = client_as("viewer").get(f"/revisions/{batch}/").content.decode()
    assert "decided on these bars" in page
    assert page.count("total return of its run") == 2


def held_at_the_end(run):
    table = pd.read_parquet(io.BytesIO(run.artifacts.get(name="trades").content))
    return table[table["is_open"]]["symbol"].iloc[0]


def read_last(run):
    """The day of the last bar that the run read."""
    return Reader.objects.get(subject=f"backtest:{run.pk}").last_at.replace(
        hour=0, minute=0, second=0, microsecond=0
    )


def test_a_deployment_read_only_what_came_before(feed, team, now):
    """Bars that were handed out after the correction were read corrected."""
    version = trading.make_version(team, now, "buy_and_hold")
    deployment = deployed(team, version.id, now)
    trading.advance(feed, now)
    feed.refresh_from_db()
    seen = feed.position_at
    coming = trading.moment(next_open(feed))
    later = now + timedelta(days=1)
    unseen, read = revise("AAPL", coming, 0.9, later), revise("AAPL", seen, 0.9, later)
    trading.advance(feed, later + timedelta(days=1), 2)
    by_batch = {
        batch: [row["id"] for row in blast_radius(team_id=team.pk, batch_id=batch)["deployments"]]
        for batch in (unseen, read)
    }
    assert by_batch == {unseen: [], read: [deployment.pk]}
    assert Reader.objects.filter(subject=f"deployment:{deployment.pk}").count() == 2


def next_open(feed):
    panel = read_panel(
        team_id=None, universe="sp500-sample", start=feed.position_at, price_mode="raw"
    )
    return panel.ts[1]


def test_a_correction_reaches_the_bars_that_strategies_see(feed, team, now):
    """The kept window is read anew: no strategy goes on with a figure known to be wrong."""
    from apps.market.selectors import feed_state

    state = feed_state(feed.name)
    since = feed.position_at - timedelta(days=30)
    asked = {"since": since, "until": feed.position_at}
    before = trading_selectors.read_window(state, **asked)
    column = before.symbols.index("AAPL")
    revise("AAPL", feed.position_at, 0.5, now)
    after = trading_selectors.read_window(state, **asked)
    assert after.close[-1, column] == pytest.approx(before.close[-1, column] / 2)
    again = trading_selectors.read_window(state, **asked)
    assert again is after


@pytest.mark.parametrize(
    ("change", "scale", "places", "shown"),
    [(None, 1, 3, 3), (0.0, 1, 3, 3), (0.25, 100, 2, 2), (4.2e-6, 1, 3, 7), (4.2e-6, 100, 2, 5)],
)
def test_no_change_is_shown_as_zero(change, scale, places, shown):
    assert places_of(change, scale, places) == shown
    if change:
        assert float(f"{change * scale:.{shown}f}") != 0.0
