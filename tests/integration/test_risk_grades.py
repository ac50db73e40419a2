"""Grades, scenarios and stress in the database and over REST."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from apps.audit.models import AuditEvent
from apps.core import jobs
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.models import Job
from apps.risk import selectors, services
from apps.risk.kernel.grades import WORDS
from apps.risk.models import GradeRun, Scenario
from apps.risk.selectors.books import History
from apps.risk.selectors.positions import find_positions
from apps.risk.services import grading
from tests.factories import people

JSON = "application/json"
DAY = 86_400_000_000
SHOCKS = {"instrument": {"AAPL": -0.3}, "sector": {"Energy": -0.2}, "factor": {"MKT_RF": -0.1}}


def clustered(days, seed=21):
    """Returns whose volatility comes in clusters, which plain models miss."""
    rng, variance, found = np.random.default_rng(seed), 1.0, np.empty(days)
    for t in range(days):
        found[t] = np.sqrt(variance) * rng.standard_t(5) / np.sqrt(5 / 3)
        variance = 0.02 + 0.13 * found[t] ** 2 + 0.85 * variance
    return found / 100


def history(returns, subject="account:1"):
    ts = 1_500_000_000_000_000 + DAY * np.arange(len(returns), dtype=np.int64)
    return History(subject, "Book", ts, np.asarray(returns))


def events_of(team, action):
    rows = AuditEvent.objects.filter(team_id=team.pk, action=action)
    return list(rows.order_by("at", "leaf").values_list("subject", flat=True))


@pytest.fixture(autouse=True)
def _few_models(monkeypatch):
    """The models without a fit are enough here, and quick."""
    quick = ("historical", "gaussian", "ewma", "fhs")
    made = grading.grade_models
    monkeypatch.setattr(
        grading,
        "grade_models",
        lambda returns, **asked: made(returns, **{"models": quick, **asked}),
    )


def test_a_red_model_hands_over_and_the_hand_over_is_recorded(db, team, now):
    lab = system("tests", team.pk)
    first = services.grade_book(actor=lab, history=history(clustered(700)), now=now)
    assert (first.before, first.days, first.window) == ("historical", 450, 250)
    # Calm for long, then wild: what looks back a year tells far too little.
    wild = np.concatenate([clustered(300) / 5, clustered(500, seed=3) * 3])
    row = services.grade_book(actor=lab, history=history(wild), now=now + timedelta(days=1))
    assert row.body["models"]["gaussian"]["colour"] == "red"
    assert row.in_force != "gaussian"
    assert selectors.model_in_force(team_id=team.pk, subject="account:1") == row.in_force
    if row.before != row.in_force:
        assert "is red" in row.reason
        assert events_of(team, "risk.model.demoted")[-1] == "account:1"
    assert events_of(team, "risk.graded") == ["account:1", "account:1"]
    # The days are kept with the newest only.
    first.refresh_from_db()
    assert first.series == {}
    assert len(row.series["ts"]) == row.days
    assert set(row.series["models"]) == {"historical", "gaussian", "ewma", "fhs"}


def test_a_demotion_is_told(db, team, now):
    lab = system("tests", team.pk)
    wild = np.concatenate([clustered(300) / 20, clustered(500, seed=3) * 3])
    row = services.grade_book(actor=lab, history=history(wild), now=now)
    assert row.body["models"]["historical"]["colour"] == "red"
    assert (row.before, row.in_force != "historical") == ("historical", True)
    assert row.reason.startswith("historical is red; ")
    assert events_of(team, "risk.model.demoted") == ["account:1"]


def test_the_same_returns_are_graded_once(db, team, now):
    lab = system("tests", team.pk)
    returns = clustered(400)
    first = services.grade_book(actor=lab, history=history(returns), now=now)
    again = services.grade_book(actor=lab, history=history(returns), now=now)
    assert first.pk == again.pk
    assert GradeRun.objects.filter(team=team).count() == 1
    assert len(events_of(team, "risk.graded")) == 1


@pytest.mark.parametrize(
    ("returns", "code"),
    [([], "risk.empty"), ([0.01], "risk.too_few"), ([0.01] * 300, "risk.grades.constant"),
     ([float("nan")] * 300, "risk.empty"), ([0.01, -0.01] * 50, "risk.grades.too_few")],
)  # fmt: skip
def test_what_cannot_be_graded_is_refused_and_keeps_nothing(db, team, now, returns, code):
    with pytest.raises(Invalid) as refused:
        services.grade_book(actor=system("tests", team.pk), history=history(returns), now=now)
    assert refused.value.code == code
    assert not GradeRun.objects.filter(team=team).exists()


def account(team, now, **weights):
    from apps.trading.models import Account, Position

    row = Account.objects.create(
        team=team, name="Risky", broker="paper", is_paper=True, currency="USD", feed="none",
        initial_cash=1000, cash=0, fee_bps=0, slippage_bps=0, equity=1000.0, peak_equity=1000.0,
        day_start_equity=1000.0, created_by="user:0", created_at=now,
        last_bar_at=datetime(2020, 1, 31, tzinfo=UTC),
    )  # fmt: skip
    for symbol, weight in weights.items():
        Position.objects.create(
            account=row, symbol=symbol, quantity=Decimal(str(weight)) * 10,
            average_price=Decimal(100), last_price=Decimal(100), last_price_at=now, updated_at=now,
        )  # fmt: skip
    return row


def test_the_night_grades_every_team_once(db, team, now, monkeypatch):
    row = account(team, now)
    at = now.replace(hour=3)
    before = Job.objects.count()
    assert services.start_nightly(now=at.replace(hour=1)) == 0
    assert services.start_nightly(now=at) >= 1
    mine = Job.objects.get(team_id=team.pk, kind="risk_grades")
    assert mine.payload == {"subjects": [f"account:{row.pk}"]}
    assert services.start_nightly(now=at + timedelta(hours=5)) == 0
    assert Job.objects.count() > before
    assert events_of(team, "risk.grading.begun") == [f"grades:{at.date()}"]
    assert services.start_nightly(now=at + timedelta(days=1)) >= 1
    # An account without bars says so, and holds up nobody.
    progress = jobs.Progress(mine.pk, team.pk, mine.attempt, mine.payload)
    Job.objects.filter(pk=mine.pk).update(status=Job.Status.RUNNING)
    found = services.run_grading(progress)
    assert found["graded"] == {}
    assert "no returns" in found["refused"][f"account:{row.pk}"]


def test_grades_over_rest(db, team, api_as, now):
    rest = api_as("viewer")
    row = services.grade_book(
        actor=system("tests", team.pk), history=history(clustered(400)), now=now
    )
    listed = rest.get("/api/v1/risk/grades?subject=account:1").json()["items"]
    assert [item["id"] for item in listed] == [row.pk]
    shown = rest.get(f"/api/v1/risk/grades/{row.pk}").json()
    tests = shown["models"]["fhs"]["levels"][0]["tests"]
    assert {"kupiec", "independence", "conditional_coverage", "z1", "z2", "esr"} == set(tests)
    assert 0 < shown["power"]["0.95"]["z1"]["es_25"] <= 1
    series = rest.get(f"/api/v1/risk/grades/{row.pk}/series").json()
    assert len(series["returns"]) == len(series["models"]["fhs"]["0.99"]["var"]) == row.days
    figure = rest.get(f"/api/v1/risk/grades/{row.pk}/figure?model=gaussian&level=0.95").json()
    beyond = next(trace for trace in figure["data"] if trace["name"] == "Exception")
    level = shown["models"]["gaussian"]["levels"][0]
    assert len(beyond["x"]) == level["exceptions"]
    # A database keeps no order of names; the page's columns are those of its head.
    row.refresh_from_db()
    for cell_row in selectors.grade_rows(row):
        for told in cell_row["levels"]:
            # 150 days at 99 % have two in the tail, too few for the regression.
            columns = [name for name in WORDS if name != "esr" or not told["lacks_regression"]]
            assert [cell["name"] for cell in told["cells"]] == columns
            assert told["lacks_regression"] == (told["level"] == 0.99)
    wrong = rest.get(f"/api/v1/risk/grades/{row.pk}/figure?model=tea")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "risk.grade.model")
    assert rest.get("/api/v1/risk/grades/987654").status_code == 404
    asked = rest.post("/api/v1/risk/grades", {"subject": "tea:1"}, content_type=JSON)
    assert (asked.status_code, asked.json()["code"]) == (404, "risk.book")
    own = account(team, now)
    body = {"subject": f"account:{own.pk}"}
    asked = rest.post("/api/v1/risk/grades", body, content_type=JSON)
    assert asked.status_code == 202, asked.content
    assert asked.json()["job"]["kind"] == "risk_grades"
    assert events_of(team, "risk.grading.asked") == [f"account:{own.pk}"]


def test_a_scenario_is_kept_changed_and_archived(db, team, actor, now):
    people_ = actor("risk_manager")
    first = services.save_scenario(
        actor=people_, name="oil-2020", title="Oil falls", shocks=SHOCKS, now=now
    )
    more = {**SHOCKS, "sector": {"Energy": -0.5}}
    with pytest.raises(Conflict) as late:
        services.save_scenario(
            actor=people_, name="oil-2020", title="x", shocks=more, now=now, version=0
        )
    assert late.value.code == "risk.scenario.changed"
    second = services.save_scenario(
        actor=actor("researcher"), name="oil-2020", title="Oil", shocks=more, now=now, version=1
    )
    assert (first.version, second.version) == (1, 2)
    assert [row.pk for row in selectors.list_scenarios(team_id=team.pk)] == [second.pk]
    assert Scenario.objects.get(pk=first.pk).shocks == SHOCKS | {}
    services.archive_scenario(actor=people_, scenario_id=first.pk, now=now)
    assert selectors.list_scenarios(team_id=team.pk) == []
    with pytest.raises(Conflict):
        services.archive_scenario(actor=people_, scenario_id=first.pk, now=now)
    with pytest.raises(Denied):
        services.save_scenario(actor=actor("viewer"), name="x", title="x", shocks=SHOCKS, now=now)
    assert len(events_of(team, "risk.scenario.saved")) == 2
    assert events_of(team, "risk.scenario.archived") == ["scenario:oil-2020"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"name": "Big Name"}, "risk.scenario.slug"), ({"title": " "}, "risk.scenario.title"),
     ({"shocks": {}}, "risk.scenario.empty"),
     ({"shocks": {"moon": {"x": 1}}}, "risk.scenario.kind"),
     ({"shocks": {"sector": {"Energy": -2}}}, "risk.scenario.shock")],
)  # fmt: skip
def test_bad_scenarios_are_refused_over_rest(db, api_as, change, code):
    body = {"name": "oil", "title": "Oil", "shocks": SHOCKS, **change}
    answer = api_as("researcher").post("/api/v1/risk/scenarios", body, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.store
def test_a_book_is_stressed_on_the_bundled_market(db, sample, team, api_as, now):
    """Half Apple, half Exxon on 2020-01-31."""
    row = account(team, now, AAPL=0.5, XOM=0.5)
    rest, subject = api_as("risk_manager"), f"account:{row.pk}"
    body = {"name": "oil", "title": "Oil", "shocks": {"instrument": {"XOM": -0.4}}}
    assert rest.post("/api/v1/risk/scenarios", body, content_type=JSON).status_code == 201
    found = rest.get(f"/api/v1/risk/stress?subject={subject}&loss=0.1")
    assert found.status_code == 200, found.content
    found = found.json()
    crises = {one["name"]: one for one in found["crises"]}
    # Adjusted closes of the bundled file: AAPL 80.07 -> 55.91 and XOM 53.27 -> 28.62, 2020-02-19
    # to 03-23, by hand: the loss is the mean of both falls.
    assert crises["2020-03"]["covered"] == 1.0
    fall = hand_computed("AAPL", "XOM", "2020-02-19", "2020-03-23")
    assert crises["2020-03"]["loss"] == pytest.approx(fall, rel=1e-6)
    assert crises["1987-10"]["why_not"]
    assert found["scenarios"][0]["loss"] == pytest.approx(0.2)
    assert found["correlation"]["moved"][-1]["var"] >= found["correlation"]["var"]
    shocks = found["reverse"]["shocks"]
    moved = 0.5 * shocks["AAPL"]["return"] + 0.5 * shocks["XOM"]["return"]
    assert moved == pytest.approx(-0.1)
    exposed = rest.get(f"/api/v1/risk/factors?subject={subject}").json()
    betas = exposed["factors"]["betas"]
    assert 0.7 < betas["MKT_RF"]["value"] < 1.6
    assert set(betas) == {"MKT_RF", "SMB", "HML", "RMW", "CMA", "MOM"}
    assert sum(exposed["components"]["explained"]) == pytest.approx(1.0)
    trial = {"subject": subject, "shocks": {"factor": {"MKT_RF": -0.2}}}
    tried = rest.post("/api/v1/risk/stress", trial, content_type=JSON).json()
    assert 0.1 < tried["loss"] < 0.4
    empty = account_named(team, now)
    refused = rest.get(f"/api/v1/risk/stress?subject=account:{empty.pk}")
    assert (refused.status_code, refused.json()["code"]) == (422, "risk.empty")


@pytest.mark.store
def test_monte_carlo_is_graded_on_what_the_book_holds(db, sample, team, client_as, now):
    row = account(team, now, AAPL=0.5, XOM=0.3)
    subject = f"account:{row.pk}"
    held = find_positions(team_id=team.pk, subject=subject)
    # The rows are the last 750 daily returns until 2020-01-31 of the bundled file.
    assert held.rows.names == ("AAPL", "XOM")
    assert held.weights == pytest.approx([0.5, 0.3])
    assert held.rows.values == pytest.approx(bundled_returns("AAPL", "XOM")[-750:], abs=1e-12)
    assert (
        find_positions(team_id=team.pk, subject=f"account:{account_named(team, now).pk}") is None
    )
    assert find_positions(team_id=team.pk, subject="account:999999") is None
    lab = system("tests", team.pk)
    graded = services.grade_book(actor=lab, history=history(clustered(260), subject), now=now)
    # The models of these tests leave Monte Carlo out; here it comes back with its basis.
    basis = "Today's shares of 2 position(s) over their own last 500 common days, fitted every 20"
    simulated = {**graded.body["models"]["fhs"], "basis": f"{basis} days."}
    graded.body["models"]["monte_carlo"] = simulated
    graded.save()
    page = client_as("viewer").get(f"/risk/grades/?subject={subject}&model=monte_carlo").content
    assert b"over their own last 500 common days" in page
    assert b"model=monte_carlo#grade-head" not in page


@pytest.mark.store
def test_what_leaving_takes_is_read_from_the_book_s_own_bars(db, sample, team, now):
    """Volumes and equity are known, a spread is not."""
    subject = f"account:{account(team, now, AAPL=0.5, XOM=0.5).pk}"
    report = services.create_report(
        actor=system("tests", team.pk), subject=subject, title="x", levels=[0.99], now=now,
        columns={"account": clustered(60)}, liquidity={"participation": 1e-9},
    )  # fmt: skip
    leaving = report.body["liquidity"]
    assert (leaving["equity"], leaving["participation"]) == (1000.0, 1e-9)
    (level,) = leaving["levels"]
    for line in level["positions"]:
        needed = 0.5 * 1000.0 / (1e-9 * line["volume"])
        assert line["periods"] == max(int(np.ceil(needed - 1e-9)), 1)
    assert "No spread of AAPL, XOM is known: none is counted." in level["notes"]


def bundled_returns(*symbols):
    """Daily total returns until 2020-01-31 by pandas alone."""
    import pandas as pd

    bars = pd.read_parquet("data/sample/sp500_daily.parquet")
    bars = bars[bars["symbol"].isin(symbols) & (bars["ts"] <= "2020-01-31")]
    price = bars.assign(price=bars["close"] * bars["adj_factor"])
    wide = price.pivot_table(index="ts", columns="symbol", values="price")[list(symbols)]
    return wide.pct_change().dropna().to_numpy()


def test_the_pages_show_grades_and_take_scenarios(db, sample, team, client_as, now):
    row = account(team, now, AAPL=0.5, XOM=0.5)
    subject = f"account:{row.pk}"
    lab = system("tests", team.pk)
    services.grade_book(actor=lab, history=history(clustered(400), subject), now=now)
    client = client_as("risk_manager")
    shown = client.get(f"/risk/grades/?subject={subject}&model=gaussian").content.decode()
    assert "ES regression" in shown
    assert "model=gaussian" in shown
    assert "ES alone told 25 % too small" in shown
    page = client.get(f"/risk/stress/?subject={subject}&loss=10&correlation=tea")
    assert (page.status_code, b"Pandemic" in page.content) == (200, True)
    written = {"subject": subject, "table": "sector Energy -20%\nfactor MKT_RF -10%"}
    tried = client.post("/risk/stress/scenario/", {**written, "try": "1"}).content.decode()
    assert "it loses" in tried
    assert not Scenario.objects.filter(team=team).exists()
    kept = {**written, "name": "oil", "title": "Oil falls", "version": ""}
    assert client.post("/risk/stress/scenario/", kept).status_code == 302
    made = Scenario.objects.get(team=team)
    assert made.shocks == {
        "instrument": {},
        "sector": {"Energy": -0.2},
        "factor": {"MKT_RF": -0.1},
    }
    edited = client.get(f"/risk/stress/?subject={subject}&scenario={made.pk}").content.decode()
    assert "sector Energy -20%" in edited
    for table, words in (
        ("sector Energy much", "Line 1"),
        ("sector Energy -20%\nsector Energy -30%", "twice"),
        ("moon Energy -20%", "no kind"),
        ("instrument AAPL -120%", "from -1 to 10"),
    ):
        refused = client.post("/risk/stress/scenario/", {**kept, "table": table})
        assert refused.status_code == 422
        assert words in refused.content.decode()
        assert table.splitlines()[0] in refused.content.decode(), "what was written is kept"
    assert client.post(f"/risk/stress/archive/{made.pk}/").status_code == 302
    assert selectors.list_scenarios(team_id=team.pk) == []
    denied = client_as("viewer").post("/risk/stress/scenario/", kept)
    assert denied.status_code in {403, 422}
    assert Scenario.objects.filter(team=team).count() == 1


def account_named(team, now):
    from apps.trading.models import Account

    row = Account.objects.get(team=team)
    row.pk, row.name = None, "Empty"
    row.save()
    return row


def hand_computed(*symbols_and_days):
    """The fall of two symbols of the bundled file by its own adjusted closes, half each."""
    import pandas as pd

    *symbols, first, last = symbols_and_days
    table = pd.read_parquet("data/sample/sp500_daily.parquet").set_index(["symbol", "ts"])
    total = 0.0
    for symbol in symbols:
        ends = [table.loc[(symbol, pd.Timestamp(day, tz="UTC"))] for day in (first, last)]
        start, end = (row.close * row.adj_factor for row in ends)
        total += 1 - end / start
    return total / len(symbols)


def test_another_teams_grades_and_scenarios_are_not_there(db, team, other_team, api_as, now):
    lab = system("tests", other_team.pk)
    row = services.grade_book(actor=lab, history=history(clustered(300)), now=now)
    kept = services.save_scenario(
        actor=people.make_actor(other_team, "researcher"),
        name="a",
        title="a",
        shocks=SHOCKS,
        now=now,
    )
    rest = api_as("risk_manager")
    for path in (f"grades/{row.pk}", f"grades/{row.pk}/series", f"scenarios/{kept.pk}"):
        assert rest.get(f"/api/v1/risk/{path}").status_code == 404
    assert rest.get("/api/v1/risk/grades").json()["items"] == []
    assert rest.get("/api/v1/risk/scenarios").json() == []
