"""Index members by day, tickers that changed, currencies in another one: on the bundled data."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from apps.core.errors import Invalid, NotFound
from apps.market import selectors, services
from apps.market.models import Dataset, Membership, Rename
from tests.factories.market import sample_table

pytestmark = pytest.mark.django_db


def close_on(pair, day):
    table = sample_table("fx_daily")
    mine = table[table["symbol"] == pair].set_index("ts")
    return float(mine.loc[day, "close"])


def at(*moments):
    return np.array([int(datetime(*m, tzinfo=UTC).timestamp() * 1e6) for m in moments], np.int64)


def test_a_rate_is_the_last_close_known_then(sample, team):
    found = selectors.convert(
        team_id=team.pk,
        base="EUR",
        quote="USD",
        at=at((2018, 6, 13), (2018, 6, 13, 23, 59), (2018, 6, 14)),
    )
    before, then = close_on("EURUSD", "2018-06-12"), close_on("EURUSD", "2018-06-13")
    assert found.tolist() == [before, before, then]


def test_currencies_are_reached_over_others(sample, team):
    when = at((2018, 6, 14))
    nzd = selectors.convert(team_id=team.pk, base="NZD", quote="GBP", at=when)[0]
    expected = close_on("NZDUSD", "2018-06-13") / close_on("GBPUSD", "2018-06-13")
    assert nzd == pytest.approx(expected, rel=1e-15)
    euro = selectors.convert(team_id=team.pk, base="USDT", quote="EUR", at=when)[0]
    assert euro == pytest.approx(1 / close_on("EURUSD", "2018-06-13"), rel=1e-15)
    assert selectors.convert(team_id=team.pk, base="USD", quote="USDT", at=when)[0] == 1.0


def test_a_rate_that_is_not_known_is_an_error(sample, team):
    with pytest.raises(Invalid) as found:
        selectors.convert(team_id=team.pk, base="NOK", quote="USD", at=at((2018, 6, 14)))
    assert found.value.code == "fx.no_path"
    for moment in ((2006, 6, 14), (2019, 3, 1)):
        with pytest.raises(Invalid) as found:
            selectors.convert(team_id=team.pk, base="EUR", quote="USD", at=at(moment))
        assert found.value.code == "fx.missing"


def test_members_of_an_index_are_those_of_the_day(team, other_team, now):
    place = Dataset.objects.create(team=team, name="reference", source="s", created_at=now)
    spells = (
        ("OLD", None, date(2010, 1, 4)),
        ("NEW", date(2010, 1, 4), None),
        ("BACK", date(2005, 1, 3), date(2008, 1, 2)),
        ("BACK", date(2012, 1, 3), None),
    )
    for symbol, joined, left in spells:
        Membership.objects.create(
            dataset=place, index="mine", symbol=symbol, joined_on=joined, left_on=left
        )
    ask = lambda day: selectors.members_on(team_id=team.pk, index="mine", on=day)  # noqa: E731
    assert ask(date(2007, 6, 1)) == ["BACK", "OLD"]
    assert ask(date(2010, 1, 3)) == ["OLD"]
    assert ask(date(2010, 1, 4)) == ["NEW"]
    assert ask(date(2013, 1, 1)) == ["BACK", "NEW"]
    with pytest.raises(NotFound):
        selectors.members_on(team_id=other_team.pk, index="mine", on=date(2013, 1, 1))


@pytest.mark.parametrize(
    ("symbol", "day", "then"),
    [
        ("GOOGL", date(2010, 6, 1), "GOOG"),
        ("GOOGL", date(2016, 6, 1), "GOOGL"),
        ("QQQ", date(2006, 6, 1), "QQQQ"),
        ("AAPL", date(2000, 1, 3), "AAPL"),
    ],
)
def test_a_ticker_is_followed_back(sample, team, symbol, day, then):
    found = selectors.symbol_on(team_id=team.pk, symbol=symbol, on=day, dataset="long-history")
    assert found == then
    assert Rename.objects.filter(dataset__team=None).count() >= 4


def test_rest_answers_rates_members_and_renames(sample, api_as):
    api = api_as("viewer")
    answer = api.get("/api/v1/fx", {"base": "EUR", "quote": "USD", "at": "2018-06-14T00:00:00Z"})
    assert answer.json()["rate"] == close_on("EURUSD", "2018-06-13")
    refused = api.get("/api/v1/fx", {"base": "NOK", "quote": "USD"})
    assert refused.status_code == 422
    assert refused.json()["code"] == "fx.no_path"
    assert api.get("/api/v1/indices").json() == []
    assert api.get("/api/v1/indices/none/members", {"on": "2018-01-01"}).status_code == 404
    names = {(row["before"], row["after"]) for row in api.get("/api/v1/renames").json()}
    assert ("GOOG", "GOOGL") in names


def turnover_before(symbols, day, days):
    table = sample_table("sp500_daily")
    start = np.datetime64(day) - np.timedelta64(days, "D")
    ts = table["ts"].dt.tz_localize(None).to_numpy().astype("M8[D]")
    part = table[(ts >= start) & (ts < np.datetime64(day)) & table["symbol"].isin(symbols)]
    sums = (part["close"] * part["volume"]).groupby(part["symbol"]).sum()
    return sums.sort_values(ascending=False)


def test_a_universe_is_picked_by_turnover_before_a_day(sample, actor, now):
    rule = selectors.Rule(on=date(2012, 6, 1), dataset="sp500", top=10)
    made = services.create_universe(
        actor=actor(), name="large", timeframe="1d", survivorship="", rule=rule, now=now
    )
    every = sample_table("sp500_daily")["symbol"].unique()
    assert list(made.symbols) == sorted(turnover_before(every, "2012-06-01", 30).index[:10])
    assert "Picked on 2012-06-01" in made.survivorship


def test_a_universe_is_picked_among_members_of_an_index(sample, actor, team, now):
    place = Dataset.objects.create(team=team, name="reference", source="s", created_at=now)
    names = ["AAPL", "MSFT", "XOM", "JPM"]
    for symbol in names:
        Membership.objects.create(dataset=place, index="four", symbol=symbol)
    rule = selectors.Rule(on=date(2012, 6, 1), dataset="sp500", index="four", top=2)
    made = services.create_universe(
        actor=actor(), name="two", timeframe="1d", survivorship="x", rule=rule, now=now
    )
    assert list(made.symbols) == sorted(turnover_before(names, "2012-06-01", 30).index[:2])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"top": 0}, "rule.empty"),
        ({"by": "beauty"}, "rule.by"),
        ({"dataset": "none"}, "dataset.unknown"),
        ({"index": "none"}, "index.unknown"),
        ({"on": date(1999, 1, 4)}, "rule.nothing_traded"),
    ],
)
def test_a_rule_that_picks_nothing_is_refused(sample, api_as, change, code):
    rule = {"on": date(2012, 6, 1), "dataset": "sp500", "top": 5, **change}
    answer = api_as("researcher").post(
        "/api/v1/universes",
        {"name": "bad", "rule": {**rule, "on": rule["on"].isoformat()}},
        content_type="application/json",
    )
    assert answer.json()["code"] == code
    assert 400 <= answer.status_code < 500


def test_the_page_makes_a_universe_by_a_rule(sample, client_as, team):
    form = {
        "name": "page-rule",
        "timeframe": "1d",
        "dataset": "sp500",
        "on": "2012-06-01",
        "top": "7",
        "by": "volume",
        "days": "10",
    }
    client = client_as("researcher")
    assert client.post("/data/universes/new/", form).status_code == 302
    assert len(selectors.get_universe(team_id=team.pk, name="page-rule").symbols) == 7
    again = client.post("/data/universes/new/", {**form, "on": "", "name": "empty"})
    assert "Name the symbols, or give a rule" in again.content.decode()
