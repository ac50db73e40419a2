"""The emergency stop's state machine: every change of state, computed by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.risk.kernel import stops
from apps.risk.kernel.limits import DEFAULT, OFF, WIDE

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
# Trips at 20 % below the peak or 15 % lost in a day; warns at 16 % and 12 %.
POLICY = stops.policy_of(DEFAULT)
HOUR = timedelta(hours=1)


def after(equities, *, policy=POLICY, first=100.0):
    """States and events after looks at equities, given as (equity, day)."""
    watch, seen = stops.begin(first, MONDAY), []
    for equity, day in equities:
        watch, event = stops.look(watch, policy, equity=equity, day=day, now=NOW)
        seen.append((watch.state, event))
    return watch, seen


def test_the_defaults_are_those_of_the_limit_sets():
    assert (POLICY.drawdown, POLICY.daily_loss, POLICY.warning) == (0.20, 0.15, 0.8)
    assert POLICY.cool_down == HOUR
    assert stops.policy_of(WIDE).drawdown == 0.5
    assert not stops.policy_of(OFF).is_on


def test_a_loss_in_one_day_warns_then_trips():
    watch, seen = after([(89.0, MONDAY), (88.0, MONDAY), (85.01, MONDAY), (85.0, MONDAY)])
    assert seen == [("ok", ""), ("warning", "warned"), ("warning", ""), ("active", "tripped")]
    assert watch.cause == "15.0% lost since the day began; the stop is at 15.0%"
    assert watch.blocks


def test_a_drawdown_over_days_trips_without_a_bad_day():
    watch, seen = after([(90.0, MONDAY), (80.5, TUESDAY), (80.0, TUESDAY)])
    # 80.5 is 10.6 % below Monday's 90, 19.5 % below the peak.
    assert [state for state, _ in seen] == ["ok", "warning", "active"]
    assert watch.drawdown == pytest.approx(0.20)
    assert watch.daily_loss == pytest.approx(1 - 80 / 90)


def test_a_new_peak_moves_what_equity_is_held_against():
    watch, seen = after([(150.0, MONDAY), (130.0, TUESDAY), (121.0, TUESDAY), (120.0, TUESDAY)])
    assert (watch.peak, watch.day_start) == (150.0, 150.0)
    assert seen[1] == ("warning", "warned"), "13.3 % of a day's loss"
    assert seen[2] == ("active", "tripped"), "19.3 % in a day"


def test_a_warning_eases():
    _, seen = after([(87.0, MONDAY), (95.0, MONDAY)])
    assert seen == [("warning", "warned"), ("ok", "eased")]


def test_active_holds_however_well_it_goes():
    watch, seen = after([(70.0, MONDAY), (500.0, TUESDAY)])
    assert seen[-1] == ("active", "")
    assert (watch.peak, watch.equity) == (100.0, 500.0), "the page shows what tripped it"


def test_resumed_it_cools_down_and_counts_anew():
    active, _ = after([(70.0, MONDAY)])
    cooling = stops.resume(active, POLICY, NOW)
    assert (cooling.state, cooling.peak, cooling.day_start) == ("cooldown", 70.0, 70.0)
    assert cooling.cool_until == NOW + HOUR
    assert cooling.blocks
    still, event = stops.look(cooling, POLICY, equity=69.0, day=MONDAY, now=NOW + HOUR / 2)
    assert (still.state, event) == ("cooldown", "")
    over, event = stops.look(still, POLICY, equity=69.0, day=MONDAY, now=NOW + HOUR)
    assert (over.state, event, over.cool_until) == ("ok", "ended", None)


def test_a_loss_within_the_cool_down_trips_again():
    active, _ = after([(70.0, MONDAY)])
    again, event = stops.look(
        stops.resume(active, POLICY, NOW), POLICY, equity=59.5, day=MONDAY, now=NOW
    )
    assert (again.state, event) == ("active", "tripped"), "15 % of 70"


def test_without_a_cool_down_a_resume_ends_it():
    active, _ = after([(70.0, MONDAY)])
    assert stops.resume(active, stops.Policy(drawdown=0.2), NOW).state == "ok"


def test_money_that_comes_in_is_no_gain_and_hides_no_loss():
    watch = stops.begin(100.0, MONDAY)
    watch, event = stops.look(watch, POLICY, equity=181.0, day=MONDAY, now=NOW, flow=100.0)
    assert (watch.peak, watch.day_start, event) == (200.0, 200.0, "")
    _, event = stops.look(watch, POLICY, equity=170.0, day=MONDAY, now=NOW)
    assert event == "tripped"


@pytest.mark.parametrize("equity", [float("nan"), float("inf"), float("-inf")])
def test_an_unknown_equity_changes_nothing(equity):
    before = stops.begin(100.0, MONDAY)
    assert stops.look(before, POLICY, equity=equity, day=TUESDAY, now=NOW) == (before, "")


def test_an_equity_below_nothing_is_more_than_all_lost():
    watch, _ = after([(-50.0, MONDAY)])
    assert watch.state == "active"
    assert stops.used(watch, POLICY) == pytest.approx(1.5 / 0.15)


def test_a_policy_switched_off_frees_no_active_stop():
    active, _ = after([(70.0, MONDAY)])
    off = stops.policy_of(OFF)
    assert stops.look(active, off, equity=70.0, day=MONDAY, now=NOW)[0].state == "active"
    assert after([(1.0, MONDAY)], policy=off)[1] == [("ok", "")]


@given(st.lists(st.floats(0.01, 1e9), min_size=1, max_size=30))
def test_it_trips_exactly_when_a_threshold_is_reached(equities):
    watch = stops.begin(100.0, MONDAY)
    peak, policy = 100.0, stops.Policy(drawdown=0.2)
    for equity in equities:
        peak = max(peak, equity)
        watch, event = stops.look(watch, policy, equity=equity, day=MONDAY, now=NOW)
        if 1.0 - equity / peak >= 0.2 - 1e-9:
            assert event == "tripped"
            return
        assert event == ""
