"""Files of runs: tables, drawings that stay the same bytes, models; code and environment."""

import hashlib
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction

from apps.audit.selectors import list_events
from apps.backtests import selectors, services
from apps.backtests.charts import plots
from apps.backtests.kernel import naming
from apps.backtests.models import Content, Run, RunFile
from apps.backtests.selectors import artifacts, origins
from apps.backtests.selectors.evidence import RunFiles
from apps.core import jobs
from apps.core.kernel.hashing import canonical_json
from apps.core.models import Job

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 20, "slow": 100},
    "instruments": ["AAPL", "MSFT", "XOM"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2015-12-31",
    "cash": 50_000,
    "costs": {"fee_bps": 5, "slippage_bps": 2},
}


@pytest.fixture
def run(actor, now, sample, db):
    """A finished run."""
    who = actor()
    made, job = services.create_backtest(actor=who, request=BODY, now=now)
    status = jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
    assert status == "done", Job.objects.get(pk=job.pk).error
    return selectors.get_run(made.pk, who.team)


def address(run, name=""):
    return f"/api/v1/backtests/{run.pk}/artifacts" + (f"/{name}" if name else "")


def sha(content):
    return hashlib.sha256(content).hexdigest()


def actions(run):
    return [e.action for e in list_events(team_id=run.team_id, subject=f"backtest:{run.pk}")]


def send(client, run, file, content=b"a model", **form):
    return client.post(address(run), {"file": SimpleUploadedFile(file, content), **form})


def test_every_file_of_a_run_is_listed_with_the_digest_of_what_is_given_out(run, api_as):
    client = api_as("viewer")
    listed = client.get(address(run)).json()["items"]
    by_kind = {kind: [row["name"] for row in listed if row["kind"] == kind] for kind in
               ("table", "plot", "file")}  # fmt: skip
    assert by_kind["table"] == [
        f"{name}.parquet" for name in ("fills", "orders", "positions", "trades")
    ]
    assert sorted(by_kind["plot"]) == sorted(plots.NAMES)
    assert by_kind["file"] == []
    assert not any(row["digest"] for row in listed if row["kind"] == "plot"), "made when asked"
    given = {}
    for name in ("equity.png", "monthly.html", "trades.parquet"):
        answer = client.get(address(run, name))
        assert answer.status_code == 200, answer.content
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        given[name] = answer.content
    told = {row["name"]: row for row in client.get(address(run)).json()["items"]}
    for name, content in given.items():
        assert (told[name]["digest"], told[name]["size"]) == (sha(content), len(content))
        assert client.get(address(run, name)).content == content
    assert actions(run).count("backtest.plot_kept") == 2, "made once"


