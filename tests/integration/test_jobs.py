"""Jobs survive: claimed once, fenced, handed on, published again."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from apps.core import jobs
from apps.core.errors import Invalid, NotFound, Unavailable
from apps.core.models import Job


@pytest.fixture
def job(actor, now, db):
    return jobs.enqueue(
        actor=actor(),
        kind="test",
        title="A test",
        task="core.sweep_jobs",
        queue="io",
        payload={"n": 1},
        now=now,
    )


def clock_at(moment):
    return lambda: moment


def test_job_runs_once_even_when_delivered_twice(job, now):
    runs = []
    for _ in range(2):
        jobs.execute(str(job.pk), lambda p: runs.append(p.payload), worker="w", now=clock_at(now))
    job.refresh_from_db()
    assert (len(runs), job.status, job.attempt) == (1, "done", 1)


def test_job_that_fails_says_why_and_what_to_do(job, now):
    def work(progress):
        raise Invalid("start lies after end; swap them.", code="dates.reversed")

    assert jobs.execute(str(job.pk), work, worker="w", now=clock_at(now)) == "failed"
    job.refresh_from_db()
    assert job.error["code"] == "dates.reversed"
    assert "swap them" in job.error["message"]


def test_passing_fault_puts_the_job_back_with_a_wait(job, now):
    def work(progress):
        raise Unavailable("the venue is away", retry_after=10)

    assert jobs.execute(str(job.pk), work, worker="w", now=clock_at(now)) == "queued"
    job.refresh_from_db()
    assert job.not_before == now + timedelta(seconds=10)
    assert jobs.claim(job.pk, worker="w", now=now) is None
    assert jobs.claim(job.pk, worker="w", now=now + timedelta(seconds=11)) is not None


def test_killed_worker_loses_its_lease_and_the_job_is_handed_on(job, now):
    first = jobs.claim(job.pk, worker="killed", now=now)
    late = now + jobs.LEASE + timedelta(seconds=1)
    assert jobs.sweep(now=late)["handed_on"] == 1
    second = jobs.claim(job.pk, worker="next", now=late)
    assert second.attempt == 2
    # The first worker comes back to life: it may neither report nor finish.
    stale = jobs.Progress(job.pk, job.team_id, first.attempt, {}, clock_at(late))
    with pytest.raises(jobs.Superseded):
        stale.tell(1, 2)
    assert jobs.finish(first, "done", now=late) is False
    assert jobs.finish(second, "done", now=late) is True


def test_job_whose_worker_always_dies_is_lost_visibly(job, now):
    moment = now
    for _ in range(job.max_attempts):
        assert jobs.claim(job.pk, worker="killed", now=moment)
        moment += jobs.LEASE + timedelta(seconds=1)
        jobs.sweep(now=moment)
    job.refresh_from_db()
    assert job.status == "lost"
    assert "start it again" in job.error["message"]


def test_cancelled_job_stops_at_its_next_report(job, now, actor):
    def work(progress):
        Job.objects.filter(pk=progress.job_id).update(cancel_requested=True)
        progress.tell(1, 10)
        return {"never": True}

    assert jobs.execute(str(job.pk), work, worker="w", now=clock_at(now)) == "cancelled"


def test_a_lease_renewed_in_time_is_not_taken_away(job, now):
    first = jobs.claim(job.pk, worker="slow", now=now)
    late = now + jobs.LEASE + timedelta(seconds=1)
    # The heartbeat came between the sweep's look and its hand.
    Job.objects.filter(pk=job.pk).update(lease_until=late + jobs.LEASE)
    assert jobs._hand_on(first, late) == ""
    assert jobs.finish(first, "done", now=late) is True


def test_a_database_that_restarts_fails_no_job(job, now, monkeypatch):
    def work(progress):
        raise OperationalError("terminating connection due to administrator command")

    monkeypatch.setattr(jobs.connection, "close", lambda: None)  # the test's transaction is on it
    assert jobs.execute(str(job.pk), work, worker="w", now=clock_at(now)) == "queued"
    job.refresh_from_db()
    assert job.error["code"] == "database.away"


def test_jobs_of_another_team_are_not_found(job, other_team):
    with pytest.raises(NotFound):
        jobs.find_job(job.pk, team_id=other_team.pk)


def test_sweep_publishes_what_the_queue_forgot(job, now, monkeypatch):
    sent = []
    monkeypatch.setattr(
        "apps.core.jobs.current_app.send_task", lambda task, **kw: sent.append((task, kw["args"]))
    )
    assert jobs.sweep(now=now)["published"] == 1
    assert jobs.sweep(now=now + timedelta(seconds=5))["published"] == 0
    assert jobs.sweep(now=now + timedelta(seconds=40))["published"] == 1
    assert sent == [("core.sweep_jobs", [str(job.pk)])] * 2
