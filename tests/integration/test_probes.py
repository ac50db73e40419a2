"""Look-ahead probes, by themselves and on demand: page, trail, evidence, the sandbox."""

import os
import shutil
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.audit import selectors as audit
from apps.backtests.selectors.evidence import measured_of
from apps.core import jobs
from apps.core.errors import Conflict
from apps.core.models import Job
from apps.strategies import selectors, services
from apps.strategies.models import Probe
from apps.strategies.services import probes_due
from tests.factories import leaks, research, signing

pytestmark = pytest.mark.django_db
API = "/api/v1"
WHY = "Read it line by line."
FORMULA = {"expression": "rank(-delta(close, 5))"}
PEEKS = '''"""Buys what rises tomorrow."""
import numpy as np


def targets(panel, params):
    out = np.zeros(panel.close.shape)
    ahead = panel.close[1:] / panel.close[:-1]
    out[:-1] = np.nan_to_num(ahead) > 1.0
    return out / panel.n_assets
'''
HONEST = PEEKS.replace("out[:-1] =", "out[1:] =").replace("tomorrow", "since yesterday")
LINE = 1 + PEEKS[: PEEKS.index("out[:-1]")].count("\n")


def own(actor, now, name="mine", **params):
    return services.create_strategy(
        actor=actor("researcher"), name=name, title="Mine", kind="expression", plug="",
        params={**FORMULA, **params}, now=now,
    )  # fmt: skip


def do(row, now):
    """Do what the worker would."""
    status = jobs.execute(str(row.job_id), services.run_probe, worker="w", now=lambda: now)
    row.refresh_from_db()
    return status


def told_of(version, team):
    rows = audit.list_events(team_id=team.pk, subject=f"version:{version.id}")
    return [event.action for event in rows]


def test_a_new_version_is_probed_by_itself(db, actor, team, now, api_as, client_as):
    version = own(actor, now)
    (row,) = Probe.objects.filter(version_id=version.id)
    assert (row.verdict, row.job.queue, row.job.status) == ("pending", "compute", "queued")
    assert do(row, now) == "done"
    assert row.verdict == "passed", row.report
    assert row.report["copies"] >= 30
    assert row.report["declared_warmup"] == row.report["found_warmup"] == 6
    assert (len(row.digest), len(row.data_digest)) == (64, 64)
    assert told_of(version, team)[:3] == ["probe.finished", "probe.created", "version.created"]
    # The same again, by hand: another row, the same report.
    client = api_as("researcher")
    answer = client.post(f"{API}/versions/{version.id}/probes")
    again = client.post(f"{API}/versions/{version.id}/probes")
    assert answer.status_code == again.status_code == 202
    assert answer.json()["id"] == again.json()["id"] != row.pk
    second = Probe.objects.get(pk=answer.json()["id"])
    do(second, now)
    assert second.digest == row.digest
    found = client.get(f"{API}/versions/{version.id}/probes").json()["items"]
    assert [one["id"] for one in found] == [second.pk, row.pk]
    shown = client.get(f"{API}/probes/{row.pk}").json()
    assert shown["verdict"] == "passed"
    assert "the same on" in shown["said"]
    page = client_as("viewer").get(f"/strategies/versions/{version.id}/").content.decode()
    assert "Look-ahead probe" in page
    assert "Passed" in page
    assert 'data-act="probe"' not in page  # a viewer asks for nothing


def member(actor, now, *, name="sma_crossover", **params):
    return services.ensure_version(actor=actor("researcher"), name=name, params=params, now=now)


def probes_of(version):
    return list(Probe.objects.filter(version_id=version.id).order_by("id"))


def due_of(*versions, now):
    """Queue what is due; other teams' probes that wait take no room in these tests."""
    probes_due.probe_due_versions(now=now)
    return [len(probes_of(one)) for one in versions]


