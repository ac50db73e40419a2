"""Walk-forward: equal to a plain loop, folds that never overlap, and what luck brings."""

import json
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.backtests.kernel import engine
from apps.backtests.kernel.panels import read_panel_file
from apps.backtests.kernel.requests import read_request
from apps.backtests.kernel.validation import folds, stability
from apps.backtests.kernel.validation.ground import Ground, begun_at, play_window
from apps.backtests.kernel.validation.kinds import KINDS, combinations_of, kind_of
from apps.backtests.kernel.validation.walking import WARNING, folds_of
from apps.core.errors import Invalid
from apps.strategies.kernel.decisions import ByBar, sparse_rows
from apps.strategies.kernel.interface import View
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.backtests.panels import panel_of

SPY = Path(__file__).parents[2] / "data/market/lean_spy_hour.parquet"
COSTS = {"fee_bps": 5.0, "slippage_bps": 2.0}
SPACE = {"fast": [3, 8, 20], "slow": [15, 40]}
DAY = 86_400_000_000


def quiet(_share):
    """Tell nobody."""


def ground_of(
    panel, plan, *, strategy=None, space=None, fixed=None, objective="sharpe", kind=None
):
    strategy = strategy or SmaCrossover()
    body = {"strategy": strategy.spec.name, "costs": COSTS, "instruments": ["X"]}
    made, every = combinations_of(space or SPACE, strategy.spec, fixed or {})
    read = KINDS[kind or "walk_forward"].read(plan)
    return Ground(panel, strategy, read_request(body), made, every, objective, read)


def walk(ground, kind="walk_forward"):
    of_kind = KINDS[kind]
    done = [(step, of_kind.work(ground, step, quiet)) for step in of_kind.steps(ground)]
    return of_kind.finish(ground, done), {step.number: out for step, out in done}


@pytest.fixture(scope="module")
def spy():
    return read_panel_file(SPY.read_bytes(), SPY.name, timeframe="1h")


def plainly(panel, strategy, params, start, stop, warmup):
    """One window as anyone would write it: cut, blank the warm-up, run the ordinary engine."""
    piece = panel.rows(start - 1 - warmup, stop)
    targets = np.array(strategy.targets(piece, params), float)
    for asset in range(piece.n_assets):
        standing = [weight for weight in targets[: warmup + 1, asset] if np.isfinite(weight)]
        targets[:warmup, asset] = np.nan
        targets[warmup, asset] = standing[-1] if standing else np.nan
    equity = engine.run(piece, targets, cash=100_000.0, **COSTS).equity
    return equity[warmup + 1 :] / equity[warmup:-1] - 1.0


def brute_force(panel, strategy, grid, plan, periods):
    """A walk-forward with loops and slices alone; returns of the tests and what was chosen."""
    warmup, found, chosen = max(strategy.warmup(p) for p in grid if p["fast"] < p["slow"]), [], []
    gap = plan["purge"] + plan["embargo"]
    first = warmup + 1
    start = first + plan["train"] + gap
    while start + plan["test"] <= panel.n_bars:
        begun = first if plan["mode"] == "anchored" else start - gap - plan["train"]
        best, top = None, -np.inf
        for number, params in enumerate(grid):
            if params["fast"] >= params["slow"]:
                continue
            returns = plainly(panel, strategy, params, begun, start - gap, warmup)
            spread = np.std(returns, ddof=1)
            if spread > 0 and np.mean(returns) / spread * np.sqrt(periods) > top:
                best, top = number, np.mean(returns) / spread * np.sqrt(periods)
        stop = start + plan["test"]
        if panel.n_bars - stop < plan["test"] / 2:
            stop = panel.n_bars
        found.append(plainly(panel, strategy, grid[best], start, stop, warmup))
        chosen.append(best)
        start += plan["test"]
    if panel.n_bars - start >= plan["test"] / 2:
        raise AssertionError("choose a plan whose rest is less than half a window")
    return np.concatenate(found), chosen


@pytest.mark.parametrize("mode", ["rolling", "anchored"])
def test_walk_forward_equals_a_brute_force_loop(spy, mode):
    plan = {"mode": mode, "train": 200, "test": 75, "purge": 5, "embargo": 3, "demonstrate": False}
    ground = ground_of(spy, plan, fixed={"short": False})
    found, done = walk(ground)
    returns, chosen = brute_force(spy, SmaCrossover(), ground.combinations, plan, ground.periods)
    mine = np.concatenate([done[number].arrays["returns"] for number in sorted(done)])
    assert len(chosen) >= 6
    assert [row["chosen"]["number"] for row in found["folds"]] == chosen
    assert len(set(chosen)) > 1  # or the loop would have had nothing to choose
    np.testing.assert_allclose(mine, returns, rtol=0, atol=1e-12)
    assert found["sharpe"] == pytest.approx(
        np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(ground.periods), rel=1e-9
    )
    assert found["metrics"]["total_return"] == pytest.approx(np.prod(1 + returns) - 1)


