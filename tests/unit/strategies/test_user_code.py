"""A user's text is read, never run: what it declares, and what is wrong by line."""

import pytest

from apps.core.errors import Invalid
from apps.strategies.kernel.user_code import check, read
from apps.strategies.kernel.warmups import bars_of

GOOD = """
import numpy as np
TITLE = "Mine"
PARAMETERS = {"n": {"kind": "int", "default": 5, "low": 1, "high": 50, "unit": "bars"}}
INPUTS = ["close", "funding"]
WARMUP = "max(n, 3) * 2 + 1"


def targets(panel, params):
    return panel.close * params["n"]
"""


def found(text):
    return [(one.line, one.code, one.level) for one in check(text)]


def test_good_text_declares_itself():
    declared = read("mine", GOOD)
    assert check(GOOD) == []
    assert declared.spec.title == "Mine"
    assert declared.spec.inputs == ("close", "funding")
    assert [(one.name, one.low, one.unit) for one in declared.spec.parameters] == [
        ("n", 1, "bars")
    ]
    assert declared.warmup_bars({"n": 5}) == 11
    assert declared.entries == ("targets",)


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("def targets(panel, params:\n    pass", 1, "code.syntax"),
        ("x = 1\n\ny = = 2", 3, "code.syntax"),
        ("\0", 1, "code.syntax"),
        ("(" * 5000, 1, "code.syntax"),
        ("#" * 50_000, 1, "code.too_long"),
        ("x = 1", 1, "code.no_entry"),
        ("class targets: pass", 1, "code.no_entry"),
        (GOOD.replace("(panel, params)", "(panel)"), 9, "code.arguments"),
        (GOOD.replace('params["n"]', 'params["m"]'), 10, "code.unknown_parameter"),
        (GOOD.replace('"default": 5', '"default": 99'), 4, "code.parameters"),
        (GOOD.replace('"default": 5', '"default": "x"'), 4, "code.parameters"),
        (GOOD.replace('"kind": "int"', '"kind": "array"'), 4, "code.parameters"),
        (GOOD.replace('"low": 1', '"low": "a"'), 4, "code.parameters"),
        (GOOD.replace('"unit"', '"units"'), 4, "code.parameters"),
        (GOOD.replace('"Mine"', 'open("x").read()'), 3, "code.literal"),
        (GOOD.replace('"funding"', '"sentiment"'), 5, "code.inputs"),
        (GOOD.replace("max(n, 3) * 2 + 1", "n ** n"), 6, "code.warmup"),
        (GOOD.replace("max(n, 3) * 2 + 1", "slow"), 6, "code.warmup"),
        (GOOD.replace("max(n, 3) * 2 + 1", "0 - n"), 6, "code.warmup"),
    ],
)
def test_error_is_found_at_its_line_and_refused(text, line, code):
    assert (line, code, "error") in found(text)
    with pytest.raises(Invalid) as error:
        read("mine", text)
    assert (error.value.code, error.value.details["line"]) == (code, line)


def test_what_the_sandbox_lacks_is_warned_of_and_no_more():
    text = GOOD.replace("import numpy as np", "import requests; eval('1')")
    assert found(text) == [(2, "code.import", "warning"), (2, "code.name", "warning")]
    assert read("mine", text).entries == ("targets",)


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "n.real", "(lambda: 1)()", "9" * 300, "1e400", "max()", "n if n else n"],
)
def test_warmup_is_a_sum_and_nothing_else(text):
    with pytest.raises(Invalid):
        bars_of(text, {"n": 3})
