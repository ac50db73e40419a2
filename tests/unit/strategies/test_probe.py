"""The parts of the look-ahead probe, and the library held to it."""

from dataclasses import replace

import numpy as np
import pytest

from apps.strategies.kernel.interface import check_params, inputs_of
from apps.strategies.kernel.probe import Plan, Sheet, probe
from apps.strategies.kernel.probe.cuts import choose_cuts
from apps.strategies.kernel.probe.drawn import drawn_panel
from apps.strategies.kernel.probe.sheets import scrambled, truncated
from apps.strategies.kernel.probe.subjects import ERRORS, LibrarySubject
from apps.strategies.selectors import get_strategy, list_strategies
from tests.factories import leaks
from tests.unit.strategies.panels import sp500

FIELDS = ("open", "high", "low", "close", "volume")
MEMBERS = sorted(spec.name for spec in list_strategies() if spec.name != "given")
SHEET = Sheet(leaks.bars(), leaks.known_at())
CUT = 150


def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("kind", ["up", "down", "mixed"])
def test_another_future_leaves_the_past_and_what_is_missing(kind):
    panel, names = SHEET.panel, SHEET.names[:-2]
    other = scrambled(SHEET, CUT, names, kind, rng())
    for name in names:
        one, two = SHEET.values(name), Sheet(other).values(name)
        later = SHEET.later(name, CUT)
        np.testing.assert_array_equal(one[~later], two[~later])
        np.testing.assert_array_equal(np.isnan(one), np.isnan(two))
        if name != "sector":
            assert (one[later & np.isfinite(one)] != two[later & np.isfinite(one)]).mean() > 0.5
    known = np.isfinite(panel.close)
    assert (other.low[known] <= other.close[known]).all()
    assert (other.high[known] >= other.open[known]).all()
    assert set(np.unique(other.extras["regime"][np.isfinite(panel.close)])) <= {0.0, 1.0, 2.0}


def test_one_input_at_a_time():
    other = scrambled(SHEET, CUT, ("funding",), "up", rng())
    changed = [n for n in SHEET.names[:-2] if not same(SHEET.values(n), Sheet(other).values(n))]
    assert changed == ["funding"]
    assert (other.ts == SHEET.panel.ts).all()
    other = scrambled(SHEET, CUT, ("universe",), "up", rng())
    assert same(other.close[: CUT + 1], SHEET.panel.close[: CUT + 1])
    assert np.isnan(other.close[CUT + 1 :, 0]).all()
    assert np.isfinite(other.close[260:, 5]).all()  # one that had left comes back
    other = scrambled(SHEET, CUT, ("ts",), "up", rng())
    assert (other.ts[: CUT + 1] == SHEET.panel.ts[: CUT + 1]).all()
    assert (np.diff(other.ts) > 0).all()
    assert (other.ts[CUT + 1 :] > SHEET.panel.ts[CUT + 1 :]).all()


def same(one, other):
    return np.array_equal(one, other, equal_nan=True)


def test_what_is_stamped_before_it_is_known_is_missing_until_then():
    cut = 20  # within 25 bars after the first quarter's end of the first instrument
    found = truncated(SHEET, cut)
    assert found.n_bars == cut + 1
    assert np.isnan(found.extras["eps_by_period"][:, 0]).all()
    assert np.isfinite(SHEET.panel.extras["eps_by_period"][10:21, 0]).all()
    assert same(found.close, SHEET.panel.close[: cut + 1])


def test_cuts_lie_just_after_the_warm_up_between_and_at_the_end():
    found = choose_cuts(400, 60, 12, rng())
    assert {60, 61, 398} <= set(found)
    assert found == tuple(sorted(set(found)))
    assert len(found) >= 10
    assert max(np.diff(found)) < 120
    assert found == choose_cuts(400, 60, 12, rng())
    assert choose_cuts(2, 60, 12, rng()) == ()


class Subject:
    """A function of the panel as a strategy."""

    def __init__(self, function):
        self.function = function

    def outputs(self, panel):
        return {"targets": self.function(panel)}

    def afresh(self):
        pass

    def place(self, *_):
        return None


