"""Monte Carlo over trades: hand-worked paths, every order counted, plain numpy, arch beside it."""

import json
from collections import Counter
from io import StringIO
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import IIDBootstrap, StationaryBootstrap
from django.core.management import CommandError, call_command
from scipy import stats

from apps.backtests.kernel.integrity import reshuffle_loops, worlds
from apps.backtests.kernel.integrity.reshuffles import (
    METHODS,
    mean_p_value,
    measured,
    order_p_value,
    reshuffle,
    seed_of,
    summary,
    trade_steps,
)
from apps.backtests.kernel.metrics import metrics
from apps.core.errors import Invalid

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def returns():
    rng = np.random.default_rng(12)
    return rng.standard_t(5, 300) * 0.01 + 0.0008


def plain(steps):
    """Drawdown, longest time under water, final and lowest value, mean and spread: by numpy."""
    value = np.concatenate(([1.0], np.cumprod(1.0 + steps)))
    top = np.maximum.accumulate(value)
    longest, peak = 0, 0
    for i in range(1, len(value)):
        if value[i] >= top[i - 1]:
            # Regained here: the time under water ends now.
            longest = max(longest, i - peak) if i - peak > 1 else longest
            peak = i
        else:
            longest = max(longest, i - peak)
    return [
        (1.0 - value / top).max(), longest, value[-1], value.min(), steps.mean(),
        steps.std(ddof=1),
    ]  # fmt: skip


def drawn_by_python(steps, method, n_paths, seed):
    """The paths' steps with whole numbers of Python: SplitMix64, Fisher and Yates."""
    mask, made = (1 << 64) - 1, []

    def uniforms(state):
        while True:
            state = (state + 0x9E3779B97F4A7C15) & mask
            z = state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            yield ((z ^ (z >> 31)) >> 11) / 2**53

    for key in worlds.keys_of(seed, n_paths):
        draw, n = uniforms(int(key)), len(steps)
        if method == "trades":
            made.append(steps[[int(next(draw) * n) for _ in range(n)]])
            continue
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            other = int(next(draw) * (i + 1))
            order[i], order[other] = order[other], order[i]
        made.append(steps[order])
    return made


class TestByHand:
    def test_trades_as_steps_compound_to_the_money(self):
        # 100 + 50 = 150, - 30 = 120, + 60 = 180
        steps = trade_steps(np.array([50.0, -30.0, 60.0]), 100.0)
        assert steps == pytest.approx([0.5, -0.2, 0.5])
        assert np.prod(1.0 + steps) == pytest.approx(1.8)

    def test_a_path_worked_by_hand(self):
        # 1 → 1.5 → 1.2 → 0.6 → 0.9 → 1.8: falls from 1.5 to 0.6, regained 4 steps after the peak.
        found = measured(np.array([0.5, -0.2, -0.5, 0.5, 1.0]))
        assert found[:4] == pytest.approx([0.6, 4, 1.8, 0.6])
        assert found[4:] == pytest.approx([0.26, np.std([0.5, -0.2, -0.5, 0.5, 1.0], ddof=1)])

    def test_never_regained_counts_to_the_end(self):
        assert measured(np.array([0.1, -0.1, 0.05, 0.01]))[1] == 3
        assert measured(np.array([-0.1, 0.05]))[1] == 2
        assert measured(np.array([0.1, 0.2]))[:2] == pytest.approx([0.0, 0.0])

    def test_ruin_is_for_good(self):
        found = measured(np.array([0.5, -1.2, 3.0, 3.0]))
        assert found[:4] == pytest.approx([1.0, 3, 0.0, 0.0])

    def test_trades_after_ruin_are_refused(self):
        with pytest.raises(Invalid, match="After 2 of 3 trades") as error:
            trade_steps(np.array([10.0, -120.0, 5.0]), 100.0)
        assert error.value.code == "reshuffle.ruined"


class TestShuffle:
    def test_orders_come_as_often_as_counting_all_says(self):
        """Drawdowns of all 720 orders of six trades, against the share of 20,000 shuffles."""
        steps = np.array([0.30, -0.25, 0.10, -0.40, 0.20, -0.05])
        every = [round(plain(steps[list(order)])[0], 9) for order in permutations(range(6))]
        expected = Counter(every)
        paths = reshuffle(steps, "shuffle", 20_000, 5)
        found = Counter(np.round(paths.drawdown, 9).tolist())
        assert set(found) == set(expected)
        seen = [found[level] for level in expected]
        wanted = [20_000 * n / 720 for n in expected.values()]
        assert stats.chisquare(seen, wanted).pvalue > 1e-4
        assert paths.final == pytest.approx(np.full(20_000, np.prod(1 + steps)))

    def test_the_order_is_what_plain_code_draws(self, returns):
        for method in ("shuffle", "trades"):
            paths = reshuffle(returns[:40], method, 100, 3)
            want = [plain(one) for one in drawn_by_python(returns[:40], method, 100, 3)]
            got = np.column_stack(
                [paths.drawdown, paths.under_water, paths.final, paths.lowest, paths.mean]
            )
            np.testing.assert_allclose(got, np.array(want)[:, :5], rtol=1e-10, atol=1e-14)
            np.testing.assert_allclose(paths.spread, np.array(want)[:, 5], rtol=1e-10)

    def test_a_lucky_order_is_told(self):
        gains, losses = np.full(30, 0.03), np.full(30, -0.02)
        calm = np.ravel(np.column_stack((gains, losses)))
        worst = np.concatenate((losses, gains))
        paths = reshuffle(calm, "shuffle", 500, 1)
        assert order_p_value(paths, measured(calm)[0]) == pytest.approx(1 / 501)
        assert order_p_value(paths, measured(worst)[0]) == 1.0
        assert mean_p_value(paths, float(calm.mean())) is None


