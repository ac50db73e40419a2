"""Every strategy of the library on slices of real bars: both gears alike, nothing known ahead."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.backtests.kernel import engine
from apps.backtests.kernel.execution import Execution
from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS
from apps.strategies.kernel.decisions import decisions_of, places_orders
from apps.strategies.kernel.interface import check_panel, check_params
from apps.strategies.selectors import get_strategy
from tests.unit.backtests.test_full_gears import EVERYTHING
from tests.unit.strategies.panels import crowded, sp500

CENT = 0.005
PLAIN = {"fee_bps": 5.0, "slippage_bps": 5.0}
CAPPED = Execution(participation=0.05, leverage=1.5, trailing_stop=0.1)
TERMS = {
    "stocks": [PLAIN, {"costs": EVERYTHING}, {"costs": EVERYTHING, "execution": CAPPED}],
    "perpetuals": [PLAIN, {"costs": replace(EVERYTHING, funding=True)}],
}
GUARDED = {"donchian_breakout": {"protect": True}, "geometric_breakout": {"protect": True}}
NAMES = sorted(set(django_settings.STRATEGY_LIBRARY) - {"given"})
CASES = [(name, {}) for name in NAMES] + list(GUARDED.items())
# Bars after the warm-up that a slice holds at least, and at most.
FEWEST, MOST = 30, 120
# A slice that fails is told as it is: making it smaller takes longer than reading it.
QUICK = settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


@cache
def real_bars(which):
    """Twelve S&P names through 2008, with gaps; or three perpetuals by the hour, with funding."""
    if which == "stocks":
        return sp500(12, "2007-06-01", "2010-01-01")
    panel = crowded()
    return replace(panel, extras={n: panel.extras[n] for n in ("funding", "open_interest")})


def column(panel, at):
    """Return one instrument, from its first bar to its last."""
    there = np.flatnonzero(np.isfinite(panel.close[:, at]))
    rows, cut = slice(there[0], there[-1] + 1), slice(at, at + 1)
    fields = {n: np.ascontiguousarray(getattr(panel, n)[rows, cut]) for n in FIELDS}
    extras = {n: np.ascontiguousarray(a[rows, cut]) for n, a in panel.extras.items()}
    return replace(panel, symbols=(panel.symbols[at],), ts=panel.ts[rows], **fields, extras=extras)


@st.composite
def situations(draw):
    """Draw which bars, which instrument of them, where they begin, how many, and which terms."""
    which = draw(st.sampled_from(sorted(TERMS)))
    terms = draw(st.integers(0, len(TERMS[which]) - 1))
    bars = draw(st.integers(FEWEST, MOST))
    return which, draw(st.integers(0, 2)), draw(st.floats(0, 1)), bars, terms


def laid_out(strategy, params, situation):
    """Return the slice and the terms; None when the strategy does not take the slice."""
    which, at, share, bars, terms = situation
    panel = real_bars(which)
    if strategy.spec.single_asset:
        panel = column(panel, at)
    length = min(strategy.warmup(params) + bars, panel.n_bars)
    start = int((panel.n_bars - length) * share)
    panel = panel.rows(start, start + length)
    return (panel, TERMS[which][terms]) if takes(strategy, params, panel) else None


def takes(strategy, params, panel):
    try:
        check_panel(strategy.spec, strategy.warmup(params), panel)
        strategy.prepare(panel, params)
    except Invalid:
        return False
    return True


def by_event(strategy, params, panel, terms):
    features = strategy.prepare(panel, params)
    full = places_orders(strategy, params)
    return engine.run_events(
        panel, features, lambda view: strategy.decide(view, params), cash=1e5, full=full, **terms
    )


def same_to_the_cent(one, two):
    np.testing.assert_array_equal(one.fills.key[:, :2], two.fills.key[:, :2])
    np.testing.assert_allclose(one.fills.quantity, two.fills.quantity, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.fills.price, two.fills.price, rtol=1e-9)
    np.testing.assert_allclose(one.fills.fee, two.fills.fee, rtol=0, atol=CENT)
    for name in ("equity", "cash"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=0, atol=CENT)


@pytest.mark.parametrize(("name", "given_params"), CASES, ids=str)
def test_both_gears_give_the_same_to_the_cent(name, given_params):
    strategy = get_strategy(name)
    params = check_params(strategy.spec, given_params)
    played = 0

    @given(situations())
    @QUICK
    def check(situation):
        nonlocal played
        if laid := laid_out(strategy, params, situation):
            panel, terms = laid
            decided = decisions_of(strategy, panel, params)
            array = engine.run(panel, decided, cash=1e5, **terms)
            same_to_the_cent(array, by_event(strategy, params, panel, terms))
            played += 1

    check()
    assert played, "no slice was taken"


def scrambled(panel, cut, rng, *, keep_open):
    """Return the panel with other prices from bar ``cut`` on; its open may stay."""
    factor = np.exp(rng.normal(0, 0.2, panel.close.shape))
    factor[:cut] = 1.0
    fields = {n: getattr(panel, n) * factor for n in ("open", "high", "low", "close")}
    if keep_open:
        fields["open"][cut] = panel.open[cut]
    fields["high"] = np.fmax(np.fmax(fields["open"], fields["close"]), fields["high"])
    fields["low"] = np.fmin(np.fmin(fields["open"], fields["close"]), fields["low"])
    late = np.arange(panel.n_bars) >= cut
    extras = {
        name: np.where(late[:, None], array * rng.uniform(0.5, 2.0), array)
        for name, array in panel.extras.items()
    }
    volume = panel.volume * np.where(late, rng.uniform(0.2, 5.0), 1.0)[:, None]
    return replace(panel, **fields, volume=volume, extras=extras)


@pytest.mark.parametrize(("name", "given_params"), CASES, ids=str)
def test_no_order_uses_a_bar_that_has_not_closed(name, given_params):
    strategy = get_strategy(name)
    params = check_params(strategy.spec, given_params)

    @given(situations(), st.integers(5, FEWEST), st.integers(0, 2**32 - 1))
    @QUICK
    def check(situation, back, seed):
        laid = laid_out(strategy, params, situation)
        if laid is None:
            return
        panel, terms = laid
        cut = panel.n_bars - back
        rng = np.random.default_rng(seed)
        whole = by_event(strategy, params, panel, terms)
        other = by_event(strategy, params, scrambled(panel, cut, rng, keep_open=False), terms)
        until = (whole.fills.bar < cut, other.fills.bar < cut)
        np.testing.assert_array_equal(whole.fills.key[until[0]], other.fills.key[until[1]])
        np.testing.assert_array_equal(whole.fills.value[until[0]], other.fills.value[until[1]])
        assert whole.curve[:cut].tobytes() == other.curve[:cut].tobytes()
        # With the same open and nothing that looks at volume, the same fills at that open.
        kept = by_event(strategy, params, scrambled(panel, cut, rng, keep_open=True), PLAIN)
        plain = by_event(strategy, params, panel, PLAIN)
        at_open = [fills_at_open(result, cut) for result in (plain, kept)]
        assert at_open[0] == at_open[1]

    check()


def fills_at_open(result, bar):
    fills = result.fills
    there = (fills.bar == bar) & (result.moments[: len(fills)] == 0)
    return list(zip(fills.asset[there].tolist(), fills.value[there].tolist(), strict=True))
