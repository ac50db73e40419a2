"""Runs held against luck: over REST, as jobs, as evidence, on the page."""

import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEvent
from apps.backtests import selectors, services
from apps.backtests.models import Gauntlet, Run, TrialEntry
from apps.backtests.selectors.gauntlets import luck_of
from apps.core import jobs
from apps.core.models import Job

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 10, "slow": 30},
    "instruments": ["SPY"],
    "timeframe": "1d",
    "start": "2019-01-01",
    "end": "2020-12-31",
    "costs": {"fee_bps": 2},
}
KINDS = ["bootstrapped", "phase_randomised", "sign_flipped", "garch", "random_entries"]


@pytest.fixture
def done_run(sample, actor, now):
    """A function that makes a finished run."""

    def make(**changes):
        run, job = services.create_backtest(actor=actor(), request={**BODY, **changes}, now=now)
        jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
        run.refresh_from_db()
        return run

    return make


def post(api, run, body):
    path = f"/api/v1/backtests/{run.pk}/gauntlets"
    return api.post(path, body, content_type="application/json")


def worked(job, now):
    jobs.execute(str(job.pk), services.run_gauntlet, worker="w", now=lambda: now)
    job.refresh_from_db()
    return job


@pytest.fixture
def tested(done_run, actor, now):
    """A finished run with its finished gauntlet of 19 worlds of each kind."""
    run = done_run()
    made, job = services.create_gauntlet(actor=actor(), run_id=run.pk, worlds=19, now=now)
    worked(job, now)
    made.refresh_from_db()
    return run, made


def test_a_run_is_held_against_luck_over_rest(done_run, api_as, now):
    run, api = done_run(), api_as("researcher")
    asked = post(api, run, {"worlds": 19})
    assert asked.status_code == 202, asked.content
    number, job = asked.json()["id"], Job.objects.get(pk=asked.json()["job"]["id"])
    assert api.get(f"/api/v1/gauntlets/{number}").json()["status"] == "queued"
    waiting = api.get(f"/api/v1/gauntlets/{number}/figures/costs")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "gauntlet.not_done")
    assert worked(job, now).status == "done"
    found = api.get(f"/api/v1/gauntlets/{number}").json()
    result = found["result"]
    assert [verdict["kind"] for verdict in result["verdicts"]] == KINDS
    assert result["real"]["sharpe"] == pytest.approx(run.sharpe, rel=1e-12)
    assert result["real"]["total_return"] == pytest.approx(run.total_return, rel=1e-12)
    for verdict in result["verdicts"]:
        assert verdict["refused"] is None
        told = Gauntlet.objects.get(pk=number).nulls[verdict["kind"]]
        for name in ("sharpe", "total_return"):
            above = np.sum(np.array(told[name]) >= result["real"][name])
            assert verdict[name]["p_value"] == pytest.approx((1 + above) / 20)
    strictest = max(verdict["sharpe"]["p_value"] for verdict in result["verdicts"])
    assert found["null_p_value"] == result["null_p_value"] == strictest
    assert [
        row["id"] for row in api.get(f"/api/v1/backtests/{run.pk}/gauntlets").json()["items"]
    ] == [number]
    for figure in ("worlds?kind=garch", "worlds", "costs", "capacity"):
        drawn = api.get(f"/api/v1/gauntlets/{number}/figures/{figure}").json()
        assert drawn["data"], figure


def test_the_same_again_is_the_same_and_done_twice_changes_nothing(tested, api_as, actor, now):
    run, made = tested
    again = post(api_as("researcher"), run, {"worlds": 19})
    assert again.json()["id"] == str(made.pk)
    # As after a worker that was killed: nothing of the first work is there.
    before = (made.digest, made.result, made.nulls)
    Gauntlet.objects.filter(pk=made.pk).update(finished_at=None, digest="", result={}, nulls={})
    assert worked(once_more(made, actor(), now), now).status == "done"
    made.refresh_from_db()
    assert (made.digest, made.result, made.nulls) == before
    events = AuditEvent.objects.filter(subject=f"gauntlet:{made.pk}")
    assert events.filter(action="gauntlet.finished").count() == 2
    # As after one that was killed between its commit and its word that it is done.
    assert worked(once_more(made, actor(), now), now).status == "done"
    assert events.filter(action="gauntlet.finished").count() == 2
    assert events.filter(action="gauntlet.created").count() == 1


def once_more(made, actor, now):
    return jobs.enqueue(
        actor=actor,
        kind="gauntlet",
        title="once more",
        task="backtests.gauntlet",
        queue="compute",
        payload={"gauntlet_id": str(made.pk)},
        now=now,
    )


