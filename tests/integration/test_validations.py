"""Walk-forwards from the first door to the last: worked, counted, cancelled, shown, proposed."""

import os
import shutil
from datetime import date

import pytest
from django.db import DatabaseError, transaction

from apps.backtests import selectors, services
from apps.backtests.models import TrialEntry, TrialStream, Validation, ValidationFold
from apps.backtests.selectors import trials
from apps.backtests.selectors import validations as reads
from apps.backtests.services import validations as work
from apps.core import jobs
from apps.core.errors import Conflict, Invalid
from apps.core.models import Job
from apps.strategies import selectors as strategies
from apps.strategies import services as own
from tests.factories import signing
from tests.integration.test_own_strategies import TEXT, WHY

REQUEST = {
    "strategy": "sma_crossover",
    "params": {"fast": 10, "slow": 30},
    "instruments": ["SPY"],
    "timeframe": "1d",
    "start": "2018-01-01",
    "end": "2020-12-31",
    "costs": {"fee_bps": 5},
}
SPACE = {"fast": [5, 10], "slow": [20, 30]}
PLAN = {"train": 250, "test": 120, "purge": 5}


@pytest.fixture
def asked(sample, actor, now):
    """A function that asks for a walk-forward, worked or not."""

    def ask(compute=True, request=None, who=None, **changes):
        given = {"space": SPACE, "plan": PLAN, **changes}
        body = {**REQUEST, **(request or {})}
        row, job = services.create_validation(actor=who or actor(), request=body, now=now, **given)
        if compute:
            done(job, now)
            row.refresh_from_db()
        return row

    return ask


def done(job, now):
    jobs.execute(str(job.pk), services.run_validation, worker="w", now=lambda: now)


def entries(team):
    return TrialEntry.objects.filter(team_id=team.pk)


class TestWork:
    def test_a_walk_forward_is_worked_counted_and_recorded(self, asked, team):
        row = asked()
        assert row.status == "done", row.error
        assert (row.folds, row.trials) == (5, 20)  # four folds and the demonstration
        found = reads.validation_detail(row)
        result = found["result"]
        assert [fold["number"] for fold in result["folds"]] == [1, 2, 3, 4]
        assert found["significance"]["trials"] == found["counted"] == 20
        assert result["naive"]["warning"].startswith("Demonstration")
        counted = entries(team)
        assert set(counted.values_list("door", flat=True)) == {"walk_forward"}
        assert counted.count() == 20
        kept = TrialStream.objects.filter(team_id=team.pk).values_list("subject", flat=True)
        assert set(kept) == set(counted.values_list("subject", flat=True))
        assert len(row.digest) == len(row.data_digest) == 64

    def test_work_done_again_gives_the_same_and_counts_nothing_twice(
        self, asked, team, now, monkeypatch
    ):
        row = asked(compute=False)
        keep, kept = work._keep, []

        def dies(row, fold, found, periods):
            if kept:
                raise KeyboardInterrupt
            kept.append(keep(row, fold, found, periods))

        monkeypatch.setattr(work, "_keep", dies)
        with pytest.raises(KeyboardInterrupt):
            done(row.job, now)
        assert entries(team).count() == 8  # one fold done, one begun
        monkeypatch.setattr(work, "_keep", keep)
        Job.objects.filter(pk=row.job_id).update(status="queued", lease_until=None)
        done(row.job, now)
        row.refresh_from_db()
        assert row.status == "done"
        assert entries(team).count() == 20
        assert asked().digest == row.digest

    def test_cancelled_and_failed_work_stays_counted(self, asked, actor, team, now, monkeypatch):
        row = asked(compute=False)
        tell = jobs.Progress.tell

        def cancels(self, at, total, note="", **rest):
            if note == "fold 2 of 5":
                raise jobs.Cancelled
            tell(self, at, total, note, **rest)

        monkeypatch.setattr(jobs.Progress, "tell", cancels)
        done(row.job, now)
        row.refresh_from_db()
        assert row.status == "cancelled"
        assert entries(team).count() == 8
        monkeypatch.setattr(jobs.Progress, "tell", tell)
        with pytest.raises(Conflict, match="already cancelled"):
            services.cancel_validation(actor=actor(), validation_id=row.pk, now=now)
        other = asked(compute=False)
        services.cancel_validation(actor=actor(), validation_id=other.pk, now=now)
        done(other.job, now)
        assert entries(team).count() == 8  # nothing of it was begun
        failing = asked(compute=False)
        Validation.objects.filter(pk=failing.pk).update(data_digest="0" * 64)
        done(failing.job, now)
        failing.refresh_from_db()
        assert (failing.status, failing.error["code"]) == ("failed", "validation.data_changed")

    def test_what_was_counted_is_not_forgotten(self, asked, actor, team, now):
        row = asked(kind="naive")
        assert entries(team).count() == 4
        services.archive_validation(actor=actor(), validation_id=row.pk, now=now)
        assert not reads.list_validations(team_id=team.pk).exists()
        ValidationFold.objects.filter(validation=row).delete()
        with pytest.raises(DatabaseError, match="forbidden"), transaction.atomic():
            entries(team).delete()
        assert entries(team).count() == 4

    def test_families_hold_the_fits(self, asked, team):
        asked()
        (family,) = trials.list_family_rows(team_id=team.pk)
        assert (family["name"], family["trials"], family["walk_forward"]) == (
            "sma_crossover",
            20,
            20,
        )
        rows = trials.list_entries(team_id=team.pk, door="walk_forward")
        assert trials.entry_row(rows.first())["link"].startswith("/research/validations/")


