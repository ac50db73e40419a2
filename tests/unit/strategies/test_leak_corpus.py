"""The look-ahead probe on strategies known to leak, and on clean ones that only look like it."""

import warnings
from functools import cache

import numpy as np
import pytest

from apps.strategies.kernel.interface import check_params
from apps.strategies.kernel.probe import Plan, Sheet, probe
from apps.strategies.kernel.probe.subjects import LibrarySubject
from apps.strategies.selectors import get_strategy
from tests.factories import leaks

# These take as long as thirty others: ``python -m tests.speed.leak_corpus`` has them too.
SLOW = {"fresh/08_nearest_quote.py", "fresh/11_filter_there_and_back.py"}
LEAKY = [case for case in leaks.cases(*leaks.LEAKY) if case.name not in SLOW]
CLEAN = leaks.cases(*leaks.CLEAN)
# Goals of issue 7, and no alarm at all on clean ones.
RECALL, RIGHT_LINE = 0.95, 0.90
SEED = 20240607
# Half as many as a version's probe has; the long form has sixteen.
CUTS = 6
SHEET = Sheet(leaks.bars(), leaks.known_at())


def subject_of(case):
    if not case.is_expression:
        return leaks.TextSubject(case.text)
    strategy = get_strategy("expression")
    params = {"expression": case.formula, "rebalance_days": 1, "long_short": True}
    return LibrarySubject(strategy, check_params(strategy.spec, params))


@cache
def probed(name):
    """The report of one strategy, the same whichever test asks."""
    case = next(one for one in (*LEAKY, *CLEAN) if one.name == name)
    plan = Plan(0, SEED, cuts=CUTS, errors=(Exception,), with_warmup=False)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return probe(subject_of(case), SHEET, plan)


def is_caught(case):
    return probed(case.name).verdict == "leaks"


def is_named(case):
    """Whether the input and the line (of a formula, the column) are those of the header."""
    finding = probed(case.name).finding
    if finding is None:
        return False
    place = finding.column if case.is_expression else finding.line
    return place in case.lines and bool(set(finding.inputs) & set(case.leaks))


def test_the_corpus_is_as_large_as_promised():
    assert len(LEAKY) >= 40
    assert len(CLEAN) >= 40
    assert len(leaks.cases("others", "fresh")) >= 15  # by people who had not read the probe
    assert all(case.leaks and case.lines for case in LEAKY)
    assert not any(case.leaks or case.lines for case in CLEAN)
    assert len({case.name for case in (*LEAKY, *CLEAN)}) == len(LEAKY) + len(CLEAN)


def test_leaks_are_found():
    missed = [case.name for case in LEAKY if not is_caught(case)]
    assert len(missed) <= (1.0 - RECALL) * len(LEAKY), missed


def test_what_is_clean_raises_no_alarm():
    alarms = {case.name: probed(case.name).finding for case in CLEAN}
    assert {name: found for name, found in alarms.items() if found} == {}
    assert {probed(case.name).verdict for case in CLEAN} == {"passed"}


def test_the_input_and_the_line_are_named():
    caught = [case for case in LEAKY if is_caught(case)]
    wrong = [case.name for case in caught if not is_named(case)]
    assert len(wrong) <= (1.0 - RIGHT_LINE) * len(caught), wrong


@pytest.mark.parametrize(
    ("name", "ahead", "to_end"),
    [
        ("leaky/01_shift_back.py", 1, False),
        ("leaky/09_centred_window.py", 5, False),
        ("leaky/25_earnings_by_quarter.py", 25, False),
        ("leaky/27_labels_of_the_future.py", 5, False),
        ("leaky/03_last_value.py", 319, True),
    ],
)
def test_how_far_ahead_is_read(name, ahead, to_end):
    finding = probed(name).finding
    assert (finding.ahead, finding.to_end) == (ahead, to_end)
