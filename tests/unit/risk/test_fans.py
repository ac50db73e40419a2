"""The fan ahead: one fit tells what the measures tell one by one."""

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.risk.kernel.fans import FAN_LEVELS, fan_ahead
from apps.risk.kernel.measures import tail_by, terms_of

RETURNS = np.random.default_rng(3).standard_t(5, 250) * 0.01
METHODS = ["historical", "gaussian", "student", "ewma", "fhs", "garch", "fhs_garch"]


@pytest.mark.parametrize("method", METHODS)
def test_the_fan_is_the_measure_of_every_level_and_horizon(method):
    fan = fan_ahead(RETURNS, method, horizons=(1, 10))
    assert (fan.levels, fan.horizons, fan.why_not) == (FAN_LEVELS, (1, 10), {})
    for level in fan.levels:
        for at, horizon in enumerate(fan.horizons):
            alone = tail_by(RETURNS, method, terms_of(level=level, horizon=horizon)).var
            assert fan.var[level][at] == pytest.approx(alone, rel=1e-12)


def test_var_rises_with_the_level():
    fan = fan_ahead(RETURNS, "fhs")
    for at in range(len(fan.horizons)):
        told = [fan.var[level][at] for level in fan.levels]
        assert told == sorted(told)


def test_what_a_level_can_t_be_told_of_is_said_and_holds_up_no_other():
    # Peaks over the 90 % quantile tell nothing at 90 %.
    fan = fan_ahead(np.tile(RETURNS, 2), "evt", levels=(0.5, 0.99))
    assert fan.levels == (0.99,)
    assert set(fan.why_not) == {0.5}


def test_too_few_returns_are_refused():
    with pytest.raises(Invalid):
        fan_ahead(RETURNS[:1], "historical")
    with pytest.raises(Invalid):
        fan_ahead(RETURNS[:10], "garch")
