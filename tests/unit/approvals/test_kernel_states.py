"""Stages go forward, paper can't be skipped, nothing comes back."""

import itertools

import pytest

from apps.approvals.kernel.states import STAGES, steps

ALLOWED = {
    ("draft", "researched"): ("researched",),
    ("draft", "validated"): ("researched", "validated"),
    ("draft", "paper"): ("researched", "validated", "paper"),
    ("researched", "validated"): ("validated",),
    ("researched", "paper"): ("validated", "paper"),
    ("validated", "paper"): ("paper",),
    ("paper", "live"): ("live",),
    **{(stage, "retired"): ("retired",) for stage in STAGES[:-1]},
}


@pytest.mark.parametrize(("current", "target"), list(itertools.product(STAGES, STAGES)))
def test_there_are_exactly_these_ways(current, target):
    if (current, target) in ALLOWED:
        assert steps(current, target) == ALLOWED[current, target]
    else:
        with pytest.raises(ValueError, match=r"no way|can't become"):
            steps(current, target)


def test_an_unknown_stage_is_named():
    with pytest.raises(ValueError, match="'production' is not a stage"):
        steps("draft", "production")