class TestBootstraps:
    def test_blocks_are_those_of_null_worlds(self, returns):
        paths = reshuffle(returns, "bars", 100, 9, block=7.0)
        made = worlds.bootstrapped(returns, 100, 9, block=7.0)[:, :, 0]
        got = np.column_stack([paths.drawdown, paths.under_water, paths.final, paths.lowest])
        np.testing.assert_allclose(got, np.array([plain(one)[:4] for one in made]), rtol=1e-9)
        assert paths.block == 7.0

    @pytest.mark.parametrize("method", ["trades", "bars"])
    def test_drawdowns_are_those_of_arch(self, returns, method):
        """Two samples of one law: Kolmogorov and Smirnov see no difference."""
        peer = (
            IIDBootstrap(returns, seed=np.random.default_rng(2))
            if method == "trades"
            else StationaryBootstrap(8, returns, seed=np.random.default_rng(2))
        )
        want = peer.apply(lambda x: np.array([plain(x)[0], x.mean()]), 600)
        block = 8.0 if method == "bars" else None
        paths = reshuffle(returns, method, 3000, 6, block=block)
        assert stats.ks_2samp(want[:, 0], paths.drawdown).pvalue > 1e-3
        assert stats.ks_2samp(want[:, 1], paths.mean).pvalue > 1e-3

    def test_the_p_value_is_that_of_a_t_test_for_many_draws(self, returns):
        paths = reshuffle(returns, "trades", 20_000, 4)
        mean, n = float(returns.mean()), len(returns)
        exact = stats.norm.sf(mean / (returns.std() / np.sqrt(n)))
        assert mean_p_value(paths, mean) == pytest.approx(exact, abs=0.01)
        shifted = returns - mean
        none = reshuffle(shifted, "trades", 2000, 4)
        assert mean_p_value(none, float(shifted.mean())) == pytest.approx(0.5, abs=0.05)

    def test_p_values_of_noise_are_uniform(self):
        rng, found = np.random.default_rng(30), []
        for number in range(150):
            noise = rng.normal(0.0, 0.01, 120)
            paths = reshuffle(noise, "bars", 200, number, block=1.0)
            found.append(mean_p_value(paths, float(noise.mean())))
        assert stats.kstest(found, "uniform").pvalue > 1e-3

    @pytest.mark.parametrize("method", METHODS)
    def test_paths_depend_on_seed_and_number_alone(self, returns, method):
        one = reshuffle(returns, method, 120, 7, threads=1)
        two = reshuffle(returns, method, 120, 7, threads=3)
        other = reshuffle(returns, method, 120, 8)
        for name in ("drawdown", "under_water", "final", "values"):
            assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
        more = reshuffle(returns, method, 200, 7)
        assert np.array_equal(more.drawdown[:120], one.drawdown)
        assert not np.array_equal(one.drawdown, other.drawdown)
        assert seed_of("abc", method) == seed_of("abc", method) != seed_of("abd", method)

    def test_compiled_equals_the_python_it_was_compiled_from(self, returns):
        marks = np.array([1, 20, 50])
        for steps in (returns[:50], np.array([0.5, -1.2, 3.0] + [0.0] * 47)):
            one, two = (np.empty(reshuffle_loops.N_FIGURES) for _ in range(2))
            at, also = np.empty(3), np.empty(3)
            reshuffle_loops.walk_1d(steps, marks, one, at)
            reshuffle_loops.walk_1d.py_func(steps, marks, two, also)
            np.testing.assert_allclose(one, two, rtol=1e-14)
            np.testing.assert_allclose(at, also, rtol=1e-14)


