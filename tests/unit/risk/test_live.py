"""Live figures: worked by hand, against the measures, netted, and with trades."""

import math

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Terms
from apps.risk.kernel.live import (
    History,
    after_trades,
    live_figures,
    prepare,
    what_if,
)
from apps.risk.kernel.measures import tail_by
from apps.risk.kernel.netting import Part, net_quantities, netted
from apps.risk.kernel.tail_parts import MODELS, tail_parts

LEVELS = (0.95, 0.99)
# A loses 0.01 % to 1 % over a hundred days, a different loss each; B gains what A loses.
LADDER = -0.0001 * np.random.default_rng(3).permutation(np.arange(1, 101)).astype(float)
LADDERS = History(("A", "B"), np.column_stack([LADDER, -LADDER]))
PRICES = {"A": 100.0, "B": 50.0}
# Linear quantile (type 7) of a hundred: the 5 % point lies 95 % of the way from the fifth worst,
# 0.96 %, to the sixth, 0.95 %; the 1 % point 99 % of the way from 1 % to 0.99 %.
VAR_95, ES_95, VAR_99, ES_99 = 0.009505, 0.0098, 0.009901, 0.0100


def sample(seed=5, days=250, width=4):
    rng = np.random.default_rng(seed)
    common = rng.standard_t(5, size=(days, 1)) * 0.008
    return common * rng.uniform(0.3, 1.5, width) + rng.normal(0.0, 0.006, (days, width))


def money(figures):
    return {row["level"]: (row["var_money"], row["es_money"]) for row in figures["levels"]}


# --- figures ---------------------------------------------------------------------------------


def test_figures_worked_by_hand():
    found = live_figures({"A": 10.0}, PRICES, LADDERS, model="historical", equity=10_000.0)
    assert (found["gross"], found["net"], found["gross_share"]) == (1000.0, 1000.0, 0.1)
    first, second = found["levels"]
    assert first["var_money"] == pytest.approx(1000 * VAR_95, rel=1e-12)
    assert first["es_money"] == pytest.approx(1000 * ES_95, rel=1e-12)
    assert second["var_money"] == pytest.approx(1000 * VAR_99, rel=1e-12)
    assert second["es"] == pytest.approx(0.1 * ES_99, rel=1e-12)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_in_force_tells_what_the_measure_tells(model):
    returns, weights = sample(), np.array([0.5, -0.3, 0.4, 0.1])
    for part in tail_parts(returns, weights, model, LEVELS):
        told = tail_by(returns @ weights, model, Terms(level=part.level))
        assert (part.var, part.es) == pytest.approx((told.var, told.es), rel=1e-12)
        assert part.by_var.sum() == pytest.approx(part.var, abs=1e-12)
        assert part.by_es.sum() == pytest.approx(part.es, abs=1e-12)


@pytest.mark.parametrize("model", ["gaussian", "cornish_fisher", "ewma", "age_weighted"])
def test_parts_are_weight_times_slope(model):
    returns, weights, step = sample(), np.array([0.5, -0.3, 0.4, 0.1]), 1e-6
    for i in range(len(weights)):
        up, down = weights.copy(), weights.copy()
        up[i], down[i] = up[i] + step, down[i] - step
        for n, part in enumerate(tail_parts(returns, weights, model, LEVELS)):
            above = tail_parts(returns, up, model, LEVELS)[n]
            below = tail_parts(returns, down, model, LEVELS)[n]
            slope = (above.es - below.es) / (2 * step)
            assert part.by_es[i] == pytest.approx(weights[i] * slope, rel=1e-4, abs=1e-9)


def test_a_price_weighs_the_same_history_anew():
    names = ("A", "B", "C", "D")
    history = History(names, sample())
    held = dict(zip(names, (5.0, -3.0, 4.0, 1.0), strict=True))
    for price in (90.0, 100.0, 140.0):
        prices = {"A": price, "B": 80.0, "C": 50.0, "D": 20.0}
        found = live_figures(held, prices, history, model="fhs", equity=2_000.0)
        weights = np.array([held[name] * prices[name] for name in names]) / 2_000.0
        told = tail_by(history.returns @ weights, "fhs", Terms(level=0.99))
        assert found["levels"][1]["es"] == pytest.approx(told.es, rel=1e-12)
        parts = math.fsum(row["es_99"] for row in found["parts"])
        assert parts == pytest.approx(found["levels"][1]["es_money"], rel=1e-9)


