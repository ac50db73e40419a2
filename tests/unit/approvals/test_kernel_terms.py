"""What an approval covers and when it ends."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.approvals.kernel import terms
from apps.approvals.kernel.changes import changes_of

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
AGREED = {
    "version": "a" * 64,
    "code": "b" * 64,
    "parameters": {"fast": 10, "slow": 30.0},
    "engine": "engine 1",
    "data": {"run": "r", "digest": "c" * 64, "costs": {}, "revised": False},
    "costs": {"fee_bps": 5.0},
    "limits": {"max_positions": 20},
    "account": 7,
}


@pytest.mark.parametrize("name", sorted(terms.COVERED))
def test_a_change_of_any_covered_term_is_named(name):
    assert terms.changed(AGREED, AGREED) == []
    assert terms.changed(AGREED, {**AGREED, name: "another"}) == [name]
    assert terms.changed(AGREED, {**AGREED, name: None}) == [name]


def test_a_term_left_open_covers_nothing():
    assert terms.changed({**AGREED, "account": None}, {**AGREED, "account": 9}) == []


@pytest.mark.parametrize(
    ("given", "later", "reason"),
    [
        ({}, timedelta(days=10_000), ""),
        ({"valid_until": NOW.isoformat()}, timedelta(0), "expired"),
        ({"valid_until": NOW.isoformat()}, -timedelta(microseconds=1), ""),
        ({"review_on": "2026-01-05"}, timedelta(days=14), ""),
        ({"review_on": "2026-01-05"}, timedelta(days=15), "review"),
        ({"valid_until": NOW.isoformat(), "review_on": "2025-01-01"}, timedelta(0), "expired"),
    ],
)
def test_when_an_approval_ends(given, later, reason):
    assert terms.lapse_reason(given, NOW + later, 14) == reason


def test_a_review_is_due_on_its_day():
    assert terms.is_review_due({"review_on": "2026-01-05"}, NOW)
    assert not terms.is_review_due({"review_on": "2026-01-06"}, NOW)
    assert not terms.is_review_due({}, NOW)


def test_values_are_compared_part_by_part():
    before = [{"name": "pbo", "mode": "off", "threshold": 0.2}, {"name": "probe", "mode": "off"}]
    after = [{"name": "probe", "mode": "on"}, {"name": "pbo", "mode": "off", "threshold": 0.2}]
    assert changes_of(before, after) == [{"name": "probe.mode", "before": "off", "after": "on"}]
    assert changes_of(14, 7) == [{"name": "value", "before": 14, "after": 7}]
    assert changes_of({"a": [1, 2]}, {"a": [1]}) == [{"name": "a.1", "before": 2, "after": None}]
    assert changes_of({"a": 1}, {"a": 1}) == []


def test_a_limit_that_came_later_and_is_off_changes_nothing():
    limits = {"max_positions": 5, "max_leverage": None}
    now = {"limits": {"max_positions": 5, "came_later": None}}
    assert terms.changed({"limits": limits}, now) == []
    now["limits"]["came_later"] = 2.0
    assert terms.changed({"limits": limits}, now) == ["limits"]
