"""Flows: started once at their hour, tried again, reported."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from apps.core import jobs
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job
from apps.market import services
from apps.market.models import Flow, IngestRun
from apps.market.providers.sample import SampleProvider
from apps.ops.models import Alert

REST = "/api/v1"
WANTED = {"name": "nightly", "provider": "sample", "section": "sp500", "symbols": ["AAPL", "KO"]}


def make(actor, now, **changes):
    wanted = {**WANTED, "at_utc": "02:30", "dataset": "night"}
    return services.create_flow(actor=actor, now=now, **{**wanted, **changes})


def work(run):
    job = run.job
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    try:
        services.run_ingest(jobs.Progress(job.pk, job.team_id, 1, job.payload))
        end = "done"
    except Exception:  # noqa: BLE001 whatever a provider raises ends the job
        end = "failed"
    Job.objects.filter(pk=job.pk).update(status=end, finished_at=job.created_at)


def the_run():
    return IngestRun.objects.select_related("job").get()


def events(team_id, action):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM audit.audit_event WHERE team_id = %s AND action = %s",
            [team_id, action],
        )
        return cursor.fetchone()[0]


def test_a_flow_starts_at_its_hour_once_and_reports(actor, now, db):
    flow = make(actor(), now)
    assert flow.next_at == now.replace(hour=2, minute=30) + timedelta(days=1)
    assert services.run_flows(now=now)["started"] == 0
    due = flow.next_at + timedelta(seconds=5)
    assert services.run_flows(now=due)["started"] == 1
    assert services.run_flows(now=due)["started"] == 0
    run = the_run()
    assert (run.flow_id, run.dataset.name) == (flow.pk, "night")
    work(run)
    assert services.run_flows(now=due)["reported"] == 1
    flow.refresh_from_db()
    assert flow.report["status"] == "done"
    assert (flow.report["done"], flow.report["failed"]) == (2, 0)
    assert flow.next_at == due.replace(minute=30, second=0) + timedelta(days=1)
    told = [events(flow.team_id, f"flow.{what}") for what in ("created", "started", "ended")]
    assert told == [1, 1, 1]
    assert services.run_flows(now=due) == {"started": 0, "retried": 0, "reported": 0}


def test_a_flow_that_fails_is_tried_again_then_raised(actor, now, db, monkeypatch):
    sent = []
    monkeypatch.setattr(services.flows.events, "emit", lambda **told: sent.append(told))
    fetch = SampleProvider.fetch

    def poisoned(self, task):
        if task.symbol == "KO":
            raise Invalid("KO is not what it was.", code="poison")
        return fetch(self, task)

    monkeypatch.setattr(SampleProvider, "fetch", poisoned)
    flow = make(actor(), now)
    at = flow.next_at
    services.run_flows(now=at)
    for attempt in range(services.flows.RETRIES):
        work(the_run())
        Job.objects.update(finished_at=at)
        assert services.run_flows(now=at)["retried"] == 0
        at += services.flows.RETRY_AFTER * (attempt + 1)
        assert services.run_flows(now=at)["retried"] == 1
    work(the_run())
    assert services.run_flows(now=at)["reported"] == 1
    flow.refresh_from_db()
    assert (flow.report["status"], flow.report["retries"]) == ("failed", 3)
    assert flow.report["errors"] == {"KO": "KO is not what it was."}
    alerts = [told for told in sent if told["topic"] == "alerts"]
    assert [told["kind"] for told in alerts] == ["ops.alert.raised", "market.flow.failed"]
    assert events(flow.team_id, "flow.failed") == 1
    alert = Alert.objects.get(team_id=flow.team_id, kind="flow.failed")
    assert (alert.subject, alert.severity, alert.ended_at) == ("flow:nightly", "warning", None)


def test_a_flow_whose_provider_refuses_reports_it(actor, now, db, monkeypatch):
    flow = make(actor(), now)

    def refused(self, request):
        raise Denied("The key is not taken.", code="provider.auth")

    with monkeypatch.context() as patched:
        patched.setattr(SampleProvider, "plan", refused)
        assert services.run_flows(now=flow.next_at)["started"] == 0
    flow.refresh_from_db()
    assert flow.report["error"]["code"] == "provider.auth"
    assert flow.next_at > now + timedelta(days=1)
    assert events(flow.team_id, "flow.failed") == 1
    alert = Alert.objects.get(team_id=flow.team_id, kind="flow.failed")
    assert (alert.severity, alert.count) == ("critical", 1)
    assert "The key is not taken." in alert.title
    at = flow.next_at
    services.run_flows(now=at)
    work(the_run())
    services.run_flows(now=at)
    alert.refresh_from_db()
    assert alert.ended_at == at


def test_flows_are_switched_run_and_removed(actor, now, db):
    mine = actor()
    make(mine, now, weekdays=[0, 4])
    services.switch_flow(actor=mine, name="nightly", is_on=False, now=now)
    assert services.run_flows(now=now + timedelta(days=30))["started"] == 0
    run, _ = services.run_flow(actor=mine, name="nightly", now=now)
    assert run.flow.name == "nightly"
    with pytest.raises(Conflict):
        services.run_flow(actor=mine, name="nightly", now=now)
    services.delete_flow(actor=mine, name="nightly", now=now)
    assert not Flow.objects.exists()
    assert IngestRun.objects.filter(pk=run.pk).exists()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"name": "No Name"}, Invalid, "no name for a flow"),
        ({"at_utc": "25:00"}, Invalid, "no hour of the day"),
        ({"weekdays": [7]}, Invalid, "0 .Monday. to 6"),
        ({"symbols": ["AAPLX"]}, NotFound, "did you mean"),
        ({"section": "moon"}, NotFound, "it has sp500"),
    ],
)
def test_bad_flows_are_refused(actor, now, db, changes, error, words):
    with pytest.raises(error, match=words):
        make(actor(), now, **changes)
    assert not Flow.objects.exists()


def test_two_schedulers_start_a_due_flow_once(live_db, actor, now):
    flow = make(actor(), now)
    gate, counts = threading.Barrier(2), []

    def tick():
        gate.wait()
        try:
            counts.append(services.run_flows(now=flow.next_at)["started"])
        finally:
            connection.close()

    threads = [threading.Thread(target=tick) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(counts) == [0, 1]
    assert IngestRun.objects.count() == 1


def test_flows_over_rest(api_as, other_team, db):
    client = api_as("researcher")
    body = {**WANTED, "at_utc": "03:00"}
    made = client.post(f"{REST}/flows", data=body, content_type="application/json")
    assert made.status_code == 201, made.content
    assert made.json()["is_on"] is True
    assert [flow["name"] for flow in client.get(f"{REST}/flows").json()] == ["nightly"]
    off = client.patch(
        f"{REST}/flows/nightly", data={"is_on": False}, content_type="application/json"
    )
    assert off.json()["next_at"] is None
    started = client.post(f"{REST}/flows/nightly/run")
    assert started.status_code == 202
    shown = client.get(f"{REST}/ingests/{started.json()['id']}").json()
    assert (shown["flow"], shown["tasks"]["open"]) == ("nightly", 2)
    theirs = api_as("researcher", of=other_team)
    assert theirs.post(f"{REST}/flows/nightly/run").status_code == 404
    assert api_as("viewer").delete(f"{REST}/flows/nightly").status_code == 403
    assert client.delete(f"{REST}/flows/nightly").status_code == 204