def test_several_assets_and_another_objective_equal_the_loop(spy):
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, (500, 3)), axis=0))
    panel = panel_of(close)
    plan = {"train": 120, "test": 60, "purge": 0, "embargo": 0, "demonstrate": False}
    ground = ground_of(panel, plan, objective="total_return", fixed={"short": False})
    found, done = walk(ground)
    for fold, row in zip(folds_of(ground), found["folds"], strict=True):
        played = [
            np.prod(1 + plainly(panel, SmaCrossover(), p, fold.train_start, fold.train_stop, 40))
            if p["fast"] < p["slow"]
            else -np.inf
            for p in ground.combinations
        ]
        assert row["chosen"]["number"] == int(np.argmax(played))
        assert row["score"] == pytest.approx(max(played) - 1)
        scores = done[row["number"]].arrays["scores"]
        np.testing.assert_allclose(scores[np.isfinite(scores)] + 1, [x for x in played if x > 0])


def test_nothing_after_a_window_changes_it(spy):
    plan = {"train": 200, "test": 70, "demonstrate": False}
    whole, _ = walk(ground_of(spy, plan))
    stop = whole["folds"][1]["window"]["test"]["stop"]
    some, _ = walk(ground_of(spy.rows(0, stop), plan))
    assert some["folds"][0] == whole["folds"][0]
    assert some["folds"][1]["chosen"] == whole["folds"][1]["chosen"]
    assert some["folds"][1]["test"] == whole["folds"][1]["test"]


def test_an_account_begins_each_window_in_cash_and_pays_to_enter(spy):
    ground = ground_of(spy, {"train": 200, "test": 70})
    free = {**ground.request.as_dict(), "costs": {}}
    cheap = Ground(
        spy,
        ground.strategy,
        read_request(free),
        *[getattr(ground, name) for name in ("space", "combinations", "objective", "plan")],
    )
    params = {"fast": 3, "slow": 15, "short": False}
    sides = SmaCrossover().targets(spy, params)
    at = (
        int(np.flatnonzero(np.nan_to_num(sides[:, 0]) > 0)[5]) + 2
    )  # held from before: long at once
    paid, spared = (play_window(g, params, at, at + 5, warmup=15).returns for g in (ground, cheap))
    assert paid[0] < spared[0]
    assert paid[0] == pytest.approx((1 + spared[0]) / (1 + 7e-4) - 1, abs=2e-5)


@settings(max_examples=120, deadline=None)
@given(
    n_bars=st.integers(40, 700),
    train=st.integers(10, 200),
    test=st.integers(2, 90),
    more=st.integers(0, 40),
    purge=st.integers(0, 12),
    embargo=st.integers(0, 12),
    warmup=st.integers(0, 30),
    mode=st.sampled_from(["rolling", "anchored"]),
)
def test_folds_never_overlap_and_tests_cover(
    n_bars, train, test, more, purge, embargo, warmup, mode
):
    given_plan = {"train": train, "test": test, "mode": mode, "purge": purge, "embargo": embargo}
    plan = folds.read_plan({**given_plan, "step": test + more if more else None})
    ts = np.arange(n_bars, dtype=np.int64) * DAY
    if n_bars < warmup + 1 + train + purge + embargo + max(test / 2, 2):
        with pytest.raises(Invalid, match=f"{n_bars} bars"):
            folds.cut(plan, ts, warmup)
        return
    cut = folds.cut(plan, ts, warmup)
    for fold in cut:
        assert fold.train_start - 1 - warmup >= 0
        assert fold.test_start - fold.train_stop == purge + embargo
        assert fold.train_stop - fold.train_start >= train
        assert mode == "anchored" or fold.train_stop - fold.train_start == train
        assert fold.test_stop <= n_bars
    for before, after in pairwise(cut):
        assert before.test_stop <= after.test_start
        assert after.train_start >= before.train_start
        if mode == "anchored":
            assert after.train_start == before.train_start
            assert after.train_stop > before.train_stop
    if not more:
        scored = np.concatenate([np.arange(f.test_start, f.test_stop) for f in cut])
        rest = n_bars - (scored[-1] + 1)
        assert scored.tolist() == list(range(cut[0].test_start, scored[-1] + 1))
        assert rest == 0 or len(cut) == 1


def test_folds_by_dates_follow_the_calendar():
    days = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    ts = days.astype("datetime64[us]").astype(np.int64)
    plan = folds.read_plan({"train": "1y", "test": "6mo"})
    cut = folds.cut(plan, ts, 0)
    starts = [str(days[fold.test_start]) for fold in cut]
    assert starts == [
        "2021-01-04",
        "2021-07-02",
        "2022-01-03",
        "2022-07-04",
        "2023-01-02",
        "2023-07-03",
    ]
    assert [str(days[fold.train_start]) for fold in cut[1:3]] == ["2020-07-02", "2021-01-04"]
    assert cut[-1].test_stop == len(ts)
    assert all(a.test_stop == b.test_start for a, b in pairwise(cut))


