"""Limits on target weights hold in both gears."""

import numpy as np
import pytest

from apps.backtests.kernel.limits import limited, limits_from
from apps.core.errors import Invalid


def test_weights_are_cut_then_scaled():
    limits = limits_from({"max_position_share": 0.5, "max_exposure": 1.0})
    rows = np.array([[0.9, -0.9, 0.5], [0.2, np.nan, -0.3], [np.nan] * 3])
    found = limited(rows, limits)
    np.testing.assert_allclose(found[0], np.array([0.5, -0.5, 0.5]) / 1.5)
    np.testing.assert_array_equal(found[1:], rows[1:])
    for row, expected in zip(rows, found, strict=True):
        np.testing.assert_array_equal(limited(row, limits), expected)


def test_no_limits_change_nothing():
    rows = np.array([[3.0, -2.0]])
    assert limited(rows, limits_from({})) is rows


@pytest.mark.parametrize("values", [{"max_fun": 1}, {"max_exposure": 0}, {"max_exposure": "1"}])
def test_what_is_no_limit_is_refused(values):
    with pytest.raises(Invalid, match="max_position_share"):
        limits_from(values)
