"""Health and alerts are pure decisions."""

from apps.ops.kernel.alert_rules import End, Raise, decide_alerts
from apps.ops.kernel.health import State, judge_lag, judge_processes, judge_served, worst


def test_worst_is_the_worst():
    states = [State("a", "ok", ""), State("b", "degraded", ""), State("c", "unknown", "")]
    assert worst(states) == "degraded"
    assert worst([]) == "unknown"


def test_missing_process_is_down_with_advice():
    (state,) = judge_processes({}, {"stream": 1}, mend={"stream": "Start it."})
    assert (state.status, state.advice) == ("down", "Start it.")


def test_queue_without_a_worker_is_down():
    worker = State("worker", "ok", "1 alive")
    state = judge_served(worker, {"io"}, ("io", "ai"), advice="Start a worker.")
    assert state.status == "down"
    assert "nobody serves ai" in state.summary


def test_lag_grows_from_ok_to_down():
    limits = {"degraded": 5, "down": 60, "advice": "Look."}
    statuses = [judge_lag("x", lag, **limits).status for lag in (None, 4.9, 5, 60)]
    assert statuses == ["ok", "ok", "degraded", "down"]


def test_alert_needs_two_bad_samples_and_ends_on_a_good_one():
    bad = State("redis", "down", "no answer", "Start Redis.")
    assert decide_alerts([bad], frozenset(), before={"redis": "ok"}) == []
    raised = decide_alerts([bad], frozenset(), before={"redis": "down"})
    assert raised == [
        Raise("health.redis", "critical", "redis is down: no answer", "Start Redis.")
    ]
    open_keys = frozenset({"health.redis"})
    assert decide_alerts([bad], open_keys, before={"redis": "down"}) == []
    good = State("redis", "ok", "answers")
    assert decide_alerts([good], open_keys, before={"redis": "down"}) == [End("health.redis")]
