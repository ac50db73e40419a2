"""The order state machine: what is possible, and that nothing leaves a final state."""

import itertools

import pytest

from apps.core.errors import Conflict
from apps.trading.kernel import order_states as states

EVENTS = sorted({event for _, event in states.NEXT})


def after(*events, start=states.CREATED):
    for event in events:
        start = states.advance(start, event)
    return start


def test_the_ordinary_way():
    assert after("submit") == states.SUBMITTED
    assert after("submit", "accept", "fill") == states.FILLED
    assert after("submit", "accept", "part_fill", "part_fill", "fill") == states.FILLED


def test_an_order_that_was_never_sent_can_be_cancelled_but_not_filled():
    assert after("cancel") == states.CANCELLED
    with pytest.raises(Conflict) as caught:
        after("fill")
    assert caught.value.code == "order.state"


def test_a_missing_answer_stays_unknown_until_there_is_evidence():
    assert after("submit", "lose") == states.UNKNOWN
    for event in ("submit", "expire", "lose"):
        with pytest.raises(Conflict):
            states.advance(states.UNKNOWN, event)
    assert after("accept", start=states.UNKNOWN) == states.ACCEPTED
    assert after("fill", start=states.UNKNOWN) == states.FILLED


@pytest.mark.parametrize(("state", "event"), [*itertools.product(sorted(states.FINAL), EVENTS)])
def test_final_is_final(state, event):
    with pytest.raises(Conflict):
        states.advance(state, event)


def test_every_working_state_reaches_an_end():
    for start in states.WORKING:
        seen, waiting = set(), {start}
        while waiting:
            seen |= waiting
            waiting = {to for (of, _), to in states.NEXT.items() if of in seen} - seen
        assert seen & states.FINAL


def test_all_states_are_known():
    used = {state for state, _ in states.NEXT} | set(states.NEXT.values())
    assert used | {states.REFUSED} == set(states.STATES)
