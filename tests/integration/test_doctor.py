"""The doctor of a run on the sample: its page, its operation, every link, and the proposal."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from apps.backtests import services
from apps.backtests.kernel.doctor.registry import DIAGNOSES
from apps.backtests.models import Run, Sweep, Trial
from apps.backtests.selectors.doctor import case_of, doctor_of
from apps.core import jobs

# Orders of all kinds beside each other, no costs, shorts and leverage: much to find.
BODY = {
    "instruments": ["AAPL", "MSFT"],
    "timeframe": "1d",
    "start": "2019-06-03",
    "end": "2020-06-01",
    "cash": 100_000,
    "price_mode": "raw",
    "strategy": "sma_crossover",
    "params": {"fast": 5, "slow": 20},
    "execution": {"stop_loss": 0.02, "take_profit": 0.02, "leverage": 3},
    "units": "whole",
}


def run_of(actor, now, **more):
    """A finished run of the team."""
    asked = {**BODY, **more}
    run, job = services.create_backtest(actor=actor("researcher"), request=asked, now=now)
    assert jobs.execute(job.pk, services.run_backtest, worker="w") == "done"
    return Run.objects.get(pk=run.pk)


@pytest.fixture
def run(actor, sample, now):
    return run_of(actor, now)


def swept(run, now):
    """A sweep on the same bars in which the run is an isolated peak at the edge."""
    sweep = Sweep.objects.create(
        team_id=run.team_id, version=run.version, title="Around it", strategy=run.strategy,
        method="grid", objective="sharpe", trials=9, done=9, lanes=1, status="done",
        space={"fast": [5, 6, 7]}, data_digest=run.data_digest, created_by="user:0",
        created_at=now, finished_at=now,
    )  # fmt: skip
    for number, (fast, sharpe) in enumerate([(4, -0.9), (5, 2.0), (6, -1.0)]):
        Trial.objects.create(
            sweep=sweep, number=number, status="done", params={"fast": fast}, sharpe=sharpe,
            score=sharpe,
        )  # fmt: skip
    return sweep


def opened(client, href):
    """What a link leads to, and the place in it."""
    parts = urlsplit(href)
    answer = client.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 200, href
    return answer.content.decode(), parts, parse_qs(parts.query)


def is_there(client, link, run):
    """Whether a link's page holds the place that it names."""
    text, parts, asked = opened(client, link["href"])
    if parts.fragment:
        assert f'id="{parts.fragment}"' in text, link
    if link["kind"] == "bar":
        assert "data-price-of" in text
        where = f"/api/v1/backtests/{run.pk}/figures/price"
        drawn = client.get(where, {"symbol": asked["symbol"][0], "at": asked["at"][0]}).json()
        assert drawn["layout"]["shapes"][0]["x0"] == asked["at"][0][:10]
        assert drawn["layout"]["shapes"][0]["x0"] in drawn["data"][0]["x"]
    if link["kind"] == "sweep" and "params" in asked:
        assert len(re.findall(r"data-trial|<tr", text)) > 1
    return True


@pytest.mark.store
def test_every_link_of_a_run_leads_to_its_place(client_as, run, now, actor):
    swept(run, now)
    twin = run_of(actor, now, title="The same again")
    client = client_as("researcher")
    found = doctor_of(run)
    assert {row["name"] for row in found["items"]} == set(DIAGNOSES)
    links = {(link["href"], link["kind"]): link for row in found["items"] for link in row["links"]}
    kinds = {kind for _, kind in links}
    assert {
        "bar",
        "trade",
        "fill",
        "span",
        "field",
        "parameter",
        "sweep",
        "run",
        "version",
    } <= kinds
    # Of links alike one is followed; the form shows all fields, whichever it is asked for.
    alike = {}
    for (href, kind), link in sorted(links.items()):
        alike.setdefault((kind, urlsplit(href).path), link)
    assert all(is_there(client, link, run) for link in alike.values())
    form, _, _ = opened(client, f"/research/new/?from={run.pk}")
    fields = [parse_qs(urlsplit(href).query).get("field") for href, _ in links]
    assert all(f'name="{name[0]}"' in form for name in fields if name)
    assert any(str(twin.pk) in href for href, _ in links)