class TestEvidence:
    def test_a_walk_forward_speaks_for_a_version_and_slicing_never_does(self, asked, actor, now):
        run, job = services.create_backtest(actor=actor(), request=REQUEST, now=now)
        jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
        run.refresh_from_db()

        def evidence():
            return selectors.measured_of(run).evidence

        asked(kind="naive")
        assert "walk_forward_sharpe" not in evidence()
        asked(space={"fast": [5, 6], "slow": [20]})
        assert "walk_forward_sharpe" not in evidence()  # it chose among others
        row = asked()
        found = evidence()
        assert found["walk_forward_sharpe"] == row.sharpe
        assert found["walk_forward"]["digest"] == row.digest
        lost = row.result["degradation"]["lost"]
        assert found.get("walk_forward_degradation") == lost


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "code", "field"),
        [
            ({"plan": {"train": 250}}, "validation.plan", "plan.test"),
            ({"plan": {"train": 9000, "test": 120}}, "validation.too_short", "plan.train"),
            ({"plan": {"train": 250, "test": 120, "fold": 3}}, "validation.plan", "plan.fold"),
            ({"space": {}}, "sweep.space", "space"),
            ({"space": {"fats": [1]}}, "sweep.space", "space.fats"),
            ({"space": {"fast": [50], "slow": [20]}}, "validation.no_combination", "space"),
            (
                {"space": {"fast": [*range(1, 99)], "slow": [*range(100, 200)]}},
                "validation.too_many",
                "space",
            ),
            ({"kind": "sideways"}, "validation.kind", "kind"),
            ({"objective": "luck"}, "sweep.objective", "objective"),
            ({"request": {"start": "2020-12-30"}}, "validation.too_short", "plan.train"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_stored(
        self, changes, code, field, asked, team
    ):
        with pytest.raises(Invalid) as refused:
            asked(compute=False, **changes)
        assert (refused.value.code, refused.value.details["field"]) == (code, field)
        assert not Validation.objects.filter(team_id=team.pk).exists()


@pytest.mark.usefixtures("sample")
class TestDoors:
    def test_over_rest_from_a_space_to_curves_and_folds(self, api_as, now):
        client = api_as("researcher")
        body = {**REQUEST, "space": SPACE, "plan": PLAN}
        made = client.post("/api/v1/validations", body, content_type="application/json")
        assert made.status_code == 202, made.content
        place = f"/api/v1/validations/{made.json()['id']}"
        for part in ("/curve", "/figures/curve", "/folds/export"):
            early = client.get(place + part)
            assert (early.status_code, early.json()["code"]) == (409, "validation.not_done")
        assert client.get("/api/v1/validations?status=running").json()["items"]
        done(Job.objects.get(pk=made.json()["job"]["id"]), now)
        (row,) = client.get("/api/v1/validations?kind=walk_forward").json()["items"]
        found = client.get(place).json()
        assert (row["status"], found["status"]) == ("done", "done")
        assert row["sharpe"] == found["result"]["sharpe"]
        curve = client.get(f"{place}/curve").json()
        assert len(curve["honest"]["ts"]) == found["result"]["bars"] == len(curve["naive"]["ts"])
        assert sorted(set(curve["honest"]["fold"])) == [1, 2, 3, 4]
        gained = found["result"]["metrics"]["total_return"]
        assert curve["honest"]["value"][-1] == pytest.approx(1 + gained)
        for name in ("curve", "folds", "degradation", "stability"):
            assert client.get(f"{place}/figures/{name}").json()["data"], name
        assert client.get(f"{place}/figures/luck").status_code == 404
        lines = client.get(f"{place}/folds/export").content.decode().splitlines()
        assert found["digest"] in lines[0]
        assert lines[1].startswith("fold,train_from,train_to,left_out,test_from,test_to,fast,slow")
        assert len(lines) == 6
        over = client.post(f"{place}/cancel")
        assert (over.status_code, over.json()["code"]) == (409, "validation.over")
        assert client.delete(place).status_code == 204
        assert client.get("/api/v1/validations").json()["items"] == []
        assert client.get("/api/v1/validations?archived=true").json()["items"]

    @pytest.mark.parametrize(
        ("changes", "status", "field"),
        [
            ({"plan": None}, 422, "plan"),
            ({"plan": {"train": "forever", "test": "6mo"}}, 422, "plan.train"),
            ({"space": {"fast": "many"}}, 422, "space.fast"),
            ({"instruments": ["NOSUCH"]}, 404, ""),
            ({"strategy": "nosuch"}, 404, ""),
            ({"orders": [{"ts": "2020-01-02", "symbol": "SPY", "size": 1}]}, 422, "orders"),
            ({"plan": {"train": 250, "test": 120, "folds": 3}}, 422, "plan.folds"),
        ],
    )
    def test_bad_requests_name_their_field(self, changes, status, field, api_as):
        body = {**REQUEST, "space": SPACE, "plan": PLAN, **changes}
        answer = api_as().post("/api/v1/validations", body, content_type="application/json")
        assert answer.status_code == status, answer.content
        assert field in str(answer.json())

    def test_a_holdouts_price_is_paid_for_every_fit(self, asked, api_as, actor, team, now):
        row = asked()
        (family,) = trials.list_family_rows(team_id=team.pk)
        held = services.mark_holdout(
            actor=actor(), family_id=family["id"], start=date(2020, 7, 1), now=now
        )
        looked = held.looks.values_list("subject", "looks")
        (before,) = list(looked)
        assert before == (f"validation:{row.pk}", 20)
        client, body = api_as("researcher"), {**REQUEST, "space": SPACE, "plan": PLAN}
        post = {"path": "/api/v1/validations", "content_type": "application/json"}
        priced = client.post(data=body, **post)
        assert (priced.status_code, priced.json()["code"]) == (409, "holdout.confirm")
        taken = client.post(data={**body, "confirm_look": True}, **post)
        assert taken.status_code == 202, taken.content
        earlier = {**body, "end": "2020-06-30", "plan": {"train": 250, "test": 120}}
        assert client.post(data=earlier, **post).status_code == 202  # reads no day of it
        assert set(looked.all()) == {before, (f"validation:{taken.json()['id']}", 20)}

    def test_pages_show_progress_then_folds_and_label_the_demonstration(
        self, asked, client_as, now
    ):
        client = client_as("researcher")
        row, naive = asked(compute=False), asked(kind="naive")
        place = f"/research/validations/{row.pk}/"
        assert "Progress" in client.get(place).content.decode()
        done(row.job, now)
        page = client.get(place).content.decode()
        assert 'id="folds"' in page
        assert "Naive slicing, a demonstration." in page
        shown = client.get(f"/research/validations/{naive.pk}/").content.decode()
        assert "data-warning" in shown
        assert "no evidence" in shown
        listed = client.get("/research/validations/").content.decode()
        assert str(row.pk) in listed
        assert "no evidence" in listed
        assert client_as("viewer").get(place).status_code == 200


@pytest.mark.usefixtures("db")
class TestOwnText:
    @pytest.fixture(autouse=True)
    def _held(self):
        if not (shutil.which("bwrap") and strategies.sandbox_status().holds):
            assert not os.environ.get("CI"), "the sandbox does not hold"
            pytest.skip("the sandbox does not hold here")

    def test_a_text_runs_in_the_sandbox_and_gives_the_librarys_folds(self, asked, actor, now):
        author = actor()
        version = own.save_code(actor=author, name="own_crossover", text=TEXT, now=now)
        few = {
            "plan": {"train": 300, "test": 400, "demonstrate": False},
            "space": {"fast": [5, 10]},
        }
        with pytest.raises(Conflict, match="approved"):
            asked(request={"strategy": str(version.id), "params": {}}, **few)
        made = own.propose_code(actor=author, version_id=version.id, rationale=WHY, now=now)
        signing.decide(actor("validator"), made, now)
        request = {"strategy": str(version.id), "params": {"fast": 10, "slow": 30}}
        mine, theirs = asked(request=request, **few), asked(**few)
        assert mine.status == "done", mine.error
        assert mine.sandbox["tier"] in {"A", "B"}
        assert mine.result["sandbox"]
        assert mine.sharpe == pytest.approx(theirs.sharpe, rel=1e-9)
        chosen = [[fold["chosen"] for fold in row.result["folds"]] for row in (mine, theirs)]
        assert chosen[0] == chosen[1]