class TestSummary:
    def test_observed_figures_are_those_of_the_run(self, returns):
        ts = np.arange(300, dtype=np.int64) * DAY
        want = metrics(returns, periods=252, ts=ts)
        paths = reshuffle(returns, "bars", 400, 1)
        found = summary(paths, returns, years=300 / 252, start=1000.0)
        seen = {name: row["observed"] for name, row in found["figures"].items()}
        assert seen["max_drawdown"] == pytest.approx(want["max_drawdown"])
        assert seen["under_water"] == want["max_drawdown_days"]
        assert seen["cagr"] == pytest.approx(want["cagr"])
        assert seen["sharpe"] == pytest.approx(want["sharpe"])
        assert seen["equity_final"] == pytest.approx(1000 * (1 + want["total_return"]))
        json.dumps(found, allow_nan=False)

    def test_quantiles_and_shares_are_those_of_numpy(self, returns):
        paths = reshuffle(returns, "trades", 500, 2)
        found = summary(paths, returns, years=2.0, limits=(0.1, 0.2), ruin=0.1)
        row = found["figures"]["max_drawdown"]
        assert row["q95"] == np.quantile(paths.drawdown, 0.95)
        assert row["q5"] < row["q50"] < row["q95"]
        share = float(np.mean(paths.drawdown > 0.1))
        told = found["drawdown_beyond"][0]
        assert told["probability"] == share
        assert told["error"] == pytest.approx((share * (1 - share) / 500) ** 0.5)
        assert found["loss"]["probability"] == np.mean(paths.final < 1)
        assert found["ruin"]["probability"] == np.mean(paths.lowest <= 0.9)
        growth = found["figures"]["cagr"]["q50"]
        assert growth == pytest.approx(np.median(np.sqrt(paths.final) - 1))
        assert sum(found["histogram"]["counts"]) == 500
        fan = found["fan"]
        assert {len(row) for row in fan.values()} == {121}
        assert fan["q95"][-1] == pytest.approx(np.quantile(paths.final, 0.95))
        assert fan["observed"][-1] == pytest.approx(np.prod(1 + returns))

    def test_a_flat_record_has_no_ratio(self):
        steps = np.full(30, 0.01)
        found = summary(reshuffle(steps, "shuffle", 100, 1), steps, years=1.0)
        assert found["figures"]["sharpe"]["observed"] is None
        assert found["figures"]["max_drawdown"]["q99"] == 0.0
        assert sum(found["histogram"]["counts"]) == 100
        json.dumps(found, allow_nan=False)

    @pytest.mark.parametrize(
        ("steps", "method", "n", "code"),
        [
            ([0.1] * 30, "magic", 100, "reshuffle.method"),
            ([0.1], "shuffle", 100, "reshuffle.few"),
            ([0.1] * 19, "bars", 100, "reshuffle.few"),
            ([0.1] * 30, "bars", 99, "reshuffle.paths"),
            ([0.1] * 30, "bars", 20_001, "reshuffle.paths"),
            ([0.1] * 29 + [np.nan], "bars", 100, "reshuffle.not_finite"),
        ],
    )
    def test_refusals(self, steps, method, n, code):
        with pytest.raises(Invalid) as error:
            reshuffle(np.array(steps), method, n, 1)
        assert error.value.code == code


class TestCommand:
    def call(self, *arguments):
        out = StringIO()
        call_command("montecarlo", *map(str, arguments), stdout=out)
        return json.loads(out.getvalue())

    def test_trades_of_a_file(self, tmp_path):
        path = tmp_path / "trades.csv"
        days = pd.date_range("2020-01-01", periods=7, freq="91D")
        frame = pd.DataFrame({"entry_ts": days[:-1], "exit_ts": days[1:]})
        frame["pnl"] = [30.0, -25.0, 10.0, -40.0, 20.0, -5.0]
        frame.iloc[::-1].to_csv(path, index=False)
        found = self.call(path, "--cash", 100, "--paths", 500)
        # 100 → 130 → 105 → 115 → 75 → 95 → 90
        assert found["figures"]["max_drawdown"]["observed"] == pytest.approx(1 - 75 / 130)
        assert found["figures"]["equity_final"]["q50"] == pytest.approx(90)
        assert found["years"] == pytest.approx(6 * 91 / 365.25)
        assert found["method"] == "shuffle"
        assert found == self.call(path, "--cash", 100, "--paths", 500)
        drawn = self.call(path, "--cash", 100, "--method", "trades", "--periods", 12)
        assert drawn["years"] == 0.5
        with pytest.raises(CommandError, match="holds trades, not bars"):
            self.call(path, "--method", "bars")

    def test_returns_of_a_file(self, tmp_path, returns):
        path = tmp_path / "returns.csv"
        ts = pd.bdate_range("2020-01-01", periods=300, name="date")
        pd.DataFrame({"a": returns, "b": -returns}, ts).to_csv(path)
        found = self.call(path, "--column", "b", "--seed", 3)
        assert (found["seed"], found["paths"], found["steps"]) == (3, 2000, 300)
        with pytest.raises(CommandError, match="no column 'c'") as error:
            self.call(path, "--column", "c")
        assert error.value.returncode == 2
