"""Words and plans: read by rule, marked as a machine's; settings checked by name."""

import pytest

from apps.assistant.kernel import prompts
from apps.assistant.kernel.plan import Plan, check_plan, cut_of, meets
from apps.assistant.kernel.wording import READING, REASONS, direction, reason, statement
from apps.core.errors import Invalid
from apps.strategies.kernel.expressions import parse


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("-ts_mean(returns, 5)", "falls"),
        ("-delta(close, 5) / delay(close, 5)", "falls"),
        ("close / delay(close, 250)", "rises"),
        ("close / ts_mean(close, 50) * sign(returns)", "other"),
        ("-correlation(close, volume, 10)", "flow"),
        ("ts_rank(volume, 20)", "volume"),
        ("-ts_std(returns, 60)", "spread"),
        ("(close - low) / (high - low)", "range"),
        ("close / open", "other"),
    ],
)
def test_the_reason_follows_the_form_and_says_that_a_machine_read_it(text, theme):
    assert reason(parse(text)) == READING + REASONS[theme]


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("returns", 1),
        ("-returns", -1),
        ("rank(-delta(close, 5))", -1),
        ("close - ts_mean(close, 20)", 1),
        ("ts_mean(close, 20) - close", -1),
        ("returns + delta(close, 2)", 1),
        ("returns - delta(close, 2)", 0),
        ("volume", 0),
        ("returns * volume", 0),
    ],
)
def test_direction_is_told_only_when_certain(text, way):
    assert direction(parse(text, with_units=False)) == way


def test_a_statement_is_one_sentence_about_the_formula():
    words = statement(parse("-ts_mean(returns, 5)"), 7, long_short=True)
    assert words == (
        "Over the next 7 days, instruments on which the following is high earn more than those "
        "on which it is low: minus the 5-bar mean of the one-bar return."
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"split": 0.99}, "split"),
        ({"split": "half"}, "split"),
        ({"share": float("nan")}, "share"),
        ({"population": 3}, "population"),
        ({"population": 10.5}, "population"),
        ({"generations": 10**9}, "generations"),
        ({"seed": -1}, "seed"),
        ({"objective": "luck"}, "objective"),
        ({"long_short": "yes"}, "long_short"),
        ({"rebalance_days": True}, "rebalance_days"),
        ({"idea": "x" * 501}, "idea"),
        ({"criteria": {"min_luck": 1}}, "criteria"),
        ({"criteria": {"min_sharpe": "high"}}, "criteria.min_sharpe"),
        ({"magic": 1}, "magic"),
    ],
)
def test_a_setting_out_of_range_is_named(given, field):
    with pytest.raises(Invalid) as refusal:
        check_plan(given)
    assert refusal.value.details["field"] == field


def test_a_plan_survives_storage():
    plan = check_plan({"split": 0.6, "criteria": {"min_sharpe": 1}})
    assert plan.criteria == {"min_sharpe": 1.0, "min_ic_t": 1.0}
    assert check_plan(plan.as_json()) == plan
    assert check_plan({}) == Plan()


def test_short_samples_are_refused():
    assert cut_of(1000, 0.7) == 700
    with pytest.raises(Invalid) as refusal:
        cut_of(300, 0.7)
    assert refusal.value.code == "search.too_short"


@pytest.mark.parametrize(
    ("figures", "met"),
    [
        ({"sharpe": 0.6, "ic_t": 2.0}, True),
        ({"sharpe": 0.4, "ic_t": 2.0}, False),
        ({"sharpe": None, "ic_t": 2.0}, False),
        ({}, False),
    ],
)
def test_criteria_need_their_figures(figures, met):
    assert meets(figures, Plan().criteria) is met


def test_the_prompt_says_nothing_of_the_team():
    text = prompts.prompt(
        universe="sp500", symbols=["A"] * 140, timeframe="1d", start="2007-01-03",
        end="2016-12-30", days=7, long_short=True, costs_bps=10, idea="volume", ideas=5,
    )  # fmt: skip
    assert "140 instruments" in text
    assert "The researcher asks for: volume" in text
    assert "Propose 5 hypotheses." in text