def test_a_gauntlet_is_no_trial_and_enters_the_evidence(tested, team):
    run, made = tested
    assert TrialEntry.objects.filter(team_id=team.pk).count() == 1
    figures = luck_of(run)
    assert figures["null_p_value"] == made.null_p_value
    assert figures["break_even_bps"] == made.break_even_bps
    evidence = selectors.evidence_for(run, "0" * 64)
    assert evidence["null_p_value"] == made.null_p_value
    # Some kinds alone say nothing there: none can be left out to please.
    Gauntlet.objects.filter(pk=made.pk).update(kinds=KINDS[:2])
    assert luck_of(run) == {}


def test_a_cancelled_one_can_be_asked_for_again(done_run, actor, now):
    run = done_run()
    made, job = services.create_gauntlet(actor=actor(), run_id=run.pk, worlds=19, now=now)
    jobs.cancel(job.pk, actor=actor(), now=now)
    assert worked(job, now).status == "cancelled"
    other, _ = services.create_gauntlet(actor=actor(), run_id=run.pk, worlds=19, now=now)
    assert other.pk != made.pk


def test_revised_bars_are_refused(done_run, actor, now):
    run = done_run()
    Run.objects.filter(pk=run.pk).update(data_digest="0" * 64)
    _, job = services.create_gauntlet(actor=actor(), run_id=run.pk, worlds=19, now=now)
    assert worked(job, now).error["code"] == "gauntlet.data_changed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"start": "2020-12-20", "params": {"fast": 1, "slow": 2}}, "gauntlet.too_short"),
        ({"cash": 10, "units": "whole"}, "gauntlet.no_trades"),
    ],
)
def test_runs_that_can_not_be_tested_say_why(changes, code, done_run, actor, now):
    run = done_run(**changes)
    _, job = services.create_gauntlet(actor=actor(), run_id=run.pk, worlds=19, now=now)
    failed = worked(job, now)
    assert (failed.status, failed.error["code"]) == ("failed", code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"worlds": 18}, "gauntlet.worlds"),
        ({"worlds": 2001}, "gauntlet.worlds"),
        ({"kinds": ["martian"]}, "gauntlet.kind"),
    ],
)
def test_bad_requests_are_refused(body, code, done_run, api_as):
    answer = post(api_as("researcher"), done_run(), body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_run_under_way_is_a_conflict(sample, actor, api_as, now):
    run, _ = services.create_backtest(actor=actor(), request=BODY, now=now)
    answer = post(api_as("researcher"), run, {})
    assert (answer.status_code, answer.json()["code"]) == (409, "backtest.not_done")


def test_the_panel_asks_shows_progress_and_figures(done_run, client_as, actor, now):
    run, client = done_run(), client_as("researcher")
    url = f"/research/{run.pk}/gauntlet/"
    assert b"Test against luck" in client.get(url).content
    assert b"Test against luck" not in client_as("viewer").get(url).content
    made, job = services.create_gauntlet(actor=actor(), run_id=run.pk, worlds=19, now=now)
    assert f'data-job="{job.pk}"'.encode() in client.get(url).content
    worked(job, now)
    page = client.get(url).content.decode()
    for kind in KINDS:
        assert f'data-null="{kind}"' in page
    assert "data-break-even" in page
    assert "data-capacity" in page
    assert f"/gauntlets/{made.pk}/figures/capacity" in page


def test_a_file_is_tested_without_a_database(tmp_path, capsys):
    rng = np.random.default_rng(1)
    close = 100 * np.exp(rng.normal(0.0005, 0.01, 160).cumsum())
    rows = [
        f"2020-{1 + k // 28:02d}-{1 + k % 28:02d},A,{c},{c},{c},{c}" for k, c in enumerate(close)
    ]
    (tmp_path / "bars.csv").write_text("date,symbol,open,high,low,close\n" + "\n".join(rows))
    spec = {"strategy": "sma_crossover", "params": {"fast": 3, "slow": 9}, "panel": "bars.csv"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    told = []
    for _ in range(2):
        call_command("gauntlet", str(tmp_path / "spec.json"), worlds=19)
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    found = json.loads(told[0])
    assert found["capacity"]["refused"]["code"] == "capacity.no_volume"
    with pytest.raises(CommandError, match=r"gauntlet\.kind"):
        call_command("gauntlet", str(tmp_path / "spec.json"), kinds="nothing")
