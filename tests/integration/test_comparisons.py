"""Runs beside each other: what differs between them, and what made the difference."""

from datetime import UTC, datetime

import numpy as np
import pytest

from apps.backtests import selectors, services
from apps.backtests.kernel.metrics import metrics
from apps.backtests.models import Run
from apps.backtests.services.attributions import attribute_runs
from apps.core import jobs
from apps.core.errors import Invalid
from apps.core.models import Job

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 20, "slow": 100},
    "instruments": ["AAPL", "MSFT"],
    "timeframe": "1d",
    "start": "2013-01-03",
    "end": "2015-12-31",
    "cash": 50_000,
    "costs": {"fee_bps": 5},
}
REST = "/api/v1/backtests/compare"


@pytest.fixture
def client(api_as, sample):
    return api_as("researcher")


@pytest.fixture
def made(client, now, db):
    """Create a run and let a worker compute it."""

    def make(**changes):
        run, job = services.create_backtest(
            actor=client.actor, request=BODY | changes, now=changes.pop("at", now)
        )
        finish(job)
        return selectors.get_run(run.pk, client.actor.team)

    return make


def finish(job):
    status = jobs.execute(str(job.pk), services.run_backtest, worker="w")
    assert status == "done", Job.objects.get(pk=job.pk).error


def ask(client, path="", **query):
    answer = client.get(REST + path, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(*runs):
    return ",".join(str(run.pk) for run in runs)


def test_a_table_has_changes_from_the_base_chosen_and_marks_the_best(client, made):
    runs = [made(), made(params={"fast": 10, "slow": 50}), made(params={"fast": 30, "slow": 150})]
    found = ask(client, ids=ids(*runs), base=str(runs[1].pk))
    sharpe = next(row for row in found["metrics"] if row["name"] == "sharpe")
    values = [run.sharpe for run in runs]
    assert found["base"] == 1
    assert sharpe["deltas"] == pytest.approx([value - values[1] for value in values])
    assert (sharpe["best"], sharpe["worst"]) == (np.argmax(values), np.argmin(values))
    assert {(row["part"], row["name"]) for row in found["differs"]} == {
        ("params", "params.fast"),
        ("params", "params.slow"),
    }
    assert [pair["parts"] for pair in found["pairs"]] == [["params"], ["params"]]
    wrong = client.get(REST, {"ids": ids(*runs), "base": "0" * 8})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "compare.base")


def test_runs_over_other_dates_are_measured_again_over_the_common_ones(client, made):
    one, two = made(), made(start="2014-01-02", end="2015-06-30")
    found = ask(client, ids=ids(one, two))
    common = found["common"]
    assert not common["is_same"]
    assert (common["first"], common["last"]) == ("2014-01-02", "2015-06-30")
    ts, curves = selectors.curves_of(one)
    low, high = (int(np.datetime64(common[name], "us").astype(int)) for name in ("first", "last"))
    equity = curves["equity"][(ts >= low) & (ts <= high + 86_399_999_999)]
    by_hand = metrics(equity[1:] / equity[:-1] - 1.0, periods=one.result["periods_per_year"])
    told = {row["name"]: row["values"] for row in common["metrics"]}
    assert told["sharpe"][0] == pytest.approx(by_hand["sharpe"], rel=1e-12)
    assert told["total_return"][0] == pytest.approx(equity[-1] / equity[0] - 1.0)
    assert told["sharpe"][0] != pytest.approx(one.sharpe)
    figure = ask(client, "/figure", ids=ids(one, two), common="true", log="true")
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert [trace["y"][0] for trace in figure["data"]] == [1.0, 1.0]
    depth = ask(client, "/figure", ids=ids(one, two), drawdown="true")
    assert max(depth["data"][0]["y"]) <= 0.0


def test_another_environment_is_told(client, made):
    one, two = made(), made(title="again")
    two.result["origin"]["environment"] = "0" * 64
    Run.objects.filter(pk=two.pk).update(result=two.result)
    found = ask(client, ids=ids(one, two))
    assert [(row["part"], row["name"]) for row in found["differs"]] == [
        ("environment", "environment.digest")
    ]


def test_bars_revised_in_between_are_named_by_their_batch(client, made, now):
    from apps.market.models import Batch, Reader, Revision, Series

    early, late = made(), made(title="later")
    at = datetime(2026, 3, 1, tzinfo=UTC)
    Run.objects.filter(pk=early.pk).update(created_at=at.replace(day=1), finished_at=at)
    Run.objects.filter(pk=late.pk).update(
        created_at=at.replace(day=3), finished_at=at.replace(day=3), data_digest="f" * 64
    )
    read = Reader.objects.get(subject=f"backtest:{early.pk}")
    Reader.objects.filter(pk=read.pk).update(created_at=at)
    series = Series.objects.get(pk=read.series_ids[0])
    batch = Batch.objects.create(
        dataset=series.instrument.dataset, provider="upload", source="a correction",
        sha256="0" * 64, created_at=at.replace(day=2), created_by="user:0",
    )  # fmt: skip
    Revision.objects.create(
        instrument=series.instrument, series=series, batch=batch, bars=3,
        first_at=read.first_at, last_at=read.last_at, created_at=at.replace(day=2),
    )  # fmt: skip
    pair = ask(client, ids=ids(early, late))["pairs"][0]
    assert pair["parts"] == ["data"]
    assert [found["batch_id"] for found in pair["revisions"]] == [batch.pk]
    assert pair["revisions"][0]["words"] == "3 bars"