@pytest.mark.parametrize(
    ("given_plan", "field"),
    [
        ({"test": 20}, "plan.train"),
        ({"train": 50}, "plan.test"),
        ({"train": "1 year", "test": "6mo"}, "plan.train"),
        ({"train": 100, "test": "6mo"}, "plan.train"),
        ({"train": 9, "test": 20}, "plan.train"),
        ({"train": True, "test": 20}, "plan.train"),
        ({"train": 100, "test": 20, "step": 10}, "plan.step"),
        ({"train": "1y", "test": "6mo", "step": "30d"}, "plan.step"),
        ({"train": 100, "test": 20, "purge": -1}, "plan.purge"),
        ({"train": 100, "test": 20, "embargo": 1.5}, "plan.embargo"),
        ({"train": 100, "test": 20, "mode": "sliding"}, "plan.mode"),
        ({"train": 100, "test": 20, "mode": ["rolling"]}, "plan.mode"),
        ({"train": 100, "test": 20, "folds": 3}, "plan.folds"),
        ({"train": 100, "test": 20, "demonstrate": "no"}, "plan.demonstrate"),
        ([], "plan"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_field(given_plan, field):
    with pytest.raises(Invalid) as refused:
        folds.read_plan(given_plan)
    assert refused.value.code == "validation.plan"
    assert refused.value.details["field"] == field


def test_more_folds_than_anyone_reads_are_refused_and_not_cut_short():
    days = np.arange("2010-01-01", "2020-01-01", dtype="datetime64[D]")
    ts = days.astype("datetime64[us]").astype(np.int64)
    for plan in ({"train": "1y", "test": "2d"}, {"train": 365, "test": 2}):
        with pytest.raises(Invalid, match="more than 500 folds"):
            folds.cut(folds.read_plan(plan), ts, 0)


def test_what_does_not_fit_is_told_before_any_work(spy):
    kind = kind_of("walk_forward")
    with pytest.raises(Invalid, match="806 bars") as refused:
        kind.steps(ground_of(spy, {"train": 800, "test": 50}))
    assert refused.value.code == "validation.too_short"
    with pytest.raises(Invalid) as refused:
        kind.steps(ground_of(spy, {"train": 10, "test": 2}, space={"fast": list(range(2, 102))}))
    assert refused.value.code == "validation.too_many"
    with pytest.raises(Invalid) as refused:
        kind.steps(
            ground_of(spy, {"train": 50, "test": 20}, space={"fast": [40, 50], "slow": [30]})
        )
    assert refused.value.code == "validation.no_combination"
    with pytest.raises(Invalid) as refused:
        kind_of("sideways")
    assert refused.value.code == "validation.kind"


def test_refused_combinations_are_counted_and_ties_go_to_the_first(spy):
    ground = ground_of(
        spy,
        {"train": 200, "test": 70, "demonstrate": False},
        space={"fast": [30, 3, 3.0], "slow": [15]},
    )
    assert len(ground.combinations) == 2  # 3 and 3.0 are one value
    found, _ = walk(ground)
    assert {row["refused"] for row in found["folds"]} == {1}
    assert {row["chosen"]["number"] for row in found["folds"]} == {1}
    # In a market that never moves nothing is better than anything: no choice, all in cash.
    still = panel_of(np.full(400, 10.0))
    flat, done = walk(ground_of(still, {"train": 100, "test": 50}, objective="total_return"))
    assert flat["sharpe"] is None
    assert all(row["chosen"]["number"] == 0 for row in flat["folds"])
    none, _ = walk(ground_of(still, {"train": 100, "test": 50}))
    assert all(row["chosen"]["number"] is None for row in none["folds"])
    assert np.all(done[1].arrays["returns"] == 0.0)


def test_the_figures_of_degradation_and_stability_by_hand():
    rows = [
        {"train": {"sharpe": s, "mean": m}, "test": {"sharpe": t, "mean": u}}
        for s, m, t, u in [
            (2.0, 0.002, 1.0, 0.001),
            (1.0, 0.001, 0.0, -0.001),
            (3.0, 0.003, 2.0, 0.003),
        ]
    ]
    found = stability.degradation(rows, 0.5, 252.0)
    assert found["train_sharpe"] == 2.0
    assert found["test_sharpe"] == 1.0
    assert found["lost"] == 0.75
    assert found["efficiency"] == pytest.approx(0.5)
    assert (found["slope"], found["intercept"], found["r_squared"]) == pytest.approx((1, -1, 1))
    assert found["positive"] == pytest.approx(2 / 3)
    space, _ = combinations_of({"fast": [2, 4, 6], "slow": [10, 20]}, SmaCrossover.spec, {})
    assert stability.neighbours(space, 0) == [1, 2]
    assert stability.neighbours(space, 3) == [1, 2, 5]
    level = stability.plateau(space, np.array([1.0, 2.0, np.nan, 4.0, 1.0, 3.0]), 3)
    assert level == {"neighbours": 2, "mean": 2.5, "share": 0.625}
    chosen = [{"number": n, "params": space.at(n)} for n in (0, 0, 4, 1)]
    moved = stability.stability(space, chosen)
    assert moved["kept"] == pytest.approx(1 / 3)
    fast, slow = moved["parameters"]
    assert (fast["mode"], fast["modal_share"], fast["distinct"]) == (2, 0.75, 2)
    assert fast["moves"] == pytest.approx(2 / 3)
    assert (slow["mode"], slow["moves"]) == (10, pytest.approx(1 / 3))


def test_naive_slicing_flatters_noise_and_is_labelled_as_a_demonstration():
    honest, naive = [], []
    space = {"fast": [2, 4, 8, 16], "slow": [12, 24, 48]}
    for seed in range(8):
        rng = np.random.default_rng([7, seed])
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 700)))
        panel = panel_of(np.r_[100.0, close[:-1]], close)
        found, _ = walk(ground_of(panel, {"train": 200, "test": 100}, space=space))
        honest.append(found["sharpe"])
        naive.append(found["naive"]["sharpe"])
        assert found["naive"]["warning"] == WARNING
        assert found["naive"]["bias"] == pytest.approx(naive[-1] - honest[-1])
    # What slicing claims is higher in every one of eight worlds without skill, or nearly.
    assert sum(n > h for n, h in zip(naive, honest, strict=True)) >= 7
    sliced, _ = walk(
        ground_of(panel, {"train": 200, "test": 100}, space=space, kind="naive"), "naive"
    )
    assert sliced["sharpe"] == pytest.approx(naive[-1])
    assert sliced["warning"] == WARNING
    assert sliced["efficiency"] is None
    assert not KINDS["naive"].is_evidence
    assert KINDS["walk_forward"].is_evidence


