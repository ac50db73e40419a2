"""Tokens shared by workers: the joint rate holds, whoever asks and however fast.

Time is a number the tests count up, so that nothing depends on the speed of the machine.
"""

import itertools
import os
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core import buckets
from apps.core.kernel.limits import Limit, LocalGate, Tokens

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAMES = itertools.count()
# A worker: takes whatever it gets at each tick of a shared time, and says how much.
WORKER = """
import sys
from datetime import datetime, timedelta
import django
django.setup()
from django.conf import settings
from apps.core import buckets
from apps.core.kernel.limits import Limit
settings.REDIS_URL, name = sys.argv[1], sys.argv[2]
start, limits = datetime.fromisoformat(sys.argv[3]), [Limit(10, 7.0), Limit(3, 1.0)]
for tick in range(60):
    while not buckets.take(name, limits, now=start + timedelta(seconds=tick / 2)):
        print(tick)
"""


@pytest.fixture
def name(servers):
    servers.use()
    buckets.local.taken.clear()
    buckets.local.paused.clear()
    return f"test:{next(NAMES)}"


def most_within(grants, seconds):
    """Return the most grants that any stretch of this length saw."""
    grants = sorted(grants)
    return max(
        sum(1 for other in grants if at <= other < at + seconds) for at in (grants or [0.0])
    )


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def test_a_bucket_is_spent_and_fills_again(name):
    limits = [Limit(3, 10.0)]
    assert [buckets.take(name, limits, now=later(i)) for i in (0, 1, 2)] == [0, 0, 0]
    assert buckets.take(name, limits, now=later(3)) == 7.0
    assert buckets.take(name, limits, now=later(9.5)) == 0.5
    assert buckets.take(name, limits, now=later(10)) == 0
    assert buckets.take(name, limits, now=later(10)) == 1.0


def test_every_limit_must_have_a_token_and_none_is_lost_on_the_way(name):
    limits = [Limit(2, 1.0), Limit(3, 60.0)]
    assert [buckets.take(name, limits, now=later(0)) for _ in range(3)] == [0, 0, 1.0]
    # The refusal took nothing from the wider limit.
    assert buckets.take(name, limits, now=later(2)) == 0
    assert buckets.take(name, limits, now=later(4)) == 56.0


def test_a_dear_request_takes_several_tokens(name):
    limits = [Limit(10, 60.0)]
    assert buckets.take(name, limits, now=later(0), cost=8) == 0
    assert buckets.take(name, limits, now=later(1), cost=3) == 59.0
    assert buckets.take(name, limits, now=later(1), cost=2) == 0
    # One that costs more than all there is waits for all there is.
    assert buckets.take(name, limits, now=later(2), cost=99) == 59.0
    assert buckets.take(name, limits, now=later(61), cost=99) == 0


def test_a_pause_stops_everybody_and_a_shorter_one_changes_nothing(name):
    limits = [Limit(100, 60.0)]
    buckets.pause(name, 30, now=later(0))
    buckets.pause(name, 5, now=later(1))
    assert buckets.take(name, limits, now=later(10)) == 20.0
    assert buckets.left(name, limits, now=later(10))[0].remaining == 0
    assert buckets.take(name, limits, now=later(30)) == 0


def test_keys_have_buckets_of_their_own_that_tell_nothing_of_them(name):
    one, two = {"api_key": "first-key-of-all"}, {"api_key": "second-key-of-all"}
    assert buckets.name_of("fmp", one) != buckets.name_of("fmp", two)
    assert "first-key" not in buckets.name_of("fmp", one)
    gate, limits = buckets.SharedGate(), [Limit(1, 60.0)]
    assert gate.take(name, one, limits, now=NOW) == 0
    assert gate.take(name, one, limits, now=NOW) == 60.0
    assert gate.take(name, two, limits, now=NOW) == 0


def test_what_is_left_is_told(name):
    limits = [Limit(5, 60.0), Limit(2, 1.0)]
    assert [quota.remaining for quota in buckets.left(name, limits, now=NOW)] == [5, 2]
    buckets.take(name, limits, now=NOW)
    wide, narrow = buckets.left(name, limits, now=later(2))
    assert (wide.remaining, wide.reset_seconds) == (4, 58.0)
    assert (narrow.remaining, narrow.reset_seconds) == (2, 0.0)


def test_threads_share_a_bucket(name):
    granted, lock = [], threading.Lock()

    def work():
        for tick in range(40):
            at = tick / 4
            if not buckets.take(name, [Limit(4, 2.0)], now=later(at)):
                with lock:
                    granted.append(at)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Ten seconds have five stretches of two; a thread that lags counts as the newest time known.
    assert 4 <= len(granted) <= 5 * 4
    stamps = [int(stamp) for stamp in buckets.client().lrange(f"bucket:{{{name}}}:4/2", 0, -1)]
    assert stamps == sorted(stamps, reverse=True)


def test_processes_share_a_bucket(name, servers):
    command = [sys.executable, "-c", WORKER, servers.redis_url, name, NOW.isoformat()]
    environment = {"QUANTSITE_ENV": "test", "DJANGO_SETTINGS_MODULE": "quantsite.settings"}
    workers = [
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    ticks = [
        int(line) for worker in workers for line in worker.communicate(timeout=120)[0].split()
    ]
    assert all(worker.returncode == 0 for worker in workers)
    # Half a minute: at most 10 in any 7 s and 3 in any second, all workers together.
    assert 10 <= len(ticks) <= 10 * 5
    assert max(Counter(tick // 2 for tick in ticks).values()) <= 2 * 3


@given(asked=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_stretch_ever_sees_more_than_the_limit(asked):
    tokens, limit, at, granted = Tokens(), Limit(8, 5.0), 0.0, []
    share = limit.share
    for pause, cost in asked:
        at += pause
        if not tokens.take("x", [limit], int(at * 1e6), cost):
            granted += [at] * min(cost, share.requests)
    assert most_within(granted, share.seconds - 1e-5) <= share.requests


def test_without_redis_a_process_uses_a_quarter(name, monkeypatch):
    def away():
        raise redis.ConnectionError("away")

    monkeypatch.setattr(buckets, "_redis", away)
    assert [buckets.take(name, [Limit(8, 60.0)], now=NOW) for _ in range(3)] == [0, 0, 60.0]
    # One request in 15 s among four processes is one a minute for each.
    slow = [Limit(1, 15.0)]
    assert [buckets.take(f"{name}s", slow, now=later(i)) for i in (0, 15, 60)] == [0, 45.0, 0]
    buckets.pause(name, 100, now=NOW)
    assert buckets.take(name, [Limit(8, 60.0)], now=later(61)) == 39.0
    assert buckets.left(name, [Limit(8, 60.0)], now=later(61))[0].remaining == 0


def test_what_redis_granted_counts_when_it_goes_away(name, monkeypatch):
    limits = [Limit(8, 60.0)]
    assert [buckets.take(name, limits, now=NOW) for _ in range(2)] == [0, 0]

    def away():
        raise redis.ConnectionError("away")

    monkeypatch.setattr(buckets, "_redis", away)
    assert buckets.take(name, limits, now=later(1)) == 59.0


def test_a_gate_without_redis_is_careful_too():
    gate, limits = LocalGate(), [Limit(4, 60.0)]
    assert gate.take("x", {}, limits, now=NOW) == 0
    assert gate.take("x", {}, limits, now=NOW) == 60.0
    gate.pause("x", {}, 90, now=NOW)
    assert gate.take("x", {}, limits, now=later(61)) == 29.0
    assert "secret" not in repr(gate)