def every_input():
    """The corpus's bars with what happens to shares and money beside: all inputs there are."""
    panel = SHEET.panel
    there, chance = np.isfinite(panel.close), np.random.default_rng(8)
    paid = np.where(chance.random(there.shape) < 0.05, chance.uniform(0.1, 0.9, there.shape), 0.0)
    rate = np.exp(np.cumsum(chance.normal(0.0, 0.01, there.shape), axis=0))
    none = np.zeros(there.shape)
    more = {"dividend": paid, "split": none, "fx": rate}
    more = {name: np.where(there, values, np.nan) for name, values in more.items()}
    return Sheet(replace(panel, extras={**panel.extras, **more}), SHEET.known_at)


EVERY = every_input()
VALUES = [name for name in EVERY.names if name not in {"sector", "universe", "ts"}]


def weights_of(values):
    values = np.nan_to_num(values)
    return np.sign(values) * np.log1p(np.abs(values) * 1e3)


@pytest.mark.parametrize("name", VALUES)
def test_each_input_is_probed_by_itself_and_named(name):
    """Prices, volume, funding, open interest, fundamentals, members, regimes, splits, fx …"""

    def read(panel, ahead):
        values = weights_of(Sheet(panel).values(name))
        late = np.zeros(values.shape)
        late[: len(values) - ahead] = values[ahead:]
        return late

    plan = Plan(0, 2, cuts=6, with_warmup=False)
    found = probe(Subject(lambda panel: read(panel, 2)), EVERY, plan)
    assert (found.verdict, found.finding.inputs) == ("leaks", (name,))
    if name in SHEET.known_at:
        # What is stamped before it is known leaks by being read in time.
        assert found.finding.ahead > 2
        assert probe(Subject(lambda panel: read(panel, 0)), EVERY, plan).verdict == "leaks"
        return
    assert found.finding.ahead == 2
    assert probe(Subject(lambda panel: read(panel, 0)), EVERY, plan).passed


def test_who_has_bars_and_when_are_probed_by_themselves_and_named():
    def stays(panel, ahead):
        there = np.isfinite(panel.close).astype(float)
        there[: len(there) - ahead] = there[ahead:]
        return there

    def gap(panel, ahead):
        days = np.diff(panel.ts, prepend=panel.ts[0]) / 8.64e10
        days[: panel.n_bars - ahead] = days[ahead:]
        return np.repeat(days[:, None], panel.n_assets, axis=1)

    for name, peek in (("universe", stays), ("ts", gap)):
        plan = Plan(0, 2, cuts=6, with_warmup=False)
        found = probe(Subject(lambda panel, peek=peek: peek(panel, 1)), EVERY, plan)
        assert (found.verdict, found.finding.inputs) == ("leaks", (name,))
        assert probe(Subject(lambda panel, peek=peek: peek(panel, 0)), EVERY, plan).passed


def test_noise_of_sums_is_no_leak_and_a_small_real_one_is():
    def nearly(panel, share):
        whole = np.nansum(panel.close, axis=0)
        return np.nan_to_num(panel.close) * (1.0 + share * whole)

    plan = Plan(0, 1)
    assert probe(Subject(lambda panel: nearly(panel, 1e-17)), SHEET, plan).passed
    assert probe(Subject(lambda panel: nearly(panel, 1e-9)), SHEET, plan).verdict == "leaks"


def test_what_answers_otherwise_each_time_does_not_pass():
    chance = np.random.default_rng(1)
    report = probe(Subject(lambda panel: chance.random(panel.close.shape)), SHEET, Plan(0, 1))
    assert (report.verdict, report.passed) == ("unsteady", False)


def test_what_refuses_its_copies_does_not_pass():
    def only_whole(panel):
        if not same(panel.close, SHEET.panel.close):
            raise ValueError("these are not my bars")
        return np.zeros(panel.close.shape)

    report = probe(Subject(only_whole), SHEET, Plan(0, 1))
    assert (report.verdict, report.passed) == ("unable", False)
    assert report.refused > report.copies / 2