def test_a_study_is_compared_and_drawn_over_its_parameters(client, made):
    for fast in (10, 20, 30):
        made(params={"fast": fast, "slow": 100}, study="fast-ones")
    assert len(ask(client, study="fast-ones")["runs"]) == 3
    drawn = ask(client, "/parallel", study="fast-ones")
    assert drawn["layout"]["xaxis"]["ticktext"] == [
        "fast", "total_return", "max_drawdown", "sharpe"
    ]  # fmt: skip


def test_a_run_is_compared_with_the_versions_before_it(client, made):
    runs = [made(params={"fast": fast, "slow": 90}) for fast in (11, 12, 13)]
    found = ask(client, parents=str(runs[-1].pk))
    assert [run["id"] for run in found["runs"]][-1] == str(runs[-1].pk)
    assert {run["id"] for run in found["runs"]} >= {str(run.pk) for run in runs}


def test_fifty_runs_cost_no_more_questions_than_three(client, made, django_assert_max_num_queries):
    from apps.backtests.selectors import comparisons

    runs = [made(params={"fast": 5 + n, "slow": 60}) for n in range(2)]
    first = Run.objects.get(pk=runs[0].pk)
    copies = [
        Run(**{f.attname: getattr(first, f.attname) for f in Run._meta.fields if f.name != "id"})
        for _ in range(30)
    ]
    Run.objects.bulk_create(copies)
    some = comparisons.runs_to_compare(ids(*runs, *copies), client.actor.team)
    curves = comparisons.curves_of_runs(some)  # by COPY, one for all
    with django_assert_max_num_queries(1):
        found = comparisons.comparison(some, curves=curves)
    assert len(found["runs"]) == 32


def test_what_made_the_difference_adds_up_from_runs_that_are_counted(client, made):
    one = made()
    two = made(
        strategy="momentum_12_1", params={"top": 1}, start="2014-01-02", costs={"fee_bps": 5}
    )
    answer = client.post(
        f"{REST}/attribute", {"base_id": str(one.pk), "other_id": str(two.pk)},
        content_type="application/json",
    )  # fmt: skip
    assert answer.status_code == 202, answer.content
    found = answer.json()
    assert found["factors"] == ["code", "params", "data"]
    assert len(found["mixtures"]) == 8
    assert found["status"] == "running"
    assert any("fast" in note for note in found["notes"])
    queued = Run.objects.filter(finished_at=None, team_id=client.actor.team)
    assert queued.count() == 6
    for run in queued.select_related("job"):
        finish(run.job)
    query = {"base": str(one.pk), "other": str(two.pk)}
    done = ask(client, "/attribution", **query)
    assert done["status"] == "done"
    sharpe = next(row for row in done["shares"] if row["name"] == "sharpe")
    assert sharpe["delta"] == pytest.approx(two.sharpe - one.sharpe)
    assert sum(sharpe["shares"].values()) == pytest.approx(sharpe["delta"])
    assert selectors.count_trials(one) >= 4
    again = client.post(
        f"{REST}/attribute", {"base_id": str(one.pk), "other_id": str(two.pk)},
        content_type="application/json",
    )  # fmt: skip
    assert again.json()["mixtures"] == done["mixtures"], "asked twice, computed once"


def test_runs_that_differ_in_one_part_need_no_taking_apart(client, made, now):
    one, two = made(), made(params={"fast": 10, "slow": 50})
    with pytest.raises(Invalid) as refused:
        attribute_runs(actor=client.actor, base_id=one.pk, other_id=two.pk, now=now)
    assert refused.value.code == "attribution.factors"


def test_the_page_shows_code_data_and_parameters_with_the_change(client_as, made):
    one = made()
    two = made(strategy="momentum_12_1", params={"top": 1}, costs={"fee_bps": 9})
    page = client_as("researcher").get(f"/research/compare/?ids={ids(one, two)}")
    text = page.content.decode()
    assert page.status_code == 200
    assert "data-code-diff" in text
    assert 'data-part="Code"' in text
    assert 'data-part="Parameters"' in text
    assert 'data-part="Costs and terms"' in text
    assert "data-attribute" in text
    assert 'data-mark="best"' in text
