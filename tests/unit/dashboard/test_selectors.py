"""What the dashboard joins."""

import pytest

from apps.dashboard import selectors

ACCOUNT = {
    "currency": "USD",
    "equity": 110_000.0,
    "initial_cash": 100_000,
    "day_pnl": -250.0,
    "gross": 55_000.0,
    "history": [1.0, 2.0],
}


def test_totals_are_missing_without_accounts():
    totals = selectors.totals_of([], [])
    assert totals["equity"] is None
    assert totals["exposure"] is None
    assert totals["data_score"] is None


def test_totals_add_up_one_currency():
    other = {**ACCOUNT, "equity": 90_000.0, "gross": 0.0}
    foreign = {**ACCOUNT, "currency": "EUR"}
    totals = selectors.totals_of([ACCOUNT, other, foreign], [])
    assert totals["currency"] == "USD"
    assert totals["equity"] == pytest.approx(200_000)
    assert totals["day_pnl"] == pytest.approx(-500)
    assert totals["exposure"] == pytest.approx(27.5)
    assert totals["total_return"] == pytest.approx(0.0)
    assert totals["left_out"] == ["EUR"]


def test_totals_add_up_currencies_with_a_rate():
    foreign = {**ACCOUNT, "currency": "EUR", "gross": 0.0}
    totals = selectors.totals_of([ACCOUNT, ACCOUNT, foreign], [], {"USD": 1.0, "EUR": 1.25})
    assert totals["currency"] == "USD"
    assert totals["equity"] == pytest.approx(2 * 110_000 + 137_500)
    assert totals["exposure"] == pytest.approx(100 * 110_000 / 357_500)
    assert totals["left_out"] == []


def test_data_score_is_the_mean_of_the_replayed_universes():
    universes = [{"score": 90.0}, {"score": 100.0}, {"score": 10.0}]
    assert selectors.totals_of([], universes)["data_score"] == pytest.approx(95)


def test_overview_of_an_empty_team_has_every_block(actor, now):
    found = selectors.overview(actor=actor("viewer"), now=now)
    assert found["accounts"] == []
    assert found["waiting"] == []
    assert found["deployments"] == {"running": 0, "halted": 0}
    assert {module["name"] for module in found["health"]["modules"]} >= {"database", "redis"}
