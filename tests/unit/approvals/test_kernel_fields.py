"""Fields of policies: each policy has them, what they show makes the same value again."""

import pytest

from apps.approvals.kernel.fields import CHECK, CHOICE, Field, read_fields, text_of
from apps.approvals.kernel.setting_specs import SPECS

POLICIES = sorted(key for key, spec in SPECS.items() if spec.by_proposal)


@pytest.mark.parametrize("key", POLICIES)
def test_what_the_fields_of_a_policy_show_is_its_value(key):
    spec = SPECS[key]
    fields = spec.fields(spec.default)
    shown = {field.name: text_of(field, spec.default) for field in fields}
    assert len(shown) == len(fields) > 0
    assert read_fields(fields, shown, spec.default) == (spec.default, {})
    spec.check(read_fields(fields, shown, spec.default)[0])


def test_places_are_filled_and_the_value_before_stays_as_it_was():
    before = [{"threshold": 30, "stages": ["live", "paper"], "mode": "on", "label": "kept"}]
    fields = (
        Field("most", "Most", (0, "threshold"), minimum=0, maximum=99, is_whole=True),
        Field("paper", "Paper", (0, "stages"), CHECK, word="paper"),
        Field("live", "Live", (0, "stages"), CHECK, word="live"),
        Field("mode", "Mode", (0, "mode"), CHOICE, choices=(("on", "On"), ("", "Unsaid"))),
    )
    sent = {"most": " 40 ", "paper": "on", "mode": ""}
    made, errors = read_fields(fields, sent, before)
    assert (made, errors) == ([{"threshold": 40, "stages": ["paper"], "label": "kept"}], {})
    assert before == [
        {"threshold": 30, "stages": ["live", "paper"], "mode": "on", "label": "kept"}
    ]
    both = read_fields(fields, {**sent, "live": "on", "mode": "on"}, before)[0]
    assert both == [{**before[0], "threshold": 40}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Give a whole number."),
        ("x", "'x' is not a whole number."),
        ("1.5", "'1.5' is not a whole number."),
        ("--1", "'--1' is not a whole number."),
        ("nan", "'nan' is not a whole number."),
        ("1e999", "'1e999' is not a whole number."),
        ("0", "0 is not a whole number from 1 to 3,650."),
        ("3651", "3651 is not a whole number from 1 to 3,650."),
    ],
)
def test_each_field_says_what_it_takes(text, said):
    fields = SPECS["approvals.valid_days"].fields({"paper": 1, "live": 2})
    value, errors = read_fields(fields, {"paper": text, "live": "9"}, {"paper": 1, "live": 2})
    assert (value["live"], errors) == (9, {"paper": said})


def test_a_choice_is_one_of_those_there_are():
    spec = SPECS["approvals.signatures"]
    fields = spec.fields(spec.default)
    sent = {field.name: "" for field in fields}
    _, errors = read_fields(fields, {**sent, "order": "wink"}, spec.default)
    assert set(errors) == {"default", "order"}
    assert "is not one of totp, passkey" in errors["order"]
