"""A policy that changed is followed by a worker that was running before."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from apps.approvals import services
from apps.approvals.models import Lapse
from apps.audit import selectors as audit
from apps.core import clock
from apps.core.actors import system
from tests.factories import signing

ROOT = Path(__file__).parents[2]
PATIENCE = 90


@pytest.fixture
def worker(live_db, servers, tmp_path):
    """A worker process of its own, on a queue that nobody else listens to."""
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "LAB_HOME": str(servers.home),
        "DATABASE_URL": servers.dsn("app"),
        "REDIS_URL": servers.redis_url,
    }
    command = [sys.executable, "-m", "celery", "-A", "celery_worker.app", "worker"]
    command += ["-P", "solo", "-Q", "settings-test", "--without-gossip", "--without-mingle"]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        yield process
        process.terminate()
        process.wait(timeout=PATIENCE)


def ask_for_a_round():
    from celery_worker.app import app

    app.send_task("approvals.expire", queue="settings-test")


def wait_until(holds):
    until = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < until:
        time.sleep(0.1)
    return holds()


def test_a_running_worker_follows_a_changed_policy(worker, team, actor):
    now = clock.now()
    made = services.propose(
        actor=actor("researcher"),
        kind="promotion",
        subject="model:1",
        title="Reviewed too late",
        digest="a" * 64,
        evidence={"trades": 100, "probe_passed": True, "deflated_sharpe": 0.99},
        rationale="It held out of sample.",
        target_stage="paper",
        terms={"review_on": (now - timedelta(days=5)).date().isoformat()},
        now=now,
    )
    signing.decide(actor("validator"), made, now)

    def told():
        return audit.list_events(team_id=team.pk, action="approval.review_due").exists()

    ask_for_a_round()
    assert wait_until(told), "the worker has begun"
    assert not Lapse.objects.exists(), "14 days of grace"
    services.set_setting(
        actor=system("tests", team.pk), key="approvals.review_grace_days", value=0, now=now
    )
    ask_for_a_round()
    assert wait_until(Lapse.objects.exists)
    assert Lapse.objects.get().reason == "review"
    assert worker.poll() is None, "it is the same process"
