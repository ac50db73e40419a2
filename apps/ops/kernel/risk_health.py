"""How risk is: pure judgements of gradings, red models, the stops' watcher, live risk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from apps.ops.kernel.health import State

# A night's grading is queued once a day; this much later one is missing.
GRADING_LATE = timedelta(hours=30)
WATCH_LATE = timedelta(seconds=60)
LIVE_LATE, LIVE_LOST = timedelta(seconds=5), timedelta(seconds=60)
FAILED = ("failed", "lost", "blocked_no_isolation")
STREAM = "Look at the stream process, which does this: manage.py stream."


def judge_gradings(
    gradings: Sequence[tuple[int, datetime, str]], *, red: int, books: int, now: datetime
) -> State:
    """Return how the models' grading is.

    Parameters
    ----------
    gradings
        Of each team its number, when its newest night was queued, and how that stands.
    red, books
        How many books stand by a red model, of how many graded ones.
    """
    ages = {str(team): round((now - at).total_seconds(), 1) for team, at, _ in gradings}
    detail = {"age_seconds": ages, "red": red, "books": books}
    if not gradings:
        words = "no night was graded yet: it begins after 02:00 UTC"
        return State("risk_grades", "ok", words, detail=detail)
    told = [f"team {team} {_hours(now - at)} ago" for team, at, _ in gradings[:10]]
    words = f"graded: {', '.join(told)}; {red} of {books} books stand by a red model"
    failed = sum(status in FAILED for _, _, status in gradings)
    late = sum(now - at > GRADING_LATE for _, at, _ in gradings)
    if failed or late:
        advice = "See Jobs for why, and grade anew on Risk, Model grades."
        return State("risk_grades", "degraded", f"{failed} failed, {late} late; {words}", advice)
    if red:
        advice = "All models of these books are red: look at Model grades, and trade smaller."
        return State("risk_grades", "degraded", words, advice, detail=detail)
    return State("risk_grades", "ok", words, detail=detail)


def _hours(age: timedelta) -> str:
    return f"{max(age.total_seconds(), 0.0) / 3600:.1f} h"


def judge_watch(watched_at: datetime | None, *, now: datetime) -> State:
    """Return how the watch over the emergency stops is."""
    if watched_at is None:
        words = "nobody has looked at the emergency stops within the hour"
        return State("risk_stops", "unknown", words, STREAM)
    age = now - watched_at
    words = f"looked at {max(age.total_seconds(), 0.0):.1f} s ago"
    if age > WATCH_LATE:
        return State("risk_stops", "degraded", words, STREAM)
    return State("risk_stops", "ok", words)


def judge_live(
    *, told_at: datetime | None, lag: float, waiting_since: datetime | None, now: datetime
) -> State:
    """Return how soon changes of live risk are told.

    ``lag``: seconds from the oldest change to its message, when last something was told at all.
    """
    waiting = timedelta(0) if waiting_since is None else now - waiting_since
    if waiting > LIVE_LATE:
        status = "down" if waiting > LIVE_LOST else "degraded"
        words = f"a change has waited {waiting.total_seconds():.0f} s to be told"
        return State("risk_live", status, words, STREAM)
    if told_at is None:
        return State("risk_live", "ok", "nothing to tell within the hour")
    words = f"last told {(now - told_at).total_seconds():.0f} s ago, {lag:.2f} s after the change"
    return State("risk_live", "ok", words)
