"""Runs mirrored to an MLflow server: once, completely, later when it is away, never in the way."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.audit.selectors import list_events
from apps.backtests import selectors, services
from apps.backtests.charts import plots
from apps.backtests.kernel.pictures import Drawn
from apps.backtests.kernel.tracking import read_address
from apps.backtests.models import Mirror
from apps.backtests.services import mirrors
from apps.core import jobs
from apps.core.actors import system
from apps.core.errors import Invalid
from apps.core.models import Job
from apps.ops.selectors import check_mlflow
from tests.servers.mlflow_server import MlflowServer
from tests.servers.vendor import running

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 20, "slow": 100},
    "instruments": ["AAPL", "MSFT"],
    "timeframe": "1d",
    "start": "2013-01-03",
    "end": "2015-12-31",
    "costs": {"fee_bps": 5},
    "study": "golden-cross",
    "labels": ["first"],
}


@pytest.fixture
def server(settings):
    with running(MlflowServer()) as found:
        settings.MLFLOW_TRACKING_URI = found.url
        yield found


@pytest.fixture
def made(actor, now, sample, db):
    """Make a finished run; where a server is configured it is to be mirrored."""

    def make(**changes):
        who = actor()
        run, job = services.create_backtest(actor=who, request=BODY | changes, now=now)
        status = jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
        assert status == "done", Job.objects.get(pk=job.pk).error
        return selectors.get_run(run.pk, who.team)

    return make


def sketch(name, curves, trades):
    """Stand in for a drawing where the drawing is not the question."""
    return Drawn(f"a sketch of {name}".encode(), "image/png")


@pytest.fixture
def go(now):
    """Bring what is due, at a time after now."""
    return lambda draw=sketch, **later: mirrors.mirror_due(
        draw=draw, now=lambda: now + timedelta(**later)
    )


def only(server):
    active = [r for r in server.runs.values() if r["info"]["lifecycle_stage"] == "active"]
    assert len(active) == 1
    return active[0]


def test_a_finished_run_is_brought_there_whole_and_once(server, made, go, team):
    run = made()
    assert Mirror.objects.get(run=run).status == "waiting", "nothing of the run waited for it"
    assert server.requests == []
    assert go(plots.drawn)["mirrored"] == 1
    there, detail = only(server), selectors.run_detail(run)
    experiment = server.experiments[there["info"]["experiment_id"]]
    assert experiment["name"] == f"quantsite/{team.slug}/golden-cross"
    assert "golden-cross" in experiment["told"]["mlflow.note.content"]
    assert (there["info"]["status"], there["info"]["run_name"]) == ("FINISHED", run.title)
    assert there["params"]["fast"] == "20"
    assert there["params"]["costs/fee_bps"] == "5.0"
    assert there["metrics"]["sharpe"] == run.sharpe
    assert there["metrics"]["deflated_sharpe"] == detail["significance"]["deflated_sharpe"]
    assert there["tags"]["quantsite.run_id"] == str(run.pk)
    assert there["tags"]["quantsite.digest"] == run.digest
    assert there["tags"]["quantsite.environment"] == detail["origin"]["environment"]
    assert there["tags"]["quantsite.link"].endswith(f"/research/{run.pk}/")
    base = f"{there['info']['experiment_id']}/{there['info']['run_id']}/artifacts"
    trades = bytes(run.artifacts.get(name="trades").content)
    assert server.files[f"{base}/tables/trades.parquet"] == trades
    assert server.files[f"{base}/plots/equity.png"].startswith(b"\x89PNG")
    assert b"Plotly.newPlot" in server.files[f"{base}/plots/equity.html"]
    row = Mirror.objects.get(run=run)
    assert (row.status, row.remote_id) == ("done", there["info"]["run_id"])
    actions = [e.action for e in list_events(team_id=team.pk, subject=f"backtest:{run.pk}")]
    assert actions.count("backtest.mirrored") == 1
    before = len(server.requests)
    assert go(days=1) == {"mirrored": 0, "refused": 0, "waiting": 0}
    assert len(server.requests) == before


def test_a_run_is_not_made_twice_by_work_that_broke_off(server, made, go):
    made()
    server.files_fault = 500
    assert go()["waiting"] == 1
    assert only(server)["info"]["status"] == "RUNNING"
    server.files_fault = 0
    assert go(hours=1)["mirrored"] == 1
    assert only(server)["info"]["status"] == "FINISHED"
    Mirror.objects.update(status="waiting", remote_id="", next_at=Mirror.objects.get().created_at)
    files = dict(server.files)
    assert go(hours=2)["mirrored"] == 1, "our row was lost, theirs is found by its tag"
    assert only(server)
    assert server.files == files


@pytest.mark.parametrize("fault", ["rate_limited", "broken", "malformed", "cut"])
def test_what_passes_is_tried_again_later_and_later(server, made, go, now, fault):
    made()
    server.fault = fault
    waits = []
    for _ in range(3):
        row = Mirror.objects.get()
        assert go(seconds=(row.next_at - now).total_seconds())["waiting"] == 1
        waits.append((Mirror.objects.get().next_at - row.next_at).total_seconds())
    assert waits == sorted(waits)
    assert waits[-1] == 60.0
    assert "later" in Mirror.objects.get().error
    assert check_mlflow()[0].status == "degraded"
    asked = len(server.requests)
    assert go(seconds=1)["waiting"] == 0, "not before its time"
    assert len(server.requests) == asked
    server.fault = ""
    assert go(days=1)["mirrored"] == 1


def test_a_server_that_is_away_or_slow_stops_nothing(server, made, go, monkeypatch):
    run = made()
    server.fault = "slow"
    monkeypatch.setattr("apps.backtests.providers.mlflow.SECONDS", 0.2)
    assert go()["waiting"] == 1
    assert "in time" in Mirror.objects.get().error
    server.server_close()
    assert go(days=1)["waiting"] == 1
    assert selectors.status_of(run) == "done"


def test_what_is_refused_is_told_and_asked_again_only_by_hand(server, made, go, now):
    made()
    server.token = "secret"
    assert go()["refused"] == 1
    state = check_mlflow()[0]
    assert (state.status, "MLFLOW_TRACKING_TOKEN" in state.summary) == ("degraded", True)
    assert go(days=1) == {"mirrored": 0, "refused": 0, "waiting": 0}
    server.token = ""
    assert mirrors.ask_mirrors(actor=system("mirror"), now=now) >= 1
    assert go(days=1)["mirrored"] == 1


def test_a_token_opens_the_server(server, made, go, settings):
    server.token = settings.MLFLOW_TRACKING_TOKEN = "secret"
    made()
    assert go()["mirrored"] == 1
    assert "secret" not in str(Mirror.objects.values().get())


def test_two_that_make_an_experiment_at_once_use_one(server, made, go):
    run = made()
    server.create_experiment(type("Call", (), {"body": {"name": mirrors.experiment_of(run)}}))
    server.ghost = True
    assert go()["mirrored"] == 1
    assert len(server.experiments) == 1


def test_files_that_the_server_keeps_elsewhere_stay_in_the_lab(server, made, go):
    server.store = "s3://bucket"
    made()
    assert go()["mirrored"] == 1
    assert server.files == {}
    assert "kept in the lab" in only(server)["tags"]["quantsite.files"]


def test_a_run_put_into_a_study_moves_to_its_experiment(server, made, go, actor, now):
    run = made(study="")
    assert go()["mirrored"] == 1
    study = services.create_study(actor=actor(), name="later", title="Later", now=now)
    services.add_to_study(actor=actor(), study_id=study.pk, run_ids=[run.pk], now=now)
    mirrors.ask_mirrors(actor=system("mirror", run.team_id), now=now, study="later")
    assert go(days=1)["mirrored"] == 1
    there = only(server)
    assert server.experiments[there["info"]["experiment_id"]]["name"].endswith("/later")
    assert Mirror.objects.get().remote_id == there["info"]["run_id"]


def test_runs_from_before_are_brought_by_the_command(server, made, settings, capsys, monkeypatch):
    settings.MLFLOW_TRACKING_URI = ""
    made()
    assert not Mirror.objects.exists()
    with pytest.raises(CommandError, match="MLFLOW_TRACKING_URI"):
        call_command("mlflow_mirror", "--all")
    settings.MLFLOW_TRACKING_URI = server.url
    monkeypatch.setattr(plots, "drawn", sketch)
    call_command("mlflow_mirror", "--study", "golden-cross")
    assert '"mirrored": 1' in capsys.readouterr().out
    assert only(server)["info"]["status"] == "FINISHED"


def test_health_is_silent_without_a_server(db, settings):
    settings.MLFLOW_TRACKING_URI = ""
    assert check_mlflow() == []


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("file:///tmp/mlruns", "mlflow.address"),
        ("sqlite:///mlflow.db", "mlflow.address"),
        ("databricks", "mlflow.address"),
        ("http://mlflow.example.org:5000", "mlflow.clear"),
    ],
)
def test_addresses_that_are_none_or_in_the_clear_are_refused(uri, code):
    with pytest.raises(Invalid) as refused:
        read_address(uri)
    assert refused.value.code == code


def test_secrets_of_an_address_stay_out_of_what_is_kept_and_shown():
    found = read_address("https://me:pass%20word@mlflow.example.org/under/")
    assert (found.base, found.user) == ("https://mlflow.example.org/under", "me")
    assert found.password == "pass word"
    assert "pass" not in repr(found)
    assert read_address("http://127.0.0.1:5000").base == "http://127.0.0.1:5000"
    assert read_address("http://inside:5000", in_the_clear=True).base == "http://inside:5000"