def test_decisions_before_a_window_count_by_what_they_left():
    nan = np.nan
    wanted = np.array([[0.5, nan], [nan, 0.2], [0.1, nan], [nan, nan], [nan, 0.3]])
    expected = np.array([[nan, nan], [nan, nan], [nan, nan], [0.1, 0.2], [nan, 0.3]])
    np.testing.assert_array_equal(begun_at(wanted, 3), expected)
    sparse = begun_at(sparse_rows(wanted), 3)
    np.testing.assert_array_equal(sparse.targets(5), expected)
    asked = []
    by_bar = begun_at(ByBar({}, lambda view: asked.append(view.i)), 3)
    for bar in range(5):
        by_bar.decide(View(bar, bar, {}, np.zeros(2), np.ones(2, bool)))
    assert asked == [3, 4]


def test_a_strategy_that_raises_fails_its_combination_and_no_other(spy):
    class Brittle(SmaCrossover):
        def decisions(self, panel, params):
            if params["fast"] == 8:
                raise ZeroDivisionError("by the user")
            return super().decisions(panel, params)

    found, _ = walk(ground_of(spy, {"train": 300, "test": 200}, strategy=Brittle()))
    assert {row["failed"] for row in found["folds"]} == {2}
    assert {row["chosen"]["params"]["fast"] for row in found["folds"]} <= {3, 20}


def test_the_command_walks_a_file_and_ends_with_2_on_bad_input(spy, tmp_path):
    spec = tmp_path / "walk.json"
    body = {"strategy": "sma_crossover", "panel": str(SPY), "timeframe": "1h", "costs": COSTS}
    spec.write_text(json.dumps({**body, "space": SPACE, "plan": {"train": 200, "test": 75}}))
    out = StringIO()
    call_command("walkforward", str(spec), stdout=out)
    told = json.loads(out.getvalue())
    found, _ = walk(ground_of(spy, {"train": 200, "test": 75}, fixed={"short": False}))
    assert told["sharpe"] == pytest.approx(found["sharpe"])
    assert told["naive"]["warning"] == WARNING
    assert told["trials"] == 6 * (len(told["folds"]) + 1)
    for more, words in (("--train=9000", "806 bars"), ("--test=soon", r"plan\.test")):
        with pytest.raises(CommandError, match=words) as refused:
            call_command("walkforward", str(spec), more)
        assert refused.value.returncode == 2
    spec.write_text(json.dumps({**body, "panel": ""}))
    with pytest.raises(CommandError, match="no file of bars"):
        call_command("walkforward", str(spec))