def test_what_the_doctor_says_is_what_the_run_did(run, now):
    swept(run, now)
    found = {row["name"]: row for row in doctor_of(run)["items"]}
    assert (found["no_costs"]["severity"], found["no_costs"]["value"]) == ("critical", 0.0)
    assert found["isolated_peak"]["severity"] == "critical"
    assert found["isolated_peak"]["value"] == pytest.approx(-0.95 / 2.0)
    assert found["short_sample"]["severity"] == "warning"
    assert found["look_ahead"]["severity"] == "warning"
    assert found["data_changed"]["severity"] == "ok"
    assert found["outside_bar"]["severity"] == "ok"
    case = case_of(run)
    trades = found["few_trades"]["value"]
    assert trades == case.closed == run.result["trade_figures"]["closed"]
    assert found["leverage"]["value"] == pytest.approx(float(case.exposure.max()))


def test_findings_are_kept_until_what_they_rest_on_changes(
    run, now, django_assert_max_num_queries
):
    first = doctor_of(run)
    with django_assert_max_num_queries(12):
        assert doctor_of(run) == first
    sweep = swept(run, now)
    again = {row["name"]: row for row in doctor_of(run)["items"]}
    assert any(str(sweep.pk) in link["href"] for link in again["swept_edge"]["links"])


def test_the_operation_ranks_filters_and_refuses(api_as, run):
    client, where = api_as("viewer"), f"/api/v1/backtests/{run.pk}/doctor"
    body = client.get(where).json()
    assert body["counts"]["critical"] == sum(r["severity"] == "critical" for r in body["items"])
    grades = [row["severity"] for row in body["items"]]
    order = ["critical", "warning", "note", "ok", "not_applicable"]
    assert grades == sorted(grades, key=order.index)
    for severity in order:
        found = client.get(f"{where}?severity={severity}").json()
        assert len(found["items"]) == body["counts"][severity]
        assert {row["severity"] for row in found["items"]} <= {severity}
    refused = client.get(f"{where}?severity=terrible")
    assert (refused.status_code, refused.json()["code"]) == (422, "doctor.severity")


def test_other_teams_and_unfinished_runs(api_as, client_as, other_team, run):
    from tests.factories import people

    where = f"/api/v1/backtests/{run.pk}/doctor"
    Run.objects.filter(pk=run.pk).update(finished_at=None)
    answer = api_as("viewer").get(where)
    assert (answer.status_code, answer.json()["code"]) == (409, "backtest.not_done")
    assert client_as("viewer").get(f"/research/{run.pk}/doctor/").status_code == 409
    stranger = people.make_user(other_team, "viewer")
    assert stranger is not None
    Run.objects.filter(pk=run.pk).update(team_id=other_team.pk)
    assert api_as("viewer").get(where).status_code == 404


def test_the_page_shows_findings_and_filters(client_as, run):
    client = client_as("viewer")
    tab = client.get(f"/research/{run.pk}/?tab=doctor").content.decode()
    assert f'hx-get="/research/{run.pk}/doctor/"' in tab
    part = client.get(f"/research/{run.pk}/doctor/").content.decode()
    assert part.count("data-diagnosis=") == len(DIAGNOSES)
    critical = client.get(f"/research/{run.pk}/doctor/?severity=critical").content.decode()
    assert 'data-severity="critical"' in critical
    assert 'data-severity="warning"' not in critical
    assert client.get(f"/research/{run.pk}/doctor/?severity=x").status_code == 422


def test_a_moment_that_is_none_and_a_row_that_is_none(api_as, client_as, run):
    where = f"/api/v1/backtests/{run.pk}/figures/price?symbol=AAPL&at="
    refused = api_as("viewer").get(f"{where}yesterday")
    assert (refused.status_code, refused.json()["code"]) == (422, "figure.at")
    page = f"/research/{run.pk}/?tab=trades&table=fills&row="
    client = client_as("viewer")
    for row in ("999999", "-1", "x"):
        assert client.get(f"{page}{row}").status_code == 200
    assert 'id="row-3"' in client.get(f"{page}3").content.decode()


def test_a_promotion_carries_how_many_are_critical(run):
    from apps.backtests import selectors

    evidence = selectors.evidence_for(run, "0" * 64)
    assert evidence["doctor_critical"] == doctor_of(run)["counts"]["critical"] >= 1


def test_a_run_whose_bars_are_too_many_says_so(run, monkeypatch):
    monkeypatch.setattr("apps.backtests.selectors.doctor.MOST_CELLS", 10)
    found = doctor_of(run)
    assert found["bars"] is None
    row = next(row for row in found["items"] if row["name"] == "stale_price")
    assert row["severity"] == "not_applicable"
    assert "the doctor looks at 10 at most" in row["says"]
