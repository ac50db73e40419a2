"""The trial ledger: what is counted, by whom it is kept, and what a run is worth beside it."""

from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction

from apps.backtests import selectors, services
from apps.backtests.models import Family, Run, Sweep, Trial, TrialEntry, TrialStream
from apps.backtests.selectors import trials
from apps.core import jobs
from apps.core.errors import Conflict, Invalid, NotFound
from apps.strategies.services import create_strategy

BODY = {
    "strategy": "sma_crossover",
    "params": {"fast": 10, "slow": 30},
    "instruments": ["SPY"],
    "timeframe": "1d",
    "start": "2019-01-01",
    "end": "2020-12-31",
}


@pytest.fixture
def asked(sample, actor, now):
    """A function that asks for a run, computed or not."""

    def ask(compute=True, who=None, **changes):
        body = {**BODY, **changes}
        run, job = services.create_backtest(actor=who or actor(), request=body, now=now)
        if compute:
            jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
            run.refresh_from_db()
        return run

    return ask


def entries(team):
    return TrialEntry.objects.filter(team_id=team.pk)


class TestCounting:
    def test_every_run_counts_whatever_becomes_of_it(self, asked, actor, team, now):
        done = asked()
        queued = asked(compute=False, params={"fast": 5, "slow": 20})
        gone = asked(compute=False, params={"fast": 6, "slow": 20})
        jobs.cancel(gone.job_id, actor=actor(), now=now)
        failed = asked(params={"fast": 7, "slow": 400}, start="2020-06-01")
        services.archive_run(actor=actor(), run_id=done.pk, now=now)
        subjects = set(entries(team).values_list("subject", flat=True))
        assert {f"run:{run.pk}" for run in (done, queued, gone, failed)} == subjects
        assert selectors.count_trials(done) == 4
        kept = TrialStream.objects.filter(team_id=team.pk).values_list("subject", flat=True)
        assert list(kept) == [f"run:{done.pk}"]

    def test_a_run_removed_stays_counted(self, asked, team):
        run = asked(compute=False)
        Run.objects.filter(pk=run.pk).delete()
        assert entries(team).filter(subject=f"run:{run.pk}").exists()

    @pytest.mark.parametrize("model", [TrialEntry, TrialStream, Family])
    def test_the_database_refuses_to_forget(self, model, asked, team):
        asked()
        rows = model.objects.filter(team_id=team.pk)
        assert rows.exists()
        with pytest.raises(DatabaseError, match="forbidden"), transaction.atomic():
            rows.delete() if model is not Family else rows._raw_delete(rows.db)
        column = {"TrialEntry": "trials", "TrialStream": "sharpe", "Family": "name"}[
            model.__name__
        ]
        with pytest.raises(DatabaseError, match=r"forbidden|joined"), transaction.atomic():
            rows.update(**{column: 0})
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {model._meta.db_table} CASCADE")

    @pytest.mark.usefixtures("sample")
    def test_every_combination_of_a_sweep_counts(self, actor, team, now):
        sweep = _sweep(actor(), now)
        assert entries(team).filter(door="sweep").count() == 4
        assert Trial.objects.filter(sweep=sweep).count() == 4
        kept = TrialStream.objects.filter(team_id=team.pk)
        assert {row.subject for row in kept} == {f"sweep:{sweep.pk}/{k}" for k in range(4)}
        assert len({row.calendar for row in kept}) == 1

    def test_a_search_of_the_forge_counts_once_with_all_it_tried(self, actor, team, now):
        for _ in range(2):
            services.count_search(actor=actor(), search_id=7, trials=500, now=now)
        (entry,) = entries(team)
        assert (entry.door, entry.trials, entry.subject) == ("forge", 500, "search:7")


class TestFamilies:
    def test_versions_are_one_family_and_strategies_are_not(self, asked, team):
        asked(compute=False)
        asked(compute=False, params={"fast": 3, "slow": 9})
        asked(compute=False, strategy="buy_and_hold", params={})
        rows = trials.list_family_rows(team_id=team.pk)
        assert [(row["name"], row["trials"]) for row in rows] == [
            ("sma_crossover", 2),
            ("buy_and_hold", 1),
        ]

    def test_a_copy_counts_with_what_it_was_copied_from(self, asked, actor, team, now):
        for name, text in (("one", "rank(close)"), ("two", "rank(close)"), ("three", "-close")):
            create_strategy(
                actor=actor(),
                name=f"idea_{name}",
                title=name,
                kind="expression",
                plug="expression",
                params={"expression": text},
                now=now,
            )
            asked(compute=False, strategy=f"idea_{name}", params={})
        rows = trials.list_family_rows(team_id=team.pk)
        assert [(row["name"], row["trials"]) for row in rows] == [
            ("idea_one", 2),
            ("idea_three", 1),
        ]

    def test_families_join_and_never_part(self, asked, actor, team, other_team, now):
        first, second = asked(), asked(compute=False, strategy="buy_and_hold", params={})
        one, two = (trials.find_family_of(f"run:{run.pk}", team.pk) for run in (second, first))
        why = {"why": "the same idea of holding on", "now": now}
        services.join_families(actor=actor(), family_id=one.pk, other_id=two.pk, **why)
        assert selectors.count_trials(first) == selectors.count_trials(second) == 2
        assert trials.get_family(one.pk, team.pk) == two
        with pytest.raises(Invalid, match="already"):
            services.join_families(actor=actor(), family_id=two.pk, other_id=one.pk, **why)
        with pytest.raises(NotFound):
            services.join_families(
                actor=actor("researcher", of=other_team), family_id=one.pk, other_id=two.pk, **why
            )
        with pytest.raises(DatabaseError, match="joined"), transaction.atomic():
            Family.objects.filter(pk=one.pk).update(root=None)

    def test_a_strategy_made_of_a_hypothesis_counts_with_its_search(self, asked, actor, now):
        services.count_search(actor=actor(), search_id=9, trials=120, now=now)
        run = asked(compute=False)
        for _ in range(2):
            services.follow_hypothesis(
                actor=actor(),
                search_id=9,
                strategy_id=run.version.strategy_id,
                name="x",
                now=now,
            )
        assert selectors.count_trials(run) == 121


