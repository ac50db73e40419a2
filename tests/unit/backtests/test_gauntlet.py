"""Runs held against luck: worlds of bars, p-values, costs, capacity; by hand, beside peers."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import optimize, stats

from apps.backtests.kernel import metrics
from apps.backtests.kernel.integrity import gauntlet, gauntlet_bars, gauntlet_costs, gauntlet_loops
from apps.backtests.kernel.integrity.gauntlet import Score, Setting
from apps.backtests.kernel.integrity.gauntlet_entries import ENTRIES, book_of, entered
from apps.backtests.kernel.integrity.gauntlet_reports import digest_of, report
from apps.backtests.kernel.integrity.worlds import keys_of
from apps.backtests.kernel.reports import player
from apps.backtests.kernel.requests import read_request
from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.interface import Spec, check_params
from apps.strategies.selectors import get_strategy
from tests.speed.nulls import noise_panel, zero_skill

DAY = 86_400_000_000
# arch 8.0.0, StationaryBootstrap(5, 39 rows, seed=4): the indices of its first two draws.
ARCH = (
    [28, 29, 30, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 2, 3,
     4, 16, 17, 18, 19, 20, 21, 14, 15, 16, 17, 18, 19, 20, 21],
    [23, 24, 16, 17, 18, 19, 20, 21, 22, 23, 15, 16, 11, 12, 13, 28, 29, 30, 31, 32, 33, 34, 35,
     11, 12, 13, 14, 15, 16, 17, 24, 25, 26, 27, 28, 29, 30, 31, 27],
)  # fmt: skip


def panel_of(close, **changes):
    """Bars whose opens are the closes before, with ranges and volumes."""
    close = np.asarray(close, float)
    close = close[:, None] if close.ndim == 1 else close
    before = np.vstack((close[:1], close[:-1]))
    before = np.where(np.isfinite(before), before, close)
    fields = {
        "open": before,
        "high": np.fmax(before, close) * 1.01,
        "low": np.fmin(before, close) * 0.99,
        "close": close,
        "volume": np.full(close.shape, 1e6),
    }
    symbols = tuple(f"A{k}" for k in range(close.shape[1]))
    fields |= {name: np.where(np.isfinite(close), fields[name], np.nan) for name in FIELDS}
    return Panel(symbols, np.arange(len(close)) * DAY, timeframe="1d", **{**fields, **changes})


def setting_of(panel, name="sma_crossover", request=None, **params):
    strategy = get_strategy(name)
    asked = read_request({"strategy": name, **(request or {})}, panel_given=True)
    return Setting(panel, strategy, check_params(strategy.spec, params), asked)


def worlds(panel, kind, count=3, **options):
    past = gauntlet_bars.past_of(panel)
    bars = gauntlet_bars.Bars(past, kind, **options)
    return [bars.panel(key) for key in keys_of(5, count)]


def log_returns(panel):
    return np.diff(np.log(panel.close), axis=0)


class TestBars:
    @pytest.mark.parametrize("kind", gauntlet_bars.WORLDS)
    def test_bars_hold_together_and_depend_on_the_key_alone(self, kind):
        panel = noise_panel("garch", 300, 3, 1)
        one, two = worlds(panel, kind, 3), worlds(panel, kind, 2)
        for world, again in zip(one, two, strict=False):
            assert all(np.array_equal(getattr(world, f), getattr(again, f)) for f in FIELDS)
        for world in one:
            assert (world.low <= np.fmin(world.open, world.close) * (1 + 1e-12)).all()
            assert (world.high >= np.fmax(world.open, world.close) * (1 - 1e-12)).all()
            assert world.digest != panel.digest
            assert np.array_equal(world.close[0], panel.close[0])
        assert not np.array_equal(one[0].close, one[1].close)

    @pytest.mark.parametrize("kind", ["bootstrapped", "phase_randomised", "garch"])
    def test_centred_worlds_end_where_the_real_one_ended(self, kind):
        panel = noise_panel("drift", 200, 2, 2)
        for world in worlds(panel, kind):
            assert world.close[-1] == pytest.approx(panel.close[-1], rel=1e-9)

    def test_blocks_are_archs_on_the_same_indices(self):
        panel = noise_panel("normal", 40, 2, 3)
        past = gauntlet_bars.past_of(panel)
        for rows in (np.array(at)[:, None] for at in ARCH):
            out, ones = past.template.copy(), np.ones(rows.shape)
            laid = (np.ones(2), past.shapes, past.begins, past.there, out)
            gauntlet_loops.bars_2d(past.factors[rows[:, 0]], rows, ones, *laid)
            resampled = log_returns(panel)[rows[:, 0]]
            assert np.diff(np.log(out[3]), axis=0) == pytest.approx(resampled, abs=1e-12)
            assert np.array_equal(out[4][1:], panel.volume[1:][rows[:, 0]])

    def test_blocks_keep_whole_bars(self):
        panel = noise_panel("normal", 150, 2, 4)
        (world,) = worlds(panel, "bootstrapped", 1, block=10.0, centred=False)
        real = {
            tuple(np.round(row, 9))
            for row in np.hstack([getattr(panel, f)[1:] / panel.close[1:] for f in FIELDS[:3]])
        }
        drawn = np.hstack([getattr(world, f)[1:] / world.close[1:] for f in FIELDS[:3]])
        assert {tuple(np.round(row, 9)) for row in drawn} <= real
        assert set(world.volume[1:, 0]) <= set(panel.volume[1:, 0])

    def test_phases_keep_the_spectrum_numpy_sees(self):
        panel = noise_panel("normal", 201, 2, 5)
        for world in worlds(panel, "phase_randomised", 2):
            for column in range(2):
                ours, real = (
                    np.abs(np.fft.rfft(log_returns(p)[:, column])) for p in (world, panel)
                )
                assert ours == pytest.approx(real, abs=1e-10)
            crossed = [
                np.fft.rfft(r[:, 0]) * np.conj(np.fft.rfft(r[:, 1]))
                for r in (log_returns(world), log_returns(panel))
            ]
            assert crossed[0] == pytest.approx(crossed[1], abs=1e-10)

    def test_a_flipped_bar_is_mirrored_about_its_close(self):
        panel = noise_panel("normal", 60, 1, 6)
        (world,) = worlds(panel, "sign_flipped", 1)
        sign = np.round(log_returns(world) / log_returns(panel))
        assert set(np.unique(sign)) == {-1.0, 1.0}
        turned = np.flatnonzero(sign[:, 0] < 0) + 1
        kept = np.flatnonzero(sign[:, 0] > 0) + 1
        for name, twin in (("open", "open"), ("high", "low"), ("low", "high")):
            ours, real = getattr(world, name) / world.close, getattr(panel, twin) / panel.close
            assert ours[turned] == pytest.approx(1.0 / real[turned], rel=1e-12)
            same = getattr(panel, name) / panel.close
            assert ours[kept] == pytest.approx(same[kept], rel=1e-12)
        assert np.array_equal(world.volume, panel.volume)

    @pytest.mark.parametrize("kind", gauntlet_bars.WORLDS)
    def test_missing_bars_stay_missing(self, kind):
        close = noise_panel("normal", 240, 3, 7).close.copy()
        close[:50, 1] = close[100:103, 0] = close[200:, 2] = np.nan
        panel = panel_of(close)
        for world in worlds(panel, kind):
            for name in FIELDS:
                there = np.isfinite(getattr(world, name))
                assert np.array_equal(there, np.isfinite(close)), name
            assert np.isfinite(world.close[50, 1])

    def test_splits_and_dividends_are_in_the_returns(self):
        close = np.full(40, 100.0)
        close[20:] = 50.0
        split, dividend = np.zeros((40, 1)), np.zeros((40, 1))
        split[20], dividend[30] = 2.0, 5.0
        panel = panel_of(close, extras={"split": split, "dividend": dividend})
        past = gauntlet_bars.past_of(panel)
        wanted = np.zeros((39, 1))
        wanted[29] = math.log(55.0 / 50.0)
        assert past.returns == pytest.approx(wanted, abs=1e-15)
        assert past.panel.extras == {}
        assert past.panel.price_mode == "total_return"

    def test_funding_goes_with_its_bar_and_turns_with_it(self):
        funding = np.random.default_rng(0).normal(0, 1e-4, (60, 1))
        panel = panel_of(noise_panel("normal", 60, 1, 8).close, extras={"funding": funding})
        (world,) = worlds(panel, "sign_flipped", 1)
        sign = np.round(log_returns(world) / log_returns(panel))
        assert world.extras["funding"][1:] == pytest.approx(sign * funding[1:])
        (world,) = worlds(panel, "bootstrapped", 1, block=5.0, centred=False)
        place = {round(value, 12): k for k, value in enumerate(log_returns(panel)[:, 0])}
        rows = [place[round(value, 12)] for value in log_returns(world)[:, 0]]
        assert np.array_equal(world.extras["funding"][1:, 0], funding[1:, 0][rows])

    def test_too_few_bars_and_prices_without_returns_are_refused(self):
        with pytest.raises(Invalid) as caught:
            gauntlet_bars.past_of(panel_of(np.full(20, 5.0)))
        assert caught.value.code == "gauntlet.too_short"
        with pytest.raises(Invalid) as caught:
            gauntlet_bars.past_of(panel_of(np.r_[np.full(30, 5.0), 0.0]))
        assert caught.value.code == "gauntlet.prices"

    def test_compiled_loops_equal_their_plain_twins(self):
        past = gauntlet_bars.past_of(noise_panel("normal", 30, 2, 9))
        rng = np.random.default_rng(1)
        rows, signs = rng.integers(29, size=(29, 1)), rng.choice([-1.0, 1.0], (29, 1))
        found = []
        for form in (lambda loop: loop, lambda loop: loop.py_func):
            factors, drawn, drift = np.empty((29, 2)), np.empty((29, 2)), np.empty(2)
            form(gauntlet_loops.factors_2d)(past.factors, rows[:, 0], signs[:, 0], factors)
            form(gauntlet_loops.gathered_2d)(past.returns, rows[:, 0], signs[:, 0], drawn)
            form(gauntlet_loops.drift_2d)(drawn, past.begins, past.there, past.ends, drift)
            out = past.template.copy()
            laid = (past.shapes, past.begins, past.there, out)
            form(gauntlet_loops.bars_2d)(factors, rows, signs, drift, *laid)
            scored = form(gauntlet_loops.sharpe_1d)(out[3][:, 0].copy(), 100.0)
            found.append((factors, drawn, drift, out, np.array(scored)))
        for ours, plain in zip(*found, strict=True):
            assert ours == pytest.approx(plain, rel=1e-13)


class Given:
    """A strategy that wants what it was told to, in any world."""

    def __init__(self, targets):
        self.spec = Spec("told", "Told", "", "")
        self.wanted = targets

    def warmup(self, _params):
        return 0

    def targets(self, _panel, _params):
        return self.wanted


def told(panel, targets, **request):
    asked = read_request({"strategy": "told", **request}, panel_given=True)
    return Setting(panel, Given(np.asarray(targets, float)), {}, asked)


class TestPValues:
    def test_p_is_counted_by_hand(self):
        nulls = [0.5, 1.0, 2.0, -math.inf, 1.0 - 1e-12, 0.0, 0.1, 0.2, 0.3]
        assert gauntlet.p_value(1.0, nulls) == pytest.approx(4 / 10)
        assert gauntlet.p_value(9.0, nulls) == pytest.approx(1 / 10)
        assert gauntlet.p_value(-math.inf, nulls) == 1.0
        assert gauntlet.standard_error(0.4, 9) == pytest.approx(math.sqrt(0.4 * 0.6 / 10))

    def test_the_score_is_that_of_the_metrics(self):
        setting = setting_of(noise_panel("normal", 300, 1, 1), fast=5, slow=20)
        _, result = gauntlet.run_of(setting)
        score = gauntlet.score_of(result, setting.periods)
        found = metrics.metrics(result.returns, periods=252.0)
        assert score.sharpe == pytest.approx(found["sharpe"], rel=1e-12)
        assert score.total_return == pytest.approx(found["total_return"], rel=1e-12)

    def test_holding_alone_shows_no_timing_and_a_seer_shows_it(self):
        panel = noise_panel("drift", 250, 1, 2)
        hold = setting_of(panel, "buy_and_hold")
        _, result = gauntlet.run_of(hold)
        nulls = gauntlet.nulls_of(hold, result, "bootstrapped", 19, "x")
        real = gauntlet.score_of(result, hold.periods)
        assert gauntlet.p_value(real.total_return, nulls.total_return) > 0.1
        seen = np.where(np.roll(panel.close, -1) > panel.close, 1.0, 0.0)
        seer = told(panel, seen, fill="next_close", costs={"fee_bps": 0})
        seer = told(panel, np.vstack((seen[1:], seen[:1])), fill="next_close")
        _, result = gauntlet.run_of(seer)
        for kind in ("bootstrapped", "sign_flipped", ENTRIES):
            nulls = gauntlet.nulls_of(seer, result, kind, 19, "x")
            real = gauntlet.score_of(result, seer.periods)
            assert gauntlet.p_value(real.sharpe, nulls.sharpe) == pytest.approx(1 / 20), kind

    def test_ruin_is_worse_than_all_and_never_trading_earns_nothing(self):
        panel = panel_of(np.r_[np.full(3, 100.0), 300.0, np.full(30, 300.0)])
        short = told(panel, [[-1.0]] + [[np.nan]] * 33)
        _, result = gauntlet.run_of(short)
        assert gauntlet.score_of(result, 252.0).sharpe == -math.inf
        still = player(short.request)(panel, np.full((34, 1), np.nan))
        assert gauntlet.score_of(still, 252.0) == Score(0.0, 0.0, 0)
        nulls = gauntlet.nulls_of(short, result, ENTRIES, 19, "x")
        assert nulls.refused["code"] == "gauntlet.ruined"

    def test_what_can_not_be_made_is_told_and_stops_no_other(self):
        panel = noise_panel("normal", 60, 1, 3)
        setting = setting_of(panel, fast=2, slow=5)
        body, nulls = report(setting, "d", n_worlds=19)
        refused = {v["kind"]: v["refused"] for v in body["verdicts"]}
        assert refused.pop("garch")["code"] == "risk.too_few"
        assert set(refused.values()) == {None}
        assert body["null_p_value"] is None
        again = report(setting, "d", n_worlds=19)
        assert digest_of(body, nulls) == digest_of(*again)
        assert digest_of(*report(setting, "e", n_worlds=19)) != digest_of(body, nulls)

    def test_rows_given_with_a_request_meet_random_entries_only(self):
        panel = noise_panel("normal", 60, 1, 4)
        rows = [{"ts": "1970-01-05", "symbol": "N0", "weight": 1.0}]
        asked = read_request({"targets": rows}, panel_given=True)
        setting = Setting(panel, get_strategy("given"), {}, asked)
        body, _ = report(setting, "d", n_worlds=19, kinds=["bootstrapped", ENTRIES])
        entries, blocks = sorted(body["verdicts"], key=lambda v: v["kind"] != ENTRIES)
        assert blocks["refused"]["code"] == "gauntlet.given"
        assert entries["worlds"] == 19


def stretches(held):
    sides = np.sign(held)
    edges = np.flatnonzero(np.diff(sides, prepend=0, append=0))
    starts = [e for e in edges if e < len(sides) and sides[e]]
    return sorted((int(sides[s]), int(next(e for e in edges if e > s) - s)) for s in starts)


class TestEntries:
    @pytest.mark.parametrize("short", [False, True])
    def test_holdings_are_as_long_as_many_and_as_large(self, short):
        panel = noise_panel("normal", 400, 1, 1)
        setting = setting_of(panel, "donchian_breakout", entry=10, exit=5, short=short)
        _, result = gauntlet.run_of(setting)
        book = book_of(result, 0)
        play = player(setting.request)
        wanted = stretches(result.positions[:, 0])
        at_once = 0
        for number in range(20):
            world = play(panel, entered(book, np.random.default_rng(number)))
            found = stretches(world.positions[:, 0])
            # One that is still held at the end of either may be cut by the delay of its fill.
            assert len(found) == len(wanted)
            differ = sum(a != b for a, b in zip(found, wanted, strict=True))
            at_once += differ == 0
        assert at_once >= 15
        assert not np.array_equal(
            entered(book, np.random.default_rng(0)), entered(book, np.random.default_rng(1))
        )

    def test_the_book_played_again_is_the_run(self):
        panel = noise_panel("normal", 300, 1, 2)
        setting = setting_of(panel, fast=3, slow=12)
        _, result = gauntlet.run_of(setting)
        again = player(setting.request)(panel, book_of(result, 0).asked)
        assert again.equity == pytest.approx(result.equity, rel=1e-12)

    def test_books_of_several_turn_around_and_are_dealt_anew(self):
        panel = noise_panel("normal", 300, 4, 3)
        setting = setting_of(panel, "time_series_momentum", lookback=40, vol_mass=20.0)
        _, result = gauntlet.run_of(setting)
        book = book_of(result, 0)
        real = rows_of(book.asked[book.first :])
        for number in range(5):
            targets = entered(book, np.random.default_rng(number))
            assert np.isnan(targets[: book.first]).all()
            # But for the row it begins with and the one where its end meets its begin.
            assert (rows_of(targets[book.first :]) - real).total() <= 2
        worlds_of = [entered(book, np.random.default_rng(k)) for k in (1, 2)]
        assert not np.array_equal(*worlds_of, equal_nan=True)


def rows_of(targets):
    """Rows of weights, whichever instrument each is of."""
    return Counter(tuple(np.round(np.sort(row), 12)) for row in targets if np.isfinite(row).any())


class TestCosts:
    def two_trades(self, **request):
        """In at 100, out at 110; in at 110, out at 115.5: by hand below."""
        close = np.array([100.0, 100, 110, 110, 115.5, 115.5, 115.5])
        panel = panel_of(close, open=close[:, None])
        wanted = [[1.0], [0.0], [1.0], [0.0], [np.nan], [np.nan], [np.nan]]
        return told(panel, wanted, **request), np.array(wanted)

    def test_break_even_of_two_trades_is_that_by_hand(self):
        setting, wanted = self.two_trades(costs={"fee_bps": 7, "slippage_bps": 3})
        found = gauntlet_costs.break_even(setting, wanted)
        # All-in: (1 - f)^2 / (1 + f)^2 of 1.10 times 1.05 is left.
        root = math.sqrt(1.10 * 1.05)
        by_hand = (root - 1.0) / (root + 1.0) * 1e4
        assert found["total_return"]["bps"] == pytest.approx(by_hand, abs=0.01)
        assert found["total_return"]["state"] == "found"
        assert found["paid_bps"] == pytest.approx(10.0)
        assert [row["bps"] for row in found["curve"]] == list(gauntlet_costs.STEPS_BPS)
        assert found["total_return"]["falls"]

        def mean(fee):
            # Bars 1 to 4 fill; the equity is all in or all out at each close.
            equity, held = [1.0], 0.0
            cash = 1.0
            for price, want in zip([100.0, 110, 110, 115.5], [1, 0, 1, 0], strict=True):
                if want:
                    cash, held = 0.0, cash / (1 + fee) / price
                else:
                    cash, held = held * price * (1 - fee), 0.0
                equity.append(cash + held * price)
            equity = np.array([*equity, equity[-1], equity[-1]])
            return float(np.mean(equity[1:] / equity[:-1] - 1))

        at = optimize.brentq(mean, 0.0, 0.1) * 1e4
        assert found["sharpe"]["bps"] == pytest.approx(at, abs=0.01)

    def test_never_and_always_are_said_in_words(self):
        close = np.linspace(100, 90, 30)
        losing = told(panel_of(close), [[1.0]] + [[np.nan]] * 29)
        found = gauntlet_costs.break_even(losing, losing.strategy.wanted)
        assert found["sharpe"] == {
            "bps": None, "state": "never", "falls": found["sharpe"]["falls"],
            "says": "is nothing even free of fee and slippage",
        }  # fmt: skip
        winning = told(panel_of(np.linspace(100, 500, 30)), [[1.0]] + [[np.nan]] * 29)
        found = gauntlet_costs.break_even(winning, winning.strategy.wanted)
        assert found["total_return"]["state"] == "always"

    def test_a_figure_that_does_not_fall_steadily_is_told(self):
        values = {0.0: 1.0, 1.0: 2.0, 2.0: -1.0, 3.0: 0.5}
        found = gauntlet_costs.crossing(
            lambda x: values.get(x, 1.0 if x < 1.5 else -1.0),
            (0.0, 1.0, 2.0, 3.0), 0.0, lambda low, high: high - low < 1e-6,
        )  # fmt: skip
        assert found.at == pytest.approx(1.5, abs=1e-6)
        assert not found.is_falling

    def test_capacity_is_where_the_engine_loses_half(self):
        panel = noise_panel("drift", 300, 1, 11)
        setting = setting_of(panel, "buy_and_hold", {"costs": {"impact_bps": 800}})
        decided, result = gauntlet.run_of(setting)
        found = gauntlet_costs.capacity(setting, decided)
        assert found["impact"] == "the run's own"
        size = found["half"]["size"]
        run = player(setting.request, cash=size)(panel, decided)
        assert gauntlet.score_of(run, 252.0).sharpe == pytest.approx(found["sharpe"] / 2, rel=0.02)
        free = found["sharpe"]
        assert [row["sharpe"] for row in found["curve"]] == sorted(
            (row["sharpe"] for row in found["curve"]), reverse=True
        )
        assert found["curve"][0]["sharpe"] == pytest.approx(free, rel=0.05)
        (bar, column), quantity = result.fills.key[0][:2], result.fills.quantity[0]
        cash = setting.request.cash
        bound = 0.10 * cash / (quantity / panel.volume[bar, column])
        assert found["participation"]["first"] == pytest.approx(bound, rel=0.01)

    def test_the_square_root_law_takes_the_volatility_of_what_was_traded(self):
        panel = noise_panel("normal", 300, 2, 12)
        setting = told(panel, [[1.0, 0.0]] + [[np.nan] * 2] * 299)
        found = gauntlet_costs.capacity(setting, setting.strategy.wanted)
        spread = np.std(log_returns(panel)[:, 0], ddof=1)
        assert found["impact_bps"] == pytest.approx(spread * 1e4, rel=1e-9)

    @pytest.mark.parametrize(
        ("size", "words"),
        [
            (10_527_899_819.0, "10.5 billion"),
            (999_800.0, "1 million"),
            (1e12, "1 trillion"),
            (31_622.8, "31.6 thousand"),
            (12.0, "12"),
        ],
    )
    def test_sizes_are_told_in_words(self, size, words):
        assert gauntlet_costs.in_words(size) == words

    def test_no_volume_no_capacity(self):
        close = np.linspace(100, 120, 40)
        setting = told(panel_of(close, volume=np.full((40, 1), np.nan)), [[1.0]] + [[np.nan]] * 39)
        found = gauntlet_costs.capacity(setting, setting.strategy.wanted)
        assert found["refused"]["code"] == "capacity.no_volume"
        losing = told(panel_of(close[::-1].copy()), [[1.0]] + [[np.nan]] * 39)
        found = gauntlet_costs.capacity(losing, losing.strategy.wanted)
        assert found["half"]["says"] == "there is no Sharpe ratio above 0 to lose"


# The long form, 200 strategies of each kind on four laws of noise: tests.speed.nulls.
@pytest.mark.parametrize("kind", ["bootstrapped", "phase_randomised", "sign_flipped", ENTRIES])
def test_p_values_are_uniform_on_noise(kind):
    found = []
    for number in range(50):
        setting = zero_skill(number, noise_panel("normal", 260, 1, 100 + number))
        _, result = gauntlet.run_of(setting)
        nulls = gauntlet.nulls_of(setting, result, kind, 39, str(number))
        found.append(gauntlet.p_value(gauntlet.score_of(result, 252.0).sharpe, nulls.sharpe))
    assert stats.kstest(found, "uniform").pvalue > 0.05
