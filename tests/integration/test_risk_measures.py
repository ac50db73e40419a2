"""Measures over REST: methods, conventions, books by position; refusals by code."""

import numpy as np
import pytest

from apps.risk.kernel.measures import METHODS
from tests.integration.test_trading_rest import V1, post

RETURNS = (np.random.default_rng(9).standard_t(5, (400, 2)) * 0.01).tolist()
A, B = (list(column) for column in zip(*RETURNS, strict=True))


def test_every_method_is_offered_with_its_errors(team, api_as):
    body = {"returns": {"A": A}, "methods": list(METHODS), "levels": [0.975]}
    made = post(api_as("viewer"), "/risk", {**body, "terms": {"draws": 2048, "quantile": "1"}})
    assert made.status_code == 201, made.content
    column = made.json()["columns"]["A"]
    assert [row["method"] for row in column["measures"]] == body["methods"]
    for row in column["measures"]:
        assert row["es"] >= row["var"] > 0
        assert row["errors"]
        assert row["quantile"] == "inverted_cdf"
    assert column["drawdowns"]["deepest"] > 0
    assert made.json()["terms"] == {"draws": 2048, "quantile": "1"}


def test_a_book_is_told_by_position_and_the_parts_sum(team, api_as):
    holes = [None, *B[1:]]
    weights = {"A": 0.7, "B": -0.4}
    body = {"returns": {"A": A, "B": holes}, "weights": weights, "horizon": 2}
    made = post(api_as("viewer"), "/risk", body)
    assert made.status_code == 201, made.content
    book = made.json()["columns"]["portfolio"]
    assert book["missing"] == 1
    assert {(one["method"], one["level"]) for one in book["components"]} == {
        (method, level) for method in ("historical", "gaussian") for level in (0.95, 0.99)
    }
    for one in book["components"]:
        total = sum(row["component_es"] for row in one["positions"])
        assert total == pytest.approx(one["es"], abs=1e-9)
    assert book["drawdown_ahead"]["horizon"] == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"methods": ["crystal_ball"]}, "risk.method"),
        ({"terms": {"quantile": "type12"}}, "risk.quantile"),
        ({"terms": {"shortfall": "worst"}}, "risk.shortfall"),
        ({"terms": {"decay": 2.0}}, "risk.decay"),
        ({"methods": ["monte_carlo"], "horizon": 250}, "risk.work"),
        ({"methods": ["evt"], "levels": [0.5]}, "risk.evt_level"),
        ({"methods": ["garch"], "returns": {"A": A[:50]}}, "risk.too_few"),
        ({"returns": {"A": A, "B": B[:9]}, "weights": {"A": 1, "B": 1}}, "risk.weights"),
    ],
)
def test_refusals_name_what_is_wrong(team, api_as, change, code):
    refused = post(api_as("viewer"), "/risk", {"returns": {"A": A}, **change})
    assert refused.status_code == 422
    assert refused.json()["code"] == code


def test_reports_kept_before_still_read(team, api_as):
    from apps.core import clock
    from apps.risk.models import RiskReport

    old = {"var": 0.02, "es": 0.03, "method": "historical", "level": 0.95, "horizon": 1}
    column = {"observations": 9, "mean": 0, "volatility": 0, "skewness": 0, "excess_kurtosis": 0}
    body = {"columns": {"A": {**column, "measures": [{**old, "observations": 9}]}}}
    row = RiskReport.objects.create(
        team=team, subject="client", title="old", body=body, created_by="x", created_at=clock.now()
    )
    read = api_as("viewer").get(f"{V1}/risk/{row.pk}")
    assert read.status_code == 200
    assert read.json()["columns"]["A"]["measures"][0]["var_error"] is None


def test_a_book_that_takes_time_to_leave_is_told_over_rest(team, api_as):
    weights = {"A": 0.6, "B": 0.4}
    body = {"returns": {"A": A, "B": B}, "weights": weights, "levels": [0.99]}
    asked = {"spreads": {"A": 0.002}, "volumes": {"A": 600, "B": 400}, "equity": 1000}
    made = post(api_as("viewer"), "/risk", {**body, "liquidity": {**asked, "participation": 0.25}})
    assert made.status_code == 201, made.content
    told = made.json()["liquidity"]
    (level,) = told["levels"]
    assert [row["periods"] for row in level["positions"]] == [4, 4]
    assert level["spread_cost"] == pytest.approx(0.5 * 0.6 * 0.002)
    book = np.array(A) * 0.6 + np.array(B) * 0.4
    wide = 2.3263478740408408 * book.std() * np.sqrt(5 * 9 / 24)
    assert level["liquidation_var"] == pytest.approx(wide - 2.5 * book.mean(), rel=1e-9)
    assert "No spread of B is known: none is counted." in level["notes"]
    plain = post(api_as("viewer"), "/risk", body)
    assert plain.json()["liquidity"] is None
    for change, code in (
        ({"liquidity": {}, "weights": {}}, "risk.weights"),
        ({"liquidity": {"volumes": {"A": 0, "B": 1}}}, "risk.liquidity"),
        ({"liquidity": {"spreads": {"Z": 0.1}}}, "risk.liquidity"),
        ({"liquidity": {"equity": -5, "volumes": {"A": 1}}}, "risk.liquidity"),
        ({"liquidity": {"volumes": {"A": 1e-9, "B": 1}}}, "risk.liquidity"),
    ):
        refused = post(api_as("viewer"), "/risk", {**body, **change})
        assert (refused.status_code, refused.json()["code"]) == (422, code), change
