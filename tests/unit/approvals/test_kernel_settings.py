"""Settings are judged before they hold."""

import pytest

from apps.approvals.kernel.setting_specs import SPECS, find_spec, number


def test_every_default_holds_by_its_own_rule():
    for spec in SPECS.values():
        spec.check(spec.default)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("approvals.open_days", 0, "from 1 to 365"),
        ("approvals.open_days", 1.5, "whole number"),
        ("approvals.open_days", True, "whole number"),
        ("approvals.open_days", "7", "whole number"),
        ("approvals.tiers_usd", [10_000], "two amounts"),
        ("approvals.tiers_usd", [20_000, 10_000], "not below"),
        ("approvals.tiers_usd", [float("nan"), 1], "not a number"),
        ("approvals.gates", {}, "list of objects"),
        ("approvals.gates", [3], "list of objects"),
        ("approvals.gates", [{"name": "x"}], "a gate has the fields"),
    ],
)
def test_a_wrong_value_is_refused_in_words(key, value, words):
    with pytest.raises(ValueError, match=words):
        find_spec(key).check(value)


def test_an_unknown_setting_names_those_there_are():
    with pytest.raises(ValueError, match=r"approvals\.gates"):
        find_spec("lunch.hour")


def test_bounds_belong_to_the_range():
    check = number(0, 1)
    check(0)
    check(1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        check(1.0001)