def test_what_has_no_price_or_history_is_named():
    held = {"A": 10.0, "B": 1.0, "NEW": 5.0, "GONE": 2.0}
    prices = {**PRICES, "NEW": 20.0, "GONE": 0.0}
    history = History(LADDERS.names, LADDERS.returns, {"NEW": "3 price(s), 61 are needed"})
    found = live_figures(held, prices, history, model="historical", equity=10_000.0)
    told = {row["symbol"]: row["why"] for row in found["unmeasured"]}
    assert told == {"NEW": "3 price(s), 61 are needed", "GONE": "no price"}
    assert found["unpriced"] == ["GONE"]
    # What is not priced has no value, so no share of the book can be told.
    assert found["covered"] is None
    without = {name: held[name] for name in ("A", "B", "NEW")}
    found = live_figures(without, prices, history, model="historical", equity=10_000.0)
    assert found["covered"] == pytest.approx(1050 / 1150)
    assert found["gross"] == pytest.approx(1150.0)


def test_what_cannot_be_measured_says_why():
    ask = {"model": "historical", "equity": 1e4}
    assert live_figures({}, {}, LADDERS, **ask)["code"] == "risk.empty"
    short = History(("A",), LADDERS.returns[:10, :1])
    assert live_figures({"A": 1.0}, PRICES, short, **ask)["code"] == "risk.too_few"
    unknown = live_figures({"X": 1.0}, {"X": 5.0}, LADDERS, **ask)
    assert (unknown["code"], unknown["levels"]) == ("risk.no_price", [])
    absurd = live_figures({"A": 1e15}, PRICES, LADDERS, **ask)
    assert absurd["code"] == "risk.weights"
    with pytest.raises(Invalid, match="no number"):
        live_figures({"A": math.nan}, PRICES, LADDERS, **ask)


def test_without_equity_there_is_money_alone():
    found = live_figures({"A": 10.0}, PRICES, LADDERS, model="historical", equity=-5.0)
    assert (found["gross_share"], found["levels"][0]["var"]) == (None, None)
    assert found["levels"][0]["var_money"] == pytest.approx(1000 * VAR_95, rel=1e-12)


def test_a_model_that_cannot_be_computed_hands_over_in_words():
    found = live_figures(
        {"A": 1.0}, PRICES, History(("A",), sample(days=80)[:, :1]), model="garch", equity=1e3
    )
    assert found["model"] == "historical"
    assert found["model_note"].startswith("garch can't be computed here, historical stands in")


def test_history_leaves_out_what_is_too_short_or_no_price():
    days, rng = np.arange(300, dtype=np.int64), np.random.default_rng(2)
    walk = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300)))
    young = np.where(days < 270, np.nan, walk)
    broken = np.where(days == 100, -1.0, walk)
    found = prepare({"A": (days, walk), "Y": (days, young), "X": (days, broken)})
    assert (found.names, found.returns.shape) == (("A",), (250, 1))
    assert set(found.absent) == {"Y", "X"}
    assert found.absent["Y"].startswith("30 price(s)")


# --- netting ---------------------------------------------------------------------------------


def part(key, **held):
    return Part(key, key.upper(), "account:1", held)


