"""The look-ahead probe of a version on the sample's bars, and asking again at every close.

The plain way needs no cuts: a strategy is computed once for every close, on the bars so far. Both
must find nothing in a clean strategy. The slowest member of the library and a text in the sandbox
are measured too: a version's probe is to take less than ten seconds.
"""

import os
import time

import numpy as np

from tests.speed.backtest import timed

GOAL_SECONDS, SEED = 10.0, 7
TEXT = """
import numpy as np
import pandas as pd

WARMUP = 60


def targets(panel, params):
    close = pd.DataFrame(panel.close)
    moves = close.pct_change(fill_method=None)
    calm = 1.0 / moves.rolling(60).std()
    share = calm.div(calm.sum(axis=1), axis=0)
    return (share * (close > close.rolling(50).mean())).fillna(0.0).to_numpy()
"""


def library():
    """Return every member with its parameters, and the sample's bars it is probed on."""
    from apps.strategies.kernel.interface import check_params, inputs_of
    from apps.strategies.selectors import get_strategy, list_strategies
    from tests.unit.strategies.panels import crowded, sp500

    for spec in list_strategies():
        if spec.name == "given":
            continue
        strategy = get_strategy(spec.name)
        params = check_params(spec, {})
        reads, warmup = inputs_of(strategy, params), strategy.warmup(params)
        panel = crowded() if {"funding", "open_interest"} & {*reads} else sp500(8)
        bars = min(max(420, 3 * warmup + 300), panel.n_bars)
        yield strategy, params, reads, warmup, panel.rows(panel.n_bars - bars, panel.n_bars)


def probed(subject, panel, warmup, reads, errors):
    """Return the report of a probe."""
    from apps.strategies.kernel.probe import Plan, Sheet, probe

    return probe(subject, Sheet(panel), Plan(warmup, SEED, reads=reads, errors=errors))


def at_every_close(strategy, params, panel, warmup):
    """Tell whether targets at every close are those of the whole, asked of the bars so far."""
    whole = strategy.targets(panel, params)
    return all(
        np.allclose(
            whole[count - 1], strategy.targets(panel.rows(0, count), params)[-1],
            rtol=1e-9, equal_nan=True,
        )
        for count in range(warmup + 1, panel.n_bars + 1)
    )  # fmt: skip


def in_the_sandbox():
    """Return the seconds a text's probe takes, None where the sandbox does not hold."""
    from apps.strategies.kernel.user_code import read
    from apps.strategies.sandbox.base import Stopped
    from apps.strategies.sandbox.own import OwnStrategy
    from apps.strategies.sandbox.probing import OwnSubject
    from apps.strategies.selectors import sandbox
    from tests.unit.strategies.panels import sp500

    if not sandbox().status().holds:
        return None
    panel = sp500(8).rows(0, 480)
    began = time.perf_counter()
    strategy = OwnStrategy(read("mine", TEXT), TEXT, sandbox(), lambda _: None)
    report = probed(OwnSubject(strategy, {}), panel, 60, (), (Stopped,))
    strategy.finish()
    assert report.passed, report
    return time.perf_counter() - began


def probe_overhead():
    """Seconds of a version's probe: features and targets, all inputs, twelve cuts, warm-up."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings.test")
    django.setup()
    from apps.strategies.kernel.probe.subjects import ERRORS, LibrarySubject

    slowest, mine = 0.0, {}
    for strategy, params, reads, warmup, panel in library():
        subject = LibrarySubject(strategy, params)
        subject.outputs(panel)  # compiled at first use, once for all versions
        began = time.perf_counter()
        report = probed(subject, panel, warmup, reads, ERRORS)
        seconds = time.perf_counter() - began
        assert report.passed, (strategy.spec.name, report)
        slowest = max(slowest, seconds)
        mine[strategy.spec.name] = (strategy, params, reads, warmup, panel)
    strategy, params, reads, warmup, panel = mine["time_series_momentum"]
    lab = timed(lambda: probed(LibrarySubject(strategy, params), panel, warmup, reads, ERRORS))
    plain = timed(lambda: at_every_close(strategy, params, panel, warmup))
    assert at_every_close(strategy, params, panel, warmup)
    return {
        "name": "probe_overhead",
        "value": round(lab, 4),
        "unit": "s",
        "peer": "asked again at every close, targets only",
        "peer_value": round(plain, 4),
        "ratio": round(plain / lab, 2),
        "goal": f"every version below {GOAL_SECONDS:g} s",
        "slowest_member_s": round(slowest, 3),
        "text_in_sandbox_s": in_the_sandbox(),
        "checked": bool(slowest < GOAL_SECONDS),
    }
