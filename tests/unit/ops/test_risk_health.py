"""What risk says of itself, judged."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.ops.kernel.risk_health import judge_gradings, judge_live, judge_watch

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def ago(**span):
    return NOW - timedelta(**span)


@pytest.mark.parametrize(
    ("gradings", "red", "status", "words"),
    [
        ([], 0, "ok", "no night"),
        ([(1, ago(hours=7), "done"), (2, ago(hours=6), "running")], 0, "ok", "team 1 7.0 h ago"),
        ([(1, ago(hours=31), "done")], 0, "degraded", "0 failed, 1 late"),
        ([(1, ago(hours=7), "failed")], 0, "degraded", "1 failed, 0 late"),
        ([(1, ago(hours=7), "done")], 2, "degraded", "2 of 5 books stand by a red model"),
    ],
)
def test_gradings(gradings, red, status, words):
    found = judge_gradings(gradings, red=red, books=5, now=NOW)
    assert (found.name, found.status) == ("risk_grades", status)
    assert words in found.summary
    assert bool(found.advice) == (status != "ok")


@pytest.mark.parametrize(
    ("at", "status"),
    [(None, "unknown"), (ago(seconds=2), "ok"), (ago(seconds=61), "degraded")],
)
def test_watch(at, status):
    found = judge_watch(at, now=NOW)
    assert found.status == status
    assert bool(found.advice) == (status != "ok")


@pytest.mark.parametrize(
    ("told", "waiting", "status"),
    [
        (None, None, "ok"),
        (ago(seconds=3), None, "ok"),
        (ago(seconds=3), ago(seconds=1), "ok"),
        (ago(seconds=3), ago(seconds=6), "degraded"),
        (None, ago(seconds=61), "down"),
    ],
)
def test_live(told, waiting, status):
    found = judge_live(told_at=told, lag=0.2, waiting_since=waiting, now=NOW)
    assert found.status == status
    assert bool(found.advice) == (status != "ok")
