"""The score, part by part, and the gates: worked out by hand from SPEC's 40/30/20/10."""

import numpy as np
import pytest

from apps.strategies.kernel import scoring
from apps.strategies.kernel.breakouts import COMPONENTS, PARAMETERS

NAN = np.nan


def row(*numbers):
    return np.array(numbers, dtype=float)


def test_the_parts_come_to_forty_thirty_twenty_ten():
    most = {component.name: component.most for component in COMPONENTS}
    assert sum(scoring.GEOMETRY) == most["geometry"] == 40
    assert sum(scoring.MOMENTUM) == most["momentum"] == 30
    assert scoring.FLOW == most["flow"] == 20
    assert sum(scoring.SENTIMENT) == most["sentiment"] == 10


def test_geometry_is_touches_duration_and_slope():
    found = scoring.geometry_points(
        row(4, 3, 2, 9, 0),
        row(60, 30, 15, 600, NAN),
        row(0, -0.75, -1.5, 0, NAN),
        full_touches=4,
        full_duration=60,
        steepest=1.5,
    )
    # 16 + 14 + 10; two thirds of 16 + 7 + 5; a third of 16 + 3.5 + 0; all; no line.
    assert found == pytest.approx([40, 16 * 2 / 3 + 12, 16 / 3 + 3.5, 40, 0])


def test_momentum_is_slope_and_divergence():
    found = scoring.momentum_points(row(2, 1, -3, NAN), row(1, 0, 1, 0), full_slope=2.0)
    assert found.tolist() == [30, 7.5, 15, 0]


def test_flow_counts_only_when_open_interest_grows():
    assert scoring.flow_points(row(0.05, 0.025, -0.1, NAN, 9), full=0.05).tolist() == [
        20,
        10,
        0,
        0,
        20,
    ]


def test_sentiment_is_top_traders_and_funding_that_is_not_crowded():
    words = {"full_ratio": 2.0, "limit": 0.0005}
    ratio, funding = row(2, 1.5, 0.5, NAN), row(-0.0001, 0.00025, 0.0005, NAN)
    assert scoring.sentiment_points(ratio, funding, 1.0, **words).tolist() == [10, 5, 0, 0]
    short = scoring.sentiment_points(ratio, funding, -1.0, **words)
    assert short == pytest.approx([4, 5, 10, 0])


def test_bonuses_are_for_two_retests_at_most_and_a_squeeze():
    found = scoring.bonus_points(row(0, 1, 2, 5), row(0, 1, 0, 1), retest=5, squeeze=4)
    assert found.tolist() == [0, 9, 10, 14]


def test_the_score_is_capped_at_a_hundred():
    assert scoring.total(
        row(40, 10), row(30, 10), row(20, 0), row(10, 0), row(15, 5)
    ).tolist() == [
        100,
        25,
    ]


def test_funding_beyond_five_hundredths_of_a_percent_refuses_both_sides():
    default = next(p.default for p in PARAMETERS if p.name == "funding_limit")
    assert default == 0.0005
    funding = row(0.0005, 0.00051, -0.00051, NAN)
    for side in (1.0, -1.0):
        found = scoring.refused(
            side, funding, row(1, 1, 1, 1), row(1, 1, 1, 1), limit=default, min_inputs=0
        )
        assert found.tolist() == [0, 1, 1, 0]


def test_open_interest_that_does_not_grow_refuses_longs_alone():
    flow, calm = row(0.1, 0.0, -0.1, NAN), row(0, 0, 0, 0)
    words = {"limit": 0.0005, "min_inputs": 0}
    assert scoring.refused(1.0, calm, flow, calm, **words).tolist() == [0, 2, 2, 0]
    assert scoring.refused(-1.0, calm, flow, calm, **words).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("least", "expected"), [(0, 0), (1, 0), (2, 3), (3, 3)])
def test_too_few_known_inputs_refuse_by_policy(least, expected):
    found = scoring.refused(1.0, row(0.0), row(NAN), row(NAN), limit=0.0005, min_inputs=least)
    assert found.tolist() == [expected]


def test_missing_inputs_are_named():
    mask = scoring.missing_mask(row(0, NAN), row(NAN, NAN), row(1, NAN))
    assert [scoring.missing_names(one) for one in mask] == [
        ["open_interest"],
        ["funding", "open_interest", "long_short_ratio"],
    ]
    assert scoring.missing_names(0.0) == []


def test_funding_holds_until_the_next_settlement():
    settled = row(0, 0.0004, *[0] * 7, 0.0002, NAN)
    found = scoring.funding_rate(settled, 3600.0)
    np.testing.assert_array_equal(found, [0, *[0.0004] * 8, 0.0002, NAN])
    daily = scoring.funding_rate(row(0.0003, NAN), 86400.0)
    np.testing.assert_allclose(daily, [0.0001, NAN])


def test_growth_is_relative_and_unknown_where_an_end_is():
    found = scoring.growth(row(100, 101, 110, NAN, 0, 5), 2)
    np.testing.assert_allclose(found, [NAN, NAN, 0.1, NAN, -1.0, NAN])
