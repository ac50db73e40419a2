"""Runs of ingestion under stress: sources that are away, two at once, gaps, cancels."""

import threading
import time
from dataclasses import replace

import pytest
from django.db import connection, transaction

from apps.core import jobs
from apps.core.errors import Denied, Invalid, Unavailable
from apps.core.kernel.limits import Limit
from apps.core.models import Job
from apps.market import selectors, services
from apps.market.models import Batch, Series
from apps.market.providers.base import Capabilities, Fetched, Listing
from apps.market.providers.sample import SampleProvider
from apps.market.services.ingests import fetching, running
from apps.market.services.ingests.fetching import Fetcher, Patience
from tests.factories.market import columns

REST = "/api/v1"
SYMBOLS = ["AAPL", "MSFT", "JNJ", "XOM"]
WANTED = {"provider": "sample", "section": "sp500", "symbols": SYMBOLS, "dataset": "mine"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", Patience(scale=0.0))


def ingest(actor, now, **changes):
    return services.start_ingest(actor=actor, now=now, **{**WANTED, **changes})


def work(job, attempt=1):
    Job.objects.filter(pk=job.pk).update(status="running", attempt=attempt)
    return services.run_ingest(jobs.Progress(job.pk, job.team_id, attempt, job.payload))


def states(run):
    return dict(run.tasks.order_by("seq").values_list("symbol", "status"))


def failing(monkeypatch, error, *symbols):
    """Make the sample raise an error for these symbols, or for all; return what is asked."""
    fetch, asked = SampleProvider.fetch, []

    def maybe(self, task):
        asked.append(task.symbol)
        if not symbols or task.symbol in symbols:
            raise error
        return fetch(self, task)

    monkeypatch.setattr(SampleProvider, "fetch", maybe)
    return asked


def test_a_symbol_that_never_answers_is_tried_thrice_and_passed_by(actor, now, db, monkeypatch):
    asked = failing(monkeypatch, Unavailable("Try later.", retry_after=3), "MSFT")
    run, job = ingest(actor(), now)
    result = work(job)
    assert (result["symbols"], result["failed"]) == (3, 1)
    assert asked.count("MSFT") == 3
    task = run.tasks.get(symbol="MSFT")
    assert (task.status, task.attempts, task.error["again"]) == ("failed", 3, True)


def test_a_source_that_is_away_leaves_the_run_to_another_attempt(actor, now, db, monkeypatch):
    failing(monkeypatch, Unavailable("Nobody there."))
    run, job = ingest(actor(), now)
    with pytest.raises(Unavailable, match="Nobody there"):
        work(job)
    assert set(states(run).values()) == {"open"}
    monkeypatch.undo()
    assert work(job, attempt=2)["symbols"] == 4


def test_a_refused_key_stops_the_run_and_keeps_what_is_there(actor, now, db, monkeypatch):
    failing(monkeypatch, Denied("The key is not taken.", code="provider.auth"), "JNJ")
    run, job = ingest(actor(), now)
    with pytest.raises(Denied, match="not taken"):
        work(job)
    assert states(run) == {"AAPL": "done", "MSFT": "done", "JNJ": "open", "XOM": "open"}


def test_a_crash_of_a_provider_is_a_failed_symbol(actor, now, db, monkeypatch):
    failing(monkeypatch, KeyError("close"), "AAPL")
    run, job = ingest(actor(), now)
    assert work(job)["failed"] == 1
    assert "KeyError" in run.tasks.get(symbol="AAPL").error["message"]


def test_a_cancel_half_way_keeps_what_is_stored(actor, now, db, monkeypatch):
    fetch = SampleProvider.fetch
    run, job = ingest(actor(), now)

    def cancelled_meanwhile(self, task):
        if task.symbol == "JNJ":
            Job.objects.filter(pk=job.pk).update(cancel_requested=True)
        return fetch(self, task)

    monkeypatch.setattr(SampleProvider, "fetch", cancelled_meanwhile)
    progress = jobs.Progress(job.pk, job.team_id, 1, job.payload, every=0.0)
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    with pytest.raises(jobs.Cancelled):
        services.run_ingest(progress)
    assert states(run) == {"AAPL": "done", "MSFT": "done", "JNJ": "done", "XOM": "open"}
    Job.objects.filter(pk=job.pk).update(status="cancelled")
    _, again = services.retry_ingest(actor=actor(), ingest_id=run.pk, now=now)
    assert work(again)["symbols"] == 4


def test_a_worker_that_lost_the_run_writes_nothing(actor, now, db):
    run, job = ingest(actor(), now)
    progress = jobs.Progress(job.pk, job.team_id, 1, job.payload, every=1e9)
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    progress.tell(0, 4)
    Job.objects.filter(pk=job.pk).update(attempt=2)
    with pytest.raises(jobs.Superseded):
        services.run_ingest(progress)
    assert set(states(run).values()) == {"open"}


def test_the_chunk_has_one_batch_and_its_bars_say_so(actor, now, db):
    run, job = ingest(actor(), now)
    result = work(job)
    batch = Batch.objects.get(dataset=run.dataset)
    assert batch.rows == result["rows_added"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM market_bar WHERE batch_id = %s", [batch.pk])
        assert cursor.fetchone()[0] == result["rows_added"]


def test_two_runs_over_the_same_range_do_not_collide(live_db, actor, now, monkeypatch):
    monkeypatch.setattr(running, "CHUNK_SYMBOLS", 1)
    mine = actor()
    started = [ingest(mine, now, mode="full") for _ in range(2)]
    gate, results, errors = threading.Barrier(2), [], []

    def run_one(job):
        gate.wait()
        try:
            results.append(work(job))
        except BaseException as error:  # noqa: BLE001 told by the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run_one, args=(job,)) for _, job in started]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors
    assert [result["failed"] for result in results] == [0, 0]
    assert sum(result["rows_changed"] for result in results) == 0
    added = sum(result["rows_added"] for result in results)
    counted = Series.objects.filter(instrument__dataset__name="mine")
    assert sum(counted.values_list("rows", flat=True)) == added
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM market_bar WHERE series_id = ANY(%s)",
            [list(counted.values_list("pk", flat=True))],
        )
        assert cursor.fetchone()[0] == added


def test_repair_asks_for_the_gaps_alone(actor, now, db, monkeypatch):
    fetch, mine = SampleProvider.fetch, actor()

    def with_a_hole(self, task):
        found = fetch(self, task)
        bars = found.bars
        if task.symbol != "KO":
            return found
        keep = (bars.ts < bars.ts[100]) | (bars.ts >= bars.ts[130])
        return replace(found, bars=bars.take(keep))

    wanted = {"symbols": ["AAPL", "KO"], "start": "2015-01-01", "end": "2017-12-31"}
    with monkeypatch.context() as patched:
        patched.setattr(SampleProvider, "fetch", with_a_hole)
        _, job = ingest(mine, now, **wanted)
        work(job)
    run, job = services.repair_gaps(actor=mine, dataset="mine", now=now)
    task = run.tasks.get()
    assert task.symbol == "KO"
    result = work(job)
    assert (result["rows_added"], result["rows_changed"]) == (30, 0)
    run, _ = services.repair_gaps(actor=mine, universe="mine", now=now)
    assert run.tasks.count() == 0


def test_what_cannot_be_repaired_is_told(sample, actor, now, db):
    mine = actor()
    with pytest.raises(Denied, match="shared"):
        services.repair_gaps(actor=mine, universe="sp500-sample", now=now)


def test_fetches_in_an_unknown_way_are_refused(actor, now, db):
    with pytest.raises(Invalid, match="missing, full, repair"):
        ingest(actor(), now, mode="some")


class Remote:
    """A provider as those over the network are, that tells how many ask it at once."""

    capabilities = Capabilities("remote", "Remote")

    def __init__(self, counts):
        self.counts = counts

    def with_timing(self, timing):  # noqa: ARG002 the same as everybody
        return self

    def fetch(self, task):
        with self.counts["lock"]:
            self.counts["now"] += 1
            self.counts["most"] = max(self.counts["most"], self.counts["now"])
        self.counts["gate"].wait(30)
        with self.counts["lock"]:
            self.counts["now"] -= 1
        return Fetched(Listing(task.symbol), columns([10.0, 11.0]))


def test_remote_fetches_run_side_by_side_each_with_its_own_provider():
    counts = {"lock": threading.Lock(), "now": 0, "most": 0, "gate": threading.Barrier(3)}
    fetcher = Fetcher([Remote(counts) for _ in range(3)], Patience())
    tasks = [
        (number, fetching.Task("sp500", symbol, "1d"))
        for number, symbol in enumerate(["AAPL", "MSFT", "JNJ", "XOM", "KO", "PG"])
    ]
    found = [outcome for outcome in fetcher.outcomes(iter(tasks)) if outcome]
    assert sorted(outcome.task_id for outcome in found) == list(range(6))
    assert all(outcome.fetched for outcome in found)
    assert counts["most"] == 3


def test_how_many_ask_at_once_follows_the_limits():
    slow = Capabilities("slow", "Slow", limits=(Limit(1, 15.0),))
    quick = Capabilities("quick", "Quick", limits=(Limit(200, 60.0), Limit(50, 1.0)))
    assert fetching.side_by_side(slow, is_remote=True) == 1
    assert fetching.side_by_side(quick, is_remote=True) == 3
    assert fetching.side_by_side(quick, is_remote=False) == 1


def test_fetches_are_listed_by_cursor_and_state(api_as, team, now, db, monkeypatch):
    client = api_as("researcher")
    failing(monkeypatch, Invalid("MSFT is not to be had.", code="gone"), "MSFT")
    body = {"section": "sp500", "symbols": SYMBOLS, "dataset": "mine"}
    started = client.post(f"{REST}/ingests", data=body, content_type="application/json").json()
    work(Job.objects.get(pk=started["job"]["id"]))
    address = f"{REST}/ingests/{started['id']}"
    shown = client.get(address).json()
    assert shown["tasks"] == {"all": 4, "done": 3, "failed": 1, "open": 0}
    assert shown["failed"] == {"MSFT@1d": "MSFT is not to be had."}
    first = client.get(f"{address}/tasks?limit=3").json()
    assert [item["symbol"] for item in first["items"]] == SYMBOLS[:3]
    rest = client.get(f"{address}/tasks?limit=3&cursor={first['next']}").json()
    assert ([item["symbol"] for item in rest["items"]], rest["next"]) == (["XOM"], None)
    failed = client.get(f"{address}/tasks?status=failed").json()["items"]
    assert [(item["symbol"], item["error"]["code"]) for item in failed] == [("MSFT", "gone")]
    made = client.post(f"{REST}/ingests", data=body, content_type="application/json").json()
    stopped = client.post(f"{REST}/ingests/{made['id']}/cancel").json()
    assert stopped["job"]["status"] == "cancelled"


def test_the_page_shows_runs_flows_and_errors(client_as, actor, now, db, monkeypatch):
    failing(monkeypatch, Invalid("KO is gone.", code="gone"), "KO")
    _, job = ingest(actor(), now, symbols=["AAPL", "KO"])
    work(job)
    client = client_as("researcher")
    flow = {"name": "nightly", "source": "sample:sp500", "symbols": "AAPL", "at_utc": "02:00"}
    assert client.post("/data/flows/", {**flow, "weekdays": "1,2,3,4,5"}).status_code == 302
    page = client.get("/data/ingest/").content.decode()
    assert "KO is gone." in page
    assert "nightly" in page
    for act in ("off", "on", "run", "delete"):
        assert client.post("/data/flows/nightly/", {"act": act}).status_code == 302
    assert selectors.list_flows(team_id=client.user.memberships.first().team_id) == []
    assert client_as("viewer").post("/data/flows/", flow).status_code == 403


def test_versions_of_a_universe_are_numbered_one_after_another(live_db, actor, sample, now):
    """Everybody has a version open before anybody has ended, and none is refused."""
    mine = actor()
    gate, numbers, errors = threading.Barrier(4), [], []

    def add_one(symbols):
        try:
            gate.wait()
            with transaction.atomic():
                row = services.create_universe(
                    actor=mine,
                    name="four-at-once",
                    timeframe="1d",
                    survivorship="Chosen by hand.",
                    symbols=symbols,
                    dataset="sp500",
                    now=now,
                )
                time.sleep(0.05)  # the others ask for their number meanwhile
            numbers.append(row.version)
        except BaseException as error:  # noqa: BLE001 told by the test
            errors.append(error)
        finally:
            connection.close()

    chosen = (["AAPL"], ["KO"], ["AAPL", "KO"], ["MSFT"])
    threads = [threading.Thread(target=add_one, args=(symbols,)) for symbols in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors
    assert sorted(numbers) == [1, 2, 3, 4]