@pytest.fixture
def _nobody_waits(db):
    """No probe of another team stands before those of the test."""
    Job.objects.filter(kind="probe").update(status="cancelled")


@pytest.mark.usefixtures("_nobody_waits")
def test_members_of_the_library_with_new_parameters_are_probed_by_themselves(
    actor, team, now, other_team
):
    version = member(actor, now, fast=5, slow=20)
    assert probes_of(version) == []  # storing it costs a run nothing
    assert due_of(version, now=now) == [1]
    assert due_of(version, now=now) == [1], "it waits already"
    (row,) = probes_of(version)
    assert (row.created_by, row.job.team_id) == ("system:probe", team.pk)
    assert do(row, now) == "done"
    assert row.verdict == "passed", (row.report, row.reason)
    assert told_of(version, team)[:2] == ["probe.finished", "probe.created"]
    assert due_of(version, now=now) == [1]
    # The same again is the same version, one that somebody asked about is asked about once, and
    # what only a request says can't be asked again.
    assert member(actor, now, fast=5, slow=20).id == version.id
    asked = member(actor, now, fast=6, slow=20)
    services.create_probe(actor=actor("researcher"), version_id=asked.id, now=now)
    given = member(actor, now, name="given")
    assert due_of(asked, given, now=now) == [1, 0]


@pytest.mark.usefixtures("_nobody_waits")
def test_a_few_are_probed_at_a_time_the_newest_first(actor, now):
    versions = [member(actor, now, fast=fast, slow=40) for fast in range(5, 10)]
    assert due_of(*versions, now=now) == [0, 0, 1, 1, 1]
    assert due_of(*versions, now=now) == [0, 0, 1, 1, 1], "so many wait at a time"
    do(probes_of(versions[-1])[0], now)
    assert due_of(*versions, now=now) == [0, 1, 1, 1, 1]


@pytest.mark.usefixtures("_nobody_waits")
def test_a_probe_whose_worker_is_killed_is_done_again(actor, now):
    version = member(actor, now, fast=5, slow=20)
    later, at = timedelta(minutes=1), now
    for times in (1, 2, 3):
        assert due_of(version, now=at) == [times]
        job_id = probes_of(version)[-1].job_id
        for attempt in (1, 2, 3):
            # Claimed by a worker that is never heard of again.
            assert jobs.claim(job_id, worker="w", now=at).attempt == attempt
            at += later
            jobs.sweep(now=at)
        assert Job.objects.get(pk=job_id).status == "lost"
    assert due_of(version, now=at) == [3], "not for ever"
    Probe.objects.filter(pk=probes_of(version)[-1].pk).delete()
    assert due_of(version, now=at) == [3]
    assert do(probes_of(version)[-1], at) == "done"
    assert probes_of(version)[-1].verdict == "passed"
    assert due_of(version, now=at) == [3]


def test_a_probe_that_is_over_never_changes(db, actor, now):
    own(actor, now)
    row = Probe.objects.get()
    do(row, now)
    row.verdict = "leaks"
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        row.save(update_fields=["verdict"])
    # Nor does a worker that comes again: it reads what was found.
    Job.objects.filter(pk=row.job_id).update(status="queued", attempt=0, finished_at=None)
    assert do(row, now) == "done"
    assert row.verdict == "passed"


def test_evidence_has_the_probe_and_none_while_there_is_none(db, actor, team, now):
    version = own(actor, now)
    run = research.make_run(team, now, version, probed=False)
    assert "probe_passed" not in measured_of(run).evidence
    do(Probe.objects.get(version_id=version.id), now)
    evidence = measured_of(run).evidence
    assert evidence["probe_passed"] is True
    row = Probe.objects.get(version_id=version.id)
    told = evidence["look-ahead probe"]
    assert (told["probe"], told["digest"]) == (row.pk, row.digest)


