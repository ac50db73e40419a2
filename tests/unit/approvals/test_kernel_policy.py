"""Gates on evidence; a figure that must be there and isn't fails closed."""

import dataclasses

import pytest

from apps.approvals.kernel import policy
from apps.approvals.kernel.policy import DEFAULT_GATES, Gate, judge


def gate(**changes):
    fields = {"name": "g", "label": "G", "figure": "f", "operator": ">=", "threshold": 1.0}
    return Gate(**{**fields, "stages": ("paper",), "mode": "on", **changes})


def only(gates, evidence, stage="paper"):
    (result,) = judge(gates, stage, evidence)
    return result.status, result.blocks


def test_default_gates_fail_closed_where_the_lab_computes_the_figure():
    results = judge(DEFAULT_GATES, "paper", {})
    assert [r.name for r in results] == ["probe", "deflated_sharpe", "pbo", "trades"]
    assert {r.status for r in results} == {"not_available"}
    assert [r.name for r in results if r.blocks] == ["probe", "deflated_sharpe", "trades"]
    live = judge(DEFAULT_GATES, "live", {})
    assert [r.name for r in live] == [*(r.name for r in results), "paper_days", "twin_gap"]
    assert [r.name for r in live if r.blocks] == [
        "probe", "deflated_sharpe", "trades", "paper_days",
    ]  # fmt: skip


def test_default_thresholds_are_those_of_the_rules():
    found = {g.name: (g.operator, g.threshold) for g in DEFAULT_GATES}
    assert found == {
        "probe": ("is", True),
        "deflated_sharpe": (">=", 0.95),
        "pbo": ("<=", 0.2),
        "trades": (">=", 30),
        "paper_days": (">=", 20),
        "twin_gap": ("is", True),
    }


@pytest.mark.parametrize(("trades", "expected"), [(29, ("fail", True)), (30, ("pass", False))])
def test_trades_are_judged(trades, expected):
    results = {r.name: r for r in judge(DEFAULT_GATES, "paper", {"metrics": {"trades": trades}})}
    assert (results["trades"].status, results["trades"].blocks) == expected


@pytest.mark.parametrize(
    "missing", [{}, {"f": None}, {"f": float("nan")}, {"f": "1.5"}, {"metrics": 3}]
)
def test_an_enforced_gate_without_its_figure_fails_closed(missing):
    assert only([gate()], missing) == ("not_available", True)
    assert only([gate(mode="if_available")], missing) == ("not_available", False)
    assert only([gate(mode="off")], missing) == ("not_available", False)


@pytest.mark.parametrize(
    ("operator", "threshold", "value", "status"),
    [
        (">=", 1.0, 1.0, "pass"),
        (">=", 1.0, 0.999, "fail"),
        ("<=", 0.2, 0.2, "pass"),
        ("<=", 0.2, 0.21, "fail"),
        ("is", True, True, "pass"),
        ("is", True, False, "fail"),
        ("is", True, 1, "fail"),
    ],
)
def test_operators(operator, threshold, value, status):
    rule = gate(operator=operator, threshold=threshold)
    assert only([rule], {"f": value}) == (status, status == "fail")


def test_gates_of_other_stages_are_left_out():
    assert judge([gate(stages=("live",))], "paper", {}) == []


def test_gates_survive_json():
    assert policy.read_gates(policy.gates_as_json(DEFAULT_GATES)) == DEFAULT_GATES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"operator": ">"}, "operator is one of"),
        ({"mode": "maybe"}, "mode one of"),
        ({"threshold": "high"}, "threshold is a number"),
        ({"threshold": True}, "threshold is a number"),
        ({"operator": "is"}, "true or false"),
        ({"threshold": float("inf")}, "threshold is a number"),
        ({"colour": "red"}, "a gate has the fields"),
    ],
)
def test_a_wrong_gate_is_named(change, words):
    row = {**dataclasses.asdict(gate()), **change}
    with pytest.raises(ValueError, match=words):
        policy.read_gates([row])


def test_two_gates_of_one_name_are_refused():
    row = dataclasses.asdict(gate())
    with pytest.raises(ValueError, match="same name"):
        policy.read_gates([row, row])