def test_netting_worked_by_hand():
    parts = [part("long", A=10.0), part("short", A=-4.0)]
    found = netted(parts, PRICES, LADDERS, models=["historical"], equity=10_000.0)
    # The short gains what the long loses: its worst days are A's smallest losses.
    alone_95 = -400 * (0.0005 + 0.95 * 0.0001)
    rows = {row["key"]: row["levels"][0]["var_money"] for row in found["strategies"]}
    assert rows == pytest.approx({"long": 1000 * VAR_95, "short": alone_95}, rel=1e-12)
    assert found["figures"]["levels"][0]["var_money"] == pytest.approx(600 * VAR_95, rel=1e-12)
    saved = found["benefit"][0]
    assert saved["sum_var"] == pytest.approx(1000 * VAR_95 + alone_95, rel=1e-12)
    assert saved["var"] == pytest.approx(1000 * VAR_95 + alone_95 - 600 * VAR_95, rel=1e-12)
    assert (found["gross_apart"], found["figures"]["gross"]) == (1400.0, 600.0)
    assert found["crossed"] == [
        {"symbol": "A", "long": 10.0, "short": 4.0, "netted": 4.0, "value": 400.0}
    ]


def test_ten_long_and_ten_short_are_nothing():
    parts = [part("long", A=10.0), part("short", A=-10.0)]
    found = netted(parts, PRICES, LADDERS, models=["historical"], equity=10_000.0)
    assert net_quantities(parts) == {}
    assert (found["figures"]["gross"], found["figures"]["code"]) == (0.0, "risk.empty")
    assert found["benefit"][0]["net_var"] == 0.0
    assert found["benefit"][0]["var"] == found["benefit"][0]["sum_var"]


def test_what_rounding_leaves_is_nothing():
    parts = [part("a", A=0.1), part("b", A=0.2), part("c", A=-0.3)]
    assert net_quantities(parts) == {}


def test_the_order_of_strategies_changes_nothing():
    parts = [part("a", A=10.0, B=2.0), part("b", A=-4.0), part("c", B=5.0)]
    ask = {"models": ["gaussian"], "equity": 1e4}
    one = netted(parts, PRICES, LADDERS, **ask)["figures"]["levels"]
    assert netted(parts[::-1], PRICES, LADDERS, **ask)["figures"]["levels"] == one


def test_of_several_models_the_one_that_tells_most():
    history = History(("A",), sample()[:, :1])
    ask = {"history": history, "equity": 1e4}
    told = {
        model: netted([part("a", A=1.0)], PRICES, models=[model], **ask)["figures"]
        for model in ("gaussian", "evt", "historical")
    }
    worst = max(told, key=lambda model: money(told[model])[0.99][1])
    found = netted([part("a", A=1.0)], PRICES, models=list(told), **ask)
    assert found["figures"] == told[worst]


# --- what if ---------------------------------------------------------------------------------


def ask(held, trades, **more):
    options = {"model": "historical", "equity": 10_000.0, **more}
    return what_if(held, PRICES, trades, LADDERS, LADDERS, **options)


def test_what_if_worked_by_hand():
    found = ask({"A": 10.0}, [("A", -4.0)], cost=2.0)
    assert money(found["before"])[0.95][0] == pytest.approx(1000 * VAR_95, rel=1e-12)
    assert money(found["after"])[0.95][0] == pytest.approx(600 * VAR_95, rel=1e-12)
    assert found["after"]["equity"] == 9_998.0
    assert found["after"]["gross_share"] == pytest.approx(600 / 9_998.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("model", ["historical", "gaussian", "fhs"])
def test_what_if_of_nothing_changes_nothing(seed, model):
    held = dict(zip("AB", np.random.default_rng(seed).normal(0, 10, 2).tolist(), strict=True))
    found = ask(held, [], model=model)
    assert found["before"] == found["after"]
    there_and_back = ask(held, [("A", 3.0), ("A", -3.0)], model=model)
    assert money(there_and_back["after"])[0.99] == pytest.approx(money(found["before"])[0.99])


def test_what_if_of_what_has_no_price_is_refused():
    with pytest.raises(Invalid) as error:
        ask({"A": 10.0}, [("NEW", 1.0)])
    assert (error.value.code, error.value.details["instruments"]) == ("risk.no_price", ["NEW"])


def test_trades_that_close_a_position_leave_none():
    assert after_trades({"A": 0.3, "B": 1.0}, [("A", -0.1), ("A", -0.2)]) == {"B": 1.0}