def test_the_warm_up_is_found():
    def mean_of(length):
        def act(panel):
            close = np.nan_to_num(panel.close)
            out = np.zeros(close.shape)
            if len(close) >= length:
                windows = np.lib.stride_tricks.sliding_window_view(close, length, axis=0)
                out[length - 1 :] = windows.mean(axis=-1)
            return out

        return act

    for length in (2, 17, 40):
        assert probe(Subject(mean_of(length)), SHEET, Plan(length, 1)).found_warmup == length - 1
    sums = probe(Subject(lambda panel: np.nancumsum(panel.close, axis=0)), SHEET, Plan(0, 1))
    assert (sums.passed, sums.found_warmup) == (True, None)


def test_the_same_probe_again_gives_the_same_report():
    reports = [probe(Subject(lambda panel: panel.close[::-1]), SHEET, Plan(0, 9)) for _ in "ab"]
    assert reports[0].digest == reports[1].digest
    other = probe(Subject(lambda panel: panel.close[::-1]), SHEET, Plan(0, 10))
    assert other.digest != reports[0].digest


@pytest.mark.parametrize("name", MEMBERS)
def test_members_of_the_library_pass(name):
    strategy = get_strategy(name)
    for more in [{}, {"protect": True}]:
        if not {*more} <= {one.name for one in strategy.spec.parameters}:
            continue
        params = check_params(strategy.spec, more)
        warmup = strategy.warmup(params)
        reads = inputs_of(strategy, params)
        panel = drawn_panel(warmup + 200, reads, rng())
        plan = Plan(warmup, 5, cuts=6, reads=reads, errors=ERRORS, with_warmup=False)
        report = probe(LibrarySubject(strategy, params), Sheet(panel), plan)
        assert report.passed, (name, report.verdict, report.why, report.finding)
        assert report.copies >= 15


def test_a_formula_is_pointed_at_by_its_column():
    """A figure stamped ten bars before it is known: the formula reads it at once."""
    panel = sp500(5).rows(0, 260)
    figures = np.cumsum(np.random.default_rng(2).normal(0, 1, panel.close.shape), axis=0) + 50
    panel = replace(panel, extras={"open_interest": figures})
    late = np.repeat(np.arange(panel.n_bars)[:, None] + 10, panel.n_assets, axis=1)
    strategy = get_strategy("expression")
    text = "rank(close) + rank(delta(open_interest, 5))"
    given = {"expression": text, "rebalance_days": 1, "long_short": True}
    params = check_params(strategy.spec, given)
    sheet = Sheet(panel, {"open_interest": late})
    plan = Plan(strategy.warmup(params), 1, reads=("open_interest", "close"), errors=ERRORS)
    report = probe(LibrarySubject(strategy, params), sheet, plan)
    assert report.verdict == "leaks"
    assert report.finding.inputs == ("open_interest",)
    assert report.finding.column == text.index("open_interest") + 1
    assert report.finding.ahead == 10
    lagged = check_params(strategy.spec, {**given, "expression": "delay(open_interest, 10)"})
    subject = LibrarySubject(strategy, lagged)
    # Whether it is there at all may not be known either: the probe says what it could not do.
    assert probe(subject, sheet, plan).verdict in {"passed", "unable"}


def test_a_member_that_peeks_is_caught():
    strategy = get_strategy("sma_crossover")

    class Peeks(type(strategy)):
        def prepare(self, panel, params):
            found = super().prepare(panel, params)
            return {**found, "ahead": np.vstack([panel.close[1:], panel.close[-1:]])}

    params = check_params(strategy.spec, {})
    panel = drawn_panel(200, ("close",), rng())
    report = probe(
        LibrarySubject(Peeks(), params), Sheet(panel), Plan(30, 1, reads=("close",), errors=ERRORS)
    )
    assert report.finding.output == "feature ahead"
    assert (report.finding.inputs, report.finding.ahead) == (("close",), 1)


def test_drawn_bars_are_bars():
    panel = drawn_panel(300, ("close", "funding", "open_interest"), rng())
    there = np.isfinite(panel.close)
    assert all((np.isfinite(getattr(panel, name)) == there).all() for name in FIELDS)
    assert (panel.high[there] >= panel.low[there]).all()
    assert set(panel.extras) == {"funding", "open_interest"}
    assert not there[0, 4]
    assert not there[-1, 5]
