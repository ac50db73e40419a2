"""Evidence of a proposal that stands: the database lets nobody change or remove it."""

import uuid

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from apps.accounts.services import erase_team
from apps.approvals import services as approvals
from apps.approvals.models import Decision, Proposal
from apps.backtests import selectors, services
from apps.backtests.models import Artifact, EvidenceLock, Run, Study, Sweep, Trial
from apps.core import tenancy
from apps.core.actors import system
from apps.core.errors import Conflict
from apps.strategies.services import ensure_version
from tests.factories.research import WHY, make_run

TABLES = (
    "backtests_run", "backtests_artifact", "backtests_equity", "backtests_sweep",
    "backtests_trial", "backtests_evidencelock", "backtests_study",
)  # fmt: skip


def promoted(team, actor, now, **changes):
    """A run with its sweep, proposed: what was frozen, and a run beside it that was not."""
    author = actor("researcher")
    version = ensure_version(
        actor=author, name="sma_crossover", params={"fast": 5, "slow": 50}, now=now
    )
    study = Study.objects.create(team=team, name="s", title="S", created_by="x", created_at=now)
    run = make_run(team, now, version, study=study)
    free = make_run(team, now, version, probed=False, study=study)
    sweep = Sweep.objects.create(
        team=team, version_id=version.id, title="Sweep", strategy="sma_crossover", method="grid",
        objective="sharpe", trials=1, lanes=1, done=1, status="done", created_by="x",
        created_at=now, finished_at=now,
    )  # fmt: skip
    Trial.objects.create(sweep=sweep, number=0, status="done", score=1.0, sharpe=1.0)
    proposal = services.propose_run(
        actor=author, run_id=run.pk, rationale=WHY, target_stage="paper", study=str(sweep.pk),
        now=now, **changes,
    )  # fmt: skip
    for one in (run, free):
        Artifact.objects.create(run=one, name="model", digest="0" * 64, content=b"x")
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO backtests_equity VALUES (%s, %s, 1, 1, 0, 0, 0, 1)", [one.pk, now]
            )
    return run, free, sweep, proposal, author


@pytest.fixture
def frozen(db, team, actor, now):
    return promoted(team, actor, now)


def attempts(run, sweep):
    """What would change or remove evidence, by SQL."""
    of_run, of_sweep = f"'{run.pk}'", f"'{sweep.pk}'"
    return (
        f"DELETE FROM backtests_run WHERE id = {of_run}",
        f"UPDATE backtests_run SET sharpe = 9 WHERE id = {of_run}",
        f"UPDATE backtests_run SET result = '{{}}' WHERE id = {of_run}",
        f"UPDATE backtests_run SET archived_at = now() WHERE id = {of_run}",
        f"UPDATE backtests_run SET id = gen_random_uuid() WHERE id = {of_run}",
        f"DELETE FROM backtests_artifact WHERE run_id = {of_run}",
        f"UPDATE backtests_artifact SET content = 'y' WHERE run_id = {of_run}",
        f"DELETE FROM backtests_equity WHERE run_id = {of_run}",
        f"UPDATE backtests_equity SET equity = 9 WHERE run_id = {of_run}",
        f"DELETE FROM backtests_sweep WHERE id = {of_sweep}",
        f"UPDATE backtests_sweep SET trials = 0 WHERE id = {of_sweep}",
        f"DELETE FROM backtests_trial WHERE sweep_id = {of_sweep}",
        f"UPDATE backtests_trial SET score = 9 WHERE sweep_id = {of_sweep}",
        f"DELETE FROM backtests_study WHERE id = {run.study_id}",
        f"DELETE FROM backtests_evidencelock WHERE subject = 'run:{run.pk}'",
        "UPDATE backtests_evidencelock SET subject = 'run:x'",
    )


