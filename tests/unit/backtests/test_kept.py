"""A session put away as JSON after every bar goes on as one that was never put away."""

import json

import numpy as np
from hypothesis import given, settings

from apps.backtests.kernel import engine
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.kept import KeptSession, empty_book, put_away, take_out
from apps.strategies.kernel.orders import as_intents
from tests.unit.backtests.test_full_gears import busy_worlds, decide_with


def play_by_bar(panel, decide, *, cash, costs, execution, fill, limits):
    kept = empty_book(panel.n_assets, cash)
    wanted = np.full(panel.n_assets, np.nan)
    memory, curve, fills = {}, [], []
    for i in range(panel.n_bars):
        session = KeptSession(
            panel.rows(max(i - 1, 0), i + 1),
            cash=cash,
            costs=costs,
            execution=execution,
            rule=get_fill_rule(fill),
            units="fractional",
            limits=limits,
        )
        take_out(session, kept)
        session.want(wanted)
        session.advance()
        found = session.fills_since(0)
        fills += [
            (i, *key[1:], *row)
            for key, row in zip(found.key.tolist(), found.value.tolist(), strict=True)
        ]
        curve.append((session.equity, session.money[0]))
        session.follow(as_intents(decide(session.view({}, memory, i))))
        wanted = session.wanted
        kept = json.loads(json.dumps(put_away(session), allow_nan=False))
        memory = json.loads(json.dumps(memory))
    return np.array(curve), fills


@given(busy_worlds())
@settings(max_examples=40, deadline=None)
def test_a_session_put_away_after_every_bar_gives_the_same_to_the_bit(world):
    panel, targets, orders, terms = world
    decide = decide_with(targets, orders)
    whole = engine.run_events(panel, {}, decide, full=True, **terms)
    curve, fills = play_by_bar(panel, decide, **terms)
    np.testing.assert_array_equal(curve, np.column_stack((whole.equity, whole.cash)))
    keys, values = whole.fills.key.tolist(), whole.fills.value.tolist()
    assert fills == [(*key, *value) for key, value in zip(keys, values, strict=True)]