@pytest.fixture
def _held():
    if not (shutil.which("bwrap") and selectors.sandbox_status().holds):
        assert not os.environ.get("CI"), "the sandbox does not hold"
        pytest.skip(f"the sandbox does not hold here: {selectors.sandbox_status().why}")


@pytest.fixture
def approved(actor, now):
    def act(text, name="peeks"):
        author = actor("researcher")
        version = services.save_code(actor=author, name=name, text=text, now=now)
        made = services.propose_code(actor=author, version_id=version.id, rationale=WHY, now=now)
        signing.decide(actor("validator"), made, now)
        return version

    return act


@pytest.mark.usefixtures("_held")
def test_a_text_is_probed_once_people_let_it_run_and_its_line_is_shown(
    db, approved, actor, team, now, api_as, client_as
):
    text = PEEKS.replace("def ", "# not yet\ndef ", 1)
    waiting = services.save_code(actor=actor("researcher"), name="later", text=text, now=now)
    assert not Probe.objects.filter(version_id=waiting.id).exists()
    answer = api_as("researcher").post(f"{API}/versions/{waiting.id}/probes")
    assert (answer.status_code, answer.json()["code"]) == (409, "strategy.not_approved")
    version = approved(PEEKS)
    row = Probe.objects.get(version_id=version.id)
    assert row.verdict == "pending"
    assert do(row, now) == "done"
    finding = row.report["finding"]
    assert (row.verdict, finding["inputs"], finding["ahead"]) == ("leaks", ["close"], 1)
    assert finding["line"] == LINE
    assert row.sandbox["tier"] in {"A", "B"}
    assert row.sandbox["processes"] >= 2
    page = client_as("researcher").get(f"/strategies/versions/{version.id}/").content.decode()
    assert f'data-probe-line="{LINE}"' in page
    assert "Looks ahead" in page
    run = research.make_run(team, now, version, probed=False)
    assert measured_of(run).evidence["probe_passed"] is False
    honest = approved(HONEST, "honest")
    row = Probe.objects.get(version_id=honest.id)
    do(row, now)
    assert row.verdict == "passed", row.report


@pytest.mark.usefixtures("_held")
def test_what_lies_in_the_sandbox_finds_the_lines_of_the_corpus(db):
    """A few of the corpus as users' texts run: the probe's side here, the text in the sandbox."""
    from apps.strategies.kernel.probe import Plan, Sheet, probe
    from apps.strategies.kernel.user_code import read
    from apps.strategies.sandbox.base import Stopped
    from apps.strategies.sandbox.own import OwnStrategy
    from apps.strategies.sandbox.probing import OwnSubject

    sheet = Sheet(leaks.bars(), leaks.known_at())
    known = {case.path.stem: case for case in leaks.cases("leaky")}
    for name in ("02_full_zscore", "23_pivots_at_once"):
        case = known[name]
        declared = read("mine", case.text)
        strategy = OwnStrategy(declared, case.text, selectors.sandbox(), lambda _: None)
        plan = Plan(0, 3, cuts=6, errors=(Stopped,))
        found = probe(OwnSubject(strategy, {}), sheet, plan).finding
        strategy.finish()
        assert found.line in case.lines
        assert found.inputs == case.leaks


@pytest.mark.usefixtures("_held")
def test_a_text_that_decides_bar_by_bar_can_not_look_ahead(db, approved, now):
    text = "def decide(view, params):\n    return None\n"
    row = Probe.objects.get(version_id=approved(text, "by_bar").id)
    do(row, now)
    assert (row.verdict, row.report["copies"]) == ("passed", 0)
    assert "sent no later bar" in row.report["why"]


def test_a_text_nobody_approved_is_not_run(db, actor, now):
    version = services.save_code(actor=actor("researcher"), name="later", text=PEEKS, now=now)
    with pytest.raises(Conflict):
        services.create_probe(actor=actor("researcher"), version_id=version.id, now=now)
    assert not Job.objects.filter(kind="probe").exists()