class TestTheDatabaseRefuses:
    def test_what_is_evidence_by_sql_in_any_scope(self, frozen, team):
        run, _, sweep, _, _ = frozen
        for scope in (tenancy.LAB, str(team.pk)):
            for sql in attempts(run, sweep):
                with (
                    tenancy.scope(scope),
                    pytest.raises(DatabaseError, match=r"forbidden"),
                    transaction.atomic(),
                    connection.cursor() as cursor,
                ):
                    cursor.execute(sql)

    def test_what_row_security_hides_as_well(self, frozen):
        run, *_ = frozen
        sql = f"DELETE FROM backtests_equity WHERE run_id = '{run.pk}'"
        with (
            tenancy.scope(tenancy.NOBODY),
            pytest.raises(DatabaseError, match="forbidden"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)

    def test_what_is_evidence_by_the_orm(self, frozen):
        run, free, sweep, _, _ = frozen
        for act in (
            run.delete,
            sweep.delete,
            run.study.delete,
            Run.objects.filter(pk=run.pk).delete,
            lambda: Run.objects.filter(pk__in=[run.pk, free.pk]).update(sharpe=9.0),
            lambda: Artifact.objects.filter(run=run).delete(),
        ):
            with pytest.raises(DatabaseError, match="is evidence of"), transaction.atomic():
                act()
        assert Run.objects.filter(pk=run.pk, sharpe=run.sharpe).exists()

    def test_marks_and_what_is_not_evidence_are_free(self, frozen, actor, now):
        run, free, _, _, _ = frozen
        services.mark_runs(actor=actor(), run_ids=[run.pk], tag=["promoted"], now=now)
        services.write_note(actor=actor(), run_id=run.pk, text="looked at again", now=now)
        Run.objects.filter(pk=run.pk).update(created_by_label="erased person")
        services.refresh_deflated(now=now)
        Run.objects.filter(pk=free.pk).update(sharpe=9.0)
        services.archive_run(actor=actor(), run_id=free.pk, now=now)
        Artifact.objects.filter(run=free).delete()

    def test_a_lock_ends_with_a_proposal_that_came_to_nothing(self, frozen, now):
        run, _, _, proposal, author = frozen
        assert [one["id"] for one in selectors.locks_on(f"run:{run.pk}", run.team_id)] == [
            str(proposal.pk)
        ]
        approvals.withdraw(actor=author, proposal_id=proposal.pk, now=now)
        assert selectors.locks_on(f"run:{run.pk}", run.team_id) == []
        services.archive_run(actor=author, run_id=run.pk, now=now)
        assert EvidenceLock.objects.filter(proposal_id=proposal.pk).count() == 2


class TestTheDoorsSay:
    def test_archiving_evidence_answers_409(self, frozen, api_as):
        run, free, _, proposal, _ = frozen
        api = api_as("researcher")
        answer = api.delete(f"/api/v1/backtests/{run.pk}")
        assert (answer.status_code, answer.json()["code"]) == (409, "evidence.locked")
        assert answer.json()["errors"][0]["locked_by"] == [str(proposal.pk)]
        body = {"runs": [str(run.pk), str(free.pk)], "archive": True}
        answer = api.post("/api/v1/backtests/mark", body, content_type="application/json")
        assert answer.status_code == 409
        assert not Run.objects.filter(pk=free.pk, archived_at__isnull=False).exists()

    def test_lists_and_pages_show_the_lock(self, frozen, api_as, client_as):
        run, free, _, proposal, _ = frozen
        api = api_as("viewer")
        items = api.get("/api/v1/backtests").json()["items"]
        assert {one["id"]: one["locked"] for one in items} == {
            str(run.pk): True,
            str(free.pk): False,
        }
        locked = api.get("/api/v1/backtests", {"q": "locked"}).json()["items"]
        assert [one["id"] for one in locked] == [str(run.pk)]
        told = api.get(f"/api/v1/backtests/{run.pk}").json()["locked_by"]
        assert [(one["id"], one["status"]) for one in told] == [(str(proposal.pk), "open")]
        page = client_as("viewer").get("/research/").content.decode()
        assert page.count("data-locked") == 1

    def test_a_run_computed_again_leaves_evidence_as_it_is(self, frozen, now):
        from types import SimpleNamespace

        run, *_ = frozen
        progress = SimpleNamespace(payload={"run_id": str(run.pk)}, now=lambda: now)
        assert services.run_backtest(progress)["digest"] == run.digest


class TestErasing:
    def test_a_team_leaves_its_evidence_and_nothing_else(self, frozen, team, actor, now):
        run, _, sweep, proposal, _ = frozen
        Decision.objects.create(
            team=team, proposal=proposal, decider=actor("validator").name, role="validator",
            powers=["proposals.decide.paper"],
            decision="approve", rationale=WHY, seen_digest=proposal.digest, created_at=now,
            event_id=uuid.uuid4(),
        )  # fmt: skip
        Proposal.objects.filter(pk=proposal.pk).update(status="approved", decided_at=now)
        report = erase_team(actor=system("tests"), team_id=team.pk, now=now)
        assert list(Run.objects.filter(team_id=team.pk)) == [run]
        assert list(Sweep.objects.filter(team_id=team.pk)) == [sweep]
        assert {"backtests.run", "backtests.sweep", "backtests.trial"} <= set(report["stays"])
        assert "backtests.savedview" in report["emptied"]
        assert Artifact.objects.get(run__team_id=team.pk).run_id == run.pk
        assert Run.objects.get(pk=run.pk).created_by_label != "researcher"


def test_not_even_the_owner_of_the_tables_removes_evidence(live_db, actor, team, now, sample):
    run, _, sweep, proposal, _ = promoted(team, actor, now)
    with psycopg.connect(live_db.dsn("migrate"), autocommit=True) as raw:
        raw.execute("SET ROLE owner")
        for sql in attempts(run, sweep):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="forbidden"):
                raw.execute(sql)
        for table in TABLES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="forbidden"):
                raw.execute(f"TRUNCATE {table} CASCADE")
    with pytest.raises(Conflict, match="is evidence of the proposal"):
        services.archive_run(actor=actor(), run_id=run.pk, now=now)
    assert Proposal.objects.get(pk=proposal.pk).status == "open"