class TestWorth:
    def test_a_run_alone_is_judged_by_itself(self, asked):
        found = trials.significance_of(asked())
        assert found["trials"] == found["with_returns"] == 1
        assert found["effective_n"] == 1.0
        assert found["deflated_sharpe"] == found["probabilistic_sharpe"]
        assert found["pbo"] is None
        assert "two trials" in found["missing"]["pbo"]

    def test_more_trials_lower_it_and_make_an_overfitting(self, asked, actor, now):
        run = asked()
        before = trials.significance_of(run)
        _sweep(actor(), now)
        after = trials.significance_of(run)
        assert after["trials"] == 5
        assert 1.0 < after["effective_n"] < 5.0  # one of the combinations is the run itself
        assert after["deflated_sharpe"] < before["deflated_sharpe"]
        assert 0.0 <= after["pbo"] <= 1.0
        detail = selectors.run_detail(run)
        assert detail["significance"]["deflated_sharpe"] == after["deflated_sharpe"]

    def test_it_is_in_the_evidence_without_anyone_asking(self, asked):
        run = asked()
        evidence = selectors.measured_of(run).evidence
        worth = trials.significance_of(run)
        for name in ("deflated_sharpe", "probabilistic_sharpe", "effective_n"):
            assert evidence[name] == worth[name]
        assert "holdout_alpha_left" not in evidence

    @pytest.mark.usefixtures("sample")
    def test_a_sweep_tells_its_overfitting(self, actor, now):
        found = trials.overfitting_of_sweep(_sweep(actor(), now))
        assert found["trials"] == 4
        assert sum(found["logits"]["counts"]) == found["splits"] == 12_870


class TestHoldouts:
    def marked(self, actor, run, now, **changes):
        family = trials.find_family_of(f"run:{run.pk}", run.team_id)
        days = {"start": date(2021, 1, 1), "end": date(2021, 12, 31)} | changes
        return services.mark_holdout(actor=actor(), family_id=family.pk, now=now, **days)

    def test_a_look_is_told_its_price_then_taken(self, asked, actor, now):
        run = asked(compute=False)
        holdout = self.marked(actor, run, now)
        later = {"start": "2020-06-01", "end": "2021-06-30"}
        count = Run.objects.filter(team_id=run.team_id).count()
        with pytest.raises(Conflict, match="alpha") as caught:
            asked(compute=False, **later)
        assert caught.value.code == "holdout.confirm"
        assert caught.value.details["price"] == 0.025
        assert Run.objects.filter(team_id=run.team_id).count() == count
        second = asked(compute=False, confirm_look=True, **later)
        third = asked(compute=False, confirm_look=True, **later)
        assert asked(compute=False, start="2022-01-01", end="2022-06-30")
        looks = holdout.looks.order_by("pk").values_list("subject", "price", "alpha_left")
        assert list(looks) == [
            (f"run:{second.pk}", 0.025, 0.025),
            (f"run:{third.pk}", 0.0125, 0.0125),
        ]
        assert selectors.run_detail(third)["looks"][0]["alpha_left"] == 0.0125
        with pytest.raises(DatabaseError, match="forbidden"), transaction.atomic():
            holdout.looks.all().delete()

    def test_runs_that_read_it_before_are_looks(self, asked, actor, now):
        run = asked()
        holdout = self.marked(actor, run, now, start=date(2020, 6, 1))
        assert [look.subject for look in holdout.looks.all()] == [f"run:{run.pk}"]
        assert selectors.measured_of(run).evidence["holdout_alpha_left"] == 0.025
        assert selectors.measured_of(run).evidence["holdout_looks"] == 1

    def test_a_sweep_takes_as_many_looks_as_it_has_combinations(self, asked, actor, now):
        holdout = self.marked(actor, asked(compute=False), now, start=date(2020, 1, 1))
        with pytest.raises(Conflict, match="4 looks"):
            _sweep(actor(), now)
        assert Sweep.objects.filter(team_id=holdout.team_id).count() == 0
        _sweep(actor(), now, confirm_look=True)
        assert sorted(look.looks for look in holdout.looks.all()) == [1, 4]

    def test_days_and_alpha_are_checked(self, asked, actor, now):
        run = asked(compute=False)
        with pytest.raises(Invalid, match="before"):
            self.marked(actor, run, now, end=date(2020, 1, 1))
        with pytest.raises(Invalid, match="alpha"):
            self.marked(actor, run, now, alpha=0.9)


def _sweep(actor, now, **changes):
    sweep, started = services.create_sweep(
        actor=actor,
        request={**BODY, **changes},
        space={"fast": [5, 10], "slow": [30, 60]},
        now=now,
        lanes=1,
    )
    for job in started:
        jobs.execute(str(job.pk), services.run_sweep, worker="w", now=lambda: now)
    sweep.refresh_from_db()
    assert sweep.done == 4
    return sweep