def test_drawings_are_the_same_bytes_for_the_same_run(run):
    curves, trades = selectors.get_curves(run), selectors.table_of(run, "trades")
    for name in ("rolling.png", "excursions.png", "exposure.html"):
        one, two = (plots.drawn(name, curves, trades) for _ in range(2))
        assert one.whole == two.whole
    assert plots.drawn("equity.png", curves, trades).content[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_page_needs_nothing_else_and_its_library_is_kept_once(run, actor, now):
    from apps.backtests.services.artifacts import keep_plot

    rows = [
        keep_plot(actor=actor(), run_id=run.pk, name=name, draw=plots.drawn, now=now)
        for name in ("equity.html", "exposure.html")
    ]
    page = artifacts.bytes_of(rows[0]).content.decode()
    assert "Plotly.newPlot" in page
    assert len(page) > 3_000_000, "the library is inside"
    assert " src=" not in page.partition("<script>")[0]
    assert page.count("</script>") == 3, "no tag of the library or the data ends a script"
    data = page.partition('type="application/json">')[2].partition("</script>")[0]
    drawn = json.loads(data)["data"][0]
    assert drawn["y"][-1] == pytest.approx(run.equity_final, rel=1e-5)
    assert rows[0].shared_id == rows[1].shared_id
    assert len(bytes(rows[0].content)) < 400_000


def test_a_model_is_put_beside_a_run_and_handed_out_as_it_came(run, api_as):
    client, content = api_as("researcher"), b"\x80\x04\x95 not to be opened"
    made = send(client, run, "model.pkl", content, note="ridge, alpha 0.1")
    assert made.status_code == 201, made.content
    assert made.json()["digest"] == sha(content)
    answer = client.get(address(run, "model.pkl"))
    assert (answer.content, answer["Content-Type"]) == (content, "application/octet-stream")
    assert send(client, run, "model.pkl", content).status_code == 201, "the same again is no harm"
    other = send(client, run, "model.pkl", b"other")
    assert (other.status_code, other.json()["code"]) == (409, "artifact.exists")
    event = next(
        e for e in list_events(team_id=run.team_id, subject=f"backtest:{run.pk}")
        if e.action == "backtest.file_attached"
    )  # fmt: skip
    assert sha(content).encode() in bytes(event.body)
    assert RunFile.objects.filter(run=run, kind="file").count() == 1


@pytest.mark.parametrize(
    ("name", "form", "code"),
    [
        ("run.html", {}, "artifact.type"),
        ("noending", {}, "artifact.type"),
        ("a.txt", {"name": "../../etc/passwd.txt"}, "artifact.name"),
        ("a.txt", {"name": ".hidden.txt"}, "artifact.name"),
        ("a.txt", {"name": "equity.png"}, "artifact.reserved"),
    ],
)
def test_what_is_no_file_of_a_run_is_refused(db, sample, api_as, run, name, form, code):
    answer = send(api_as("researcher"), run, name, **form)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_size_and_number_of_files_are_bounded(run, api_as, monkeypatch):
    client = api_as("researcher")
    monkeypatch.setattr(naming, "MOST_BYTES", 10)
    refused = send(client, run, "big.bin", b"x" * 11)
    assert (refused.status_code, refused.json()["code"]) == (422, "artifact.size")
    monkeypatch.setattr("apps.backtests.services.artifacts.MOST_FILES", 1)
    assert send(client, run, "one.bin").status_code == 201
    assert send(client, run, "two.bin").json()["code"] == "artifact.full"
    assert send(api_as("viewer"), run, "three.bin").status_code == 403


def test_the_database_changes_no_file_and_keeps_no_bytes_under_another_digest(run, actor, now):
    services.attach_file(actor=actor(), run_id=run.pk, name="a.txt", content=b"as it was", now=now)
    with pytest.raises(DatabaseError, match="not changed"), transaction.atomic():
        RunFile.objects.filter(run=run).update(content=b"as it was not")
    digest = run.result["origin"]["environment"]
    with pytest.raises(DatabaseError, match="not changed"), transaction.atomic():
        Content.objects.filter(pk=digest).delete()
    with pytest.raises(DatabaseError, match="content_is_its_digest"), transaction.atomic():
        Content.objects.create(digest="f" * 64, media_type="x", content=b"y", created_at=now)


def test_a_run_tells_its_code_and_what_was_installed(run, api_as):
    origin = selectors.run_detail(run)["origin"]
    assert origin["version"] == run.version.digest
    listing = api_as("viewer").get(f"/api/v1/environments/{origin['environment']}").json()
    assert sha(canonical_json(listing)) == origin["environment"]
    assert listing["distributions"]["numpy"].startswith("2.")
    assert listing["python"].startswith("CPython 3.")
    assert set(origin["flags"]) <= set(origins.FLAGS)
    _, files = RunFiles().files(
        team_id=run.team_id, subject=f"version:{run.version_id}",
        evidence={"facts": {"run": str(run.pk)}},
    )  # fmt: skip
    assert sha(files["artifacts/environment.json"]) == origin["environment"]
    assert json.loads(files["artifacts/run.json"])["result"]["origin"] == origin
    measured = selectors.evidence_for(run, run.version.digest)["facts"]
    assert measured["code digest"] == origin["code"]
    assert measured["environment digest"] == origin["environment"]


def test_the_code_digest_follows_every_line_that_decides(tmp_path, monkeypatch):
    for folder in origins.DECIDING:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "backtests/kernel/engine.py").write_text("a = 1\n")
    monkeypatch.setattr(origins, "APPS", tmp_path)
    found = set()
    for name, text in (("engine", "a = 1\n"), ("engine", "a = 2\n"), ("more", "")):
        (tmp_path / f"backtests/kernel/{name}.py").write_text(text)
        found.add(origins.source_digest.__wrapped__())
    assert len(found) == 3


def test_a_run_that_is_not_done_has_no_drawing(actor, now, sample, api_as):
    run, _ = services.create_backtest(actor=actor(), request=BODY, now=now)
    assert api_as("viewer").get(address(run, "equity.png")).status_code == 409
    assert Run.objects.get(pk=run.pk).files.count() == 0
