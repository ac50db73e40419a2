"""The stream process: killed, started again, stopped; nothing twice, nothing left out."""

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Count

from apps.core import clock
from apps.core.actors import system
from apps.market.models import FeedSession
from apps.trading import services, store
from apps.trading.models import Account, Order
from tests.factories import trading

ROOT = Path(__file__).parents[2]
SKIPPED = 400


@pytest.fixture
def feed(sample, live_db):
    """A quick feed, the only one that runs while the test does."""
    others = FeedSession.objects.filter(status="running")
    running = list(others.values_list("pk", flat=True))
    others.update(status="paused")
    made = trading.make_feed(clock.now(), name="stream-feed", skip=SKIPPED)
    FeedSession.objects.filter(pk=made.pk).update(seconds_per_bar=0.05)
    yield made
    made.delete()
    FeedSession.objects.filter(pk__in=running).update(status="running")


@pytest.fixture
def deployment(feed, team):
    now = clock.now()
    version = trading.make_version(
        team, now, "momentum_12_1", {"top": 8, "lookback": 60, "skip": 5, "rebalance": "weekly"}
    )
    account = trading.make_account(team, now, feed=feed.name)
    return services.deploy(
        actor=system("tests", team.pk),
        version_id=version.id,
        account_id=account.pk,
        allocation=Decimal(50_000),
        now=now,
    )


def start(servers):
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "LAB_HOME": str(servers.home),
        "DATABASE_URL": servers.dsn("app"),
        "REDIS_URL": servers.redis_url,
    }
    command = [sys.executable, "manage.py", "stream"]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def wait_for_bars(feed, bars, process, seconds=90):
    until = time.monotonic() + seconds
    while True:
        feed.refresh_from_db()
        if feed.bars_done >= bars:
            return
        assert process.poll() is None, "the stream died by itself"
        assert time.monotonic() < until, f"only {feed.bars_done} bars"
        time.sleep(0.05)


def test_a_killed_stream_goes_on_without_doing_anything_twice(feed, deployment, servers):
    for kills in (1, 2):
        process = start(servers)
        try:
            wait_for_bars(feed, SKIPPED + 12 * kills, process)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=60)
    process = start(servers)
    wait_for_bars(feed, SKIPPED + 40, process)
    process.terminate()
    assert process.wait(timeout=60) == 0
    services.catch_up(feed_name=feed.name, now=clock.now())
    feed.refresh_from_db()
    account = Account.objects.get(pk=deployment.account_id)
    assert account.last_bar_at == feed.position_at
    bars = feed.bars_done - SKIPPED
    for number in (0, deployment.pk):
        curve = store.read_points(account.pk, 1, deployment_id=number)
        assert len(curve) == bars
        assert (curve.ts[1:] > curve.ts[:-1]).all()
    orders = Order.objects.filter(deployment=deployment)
    twice = orders.values("symbol", "bar_at").annotate(n=Count("pk")).filter(n__gt=1)
    assert orders.filter(state="filled").exists()
    assert list(twice) == []
    assert not orders.filter(state="filled", fills=None).exists()
    assert not orders.annotate(n=Count("fills")).filter(n__gt=1).exists()
