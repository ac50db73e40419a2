"""The table of runs: the database answers a search as plain Python does, in every order."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditEvent
from apps.backtests import selectors, services
from apps.backtests.kernel.queries import fits, parse
from apps.backtests.models import Deflation, Note, Run, Study
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job
from apps.strategies.services import ensure_version
from tests.factories.research import make_run

WORDS = ("alpha", "Beta 2", "50% up", "a_b", "o'hare", "back\\slash", "x")
PARAMS = (
    {"fast": 10, "kind": "close", "far": True},
    {"fast": 10.5, "kind": "10"},
    {"fast": "10", "kind": None, "far": 0},
    {"fast": [10], "deep": {"fast": 10}},
    {},
)
NUMBERS = (None, -1.5, 0.0, 0.2, 1.4, 10.0)


def table_of(team, actor, now):
    """Runs that differ in everything a search may ask for."""
    version = ensure_version(
        actor=actor, name="sma_crossover", params={"fast": 5, "slow": 50}, now=now
    )
    study = Study.objects.create(
        team=team, name="alpha", title="A", created_by="x", created_at=now
    )
    made = []
    for n in range(14):
        status = ("done", "failed", "running")[n % 3]
        job = None
        if n % 5:
            job = Job.objects.create(
                team=team, kind="backtest", title="j", task="t", queue="compute",
                created_by="x", created_at=now, status=status,
            )  # fmt: skip
        made.append(
            make_run(
                team,
                now + timedelta(days=n),
                version,
                probed=False,
                done=n % 4 != 3,
                job=job,
                title=WORDS[n % 7],
                strategy=("sma_cross", "alpha")[n % 2],
                study=study if n % 3 == 0 else None,
                params=PARAMS[n % 5],
                universe=("", "alpha", "sp500")[n % 3],
                labels=[[], ["alpha"], ["50% up", "x"]][n % 3],
                digest=("", "abc" + "0" * 61, "x" * 64)[n % 3],
                sharpe=NUMBERS[n % 6],
                max_drawdown=NUMBERS[(n + 2) % 6],
                trades=(None, 0, 10)[n % 3],
                deflated_sharpe=NUMBERS[(n + 1) % 6],
                figures=[{}, {"sortino": 1.4}, {"sortino": None, "calmar": -1.5}][n % 3],
                tags=[{}, {"alpha": ""}, {"stage": "Beta 2", "alpha": "x"}][n % 3],
                created_by_label=("", "Alpha@x")[n % 2],
                archived_at=now if n % 7 == 6 else None,
            )
        )
    return made


def plain(run):
    """A run as ``fits`` takes it."""
    return {
        **{name: getattr(run, name) for name in (
            "title", "strategy", "universe", "fill", "digest", "data_digest", "engine_version",
            "labels", "created_at", "finished_at", "sharpe", "cagr", "total_return",
            "max_drawdown", "equity_final", "trades", "deflated_sharpe", "params", "tags",
        )},
        "study": run.study.name if run.study else None,
        "status": selectors.status_of(run), "by": run.created_by_label or run.created_by,
        "metrics": run.figures, "archived": run.archived_at is not None, "locked": False,
    }  # fmt: skip


QUOTED = st.sampled_from((*WORDS, "alpha", "10", "abc", "user", "stage", "", "Alpha@x", "done"))
quoted = QUOTED.map(lambda text: json.dumps(text))
number = st.sampled_from(("-1.5", "0", "0.2", "20%", "1.4", "10", "10.0", "1e3"))
sizes = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
equals = st.sampled_from(("=", "!=", "~", "!~"))
day = st.integers(0, 15).map(
    lambda n: (datetime(2026, 1, 4, tzinfo=UTC) + timedelta(days=n)).date().isoformat()
)


def joined(*parts):
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts)).map(" ".join)


NUMERIC = st.sampled_from(
    ("sharpe", "drawdown", "trades", "dsr", "metrics.sortino", "calmar", "params.fast")
)
TEXT = st.sampled_from(
    ("title", "strategy", "universe", "study", "status", "by", "digest", "label", "params.kind",
     "tags.stage", "tags.alpha")
)  # fmt: skip
FREE = st.sampled_from(("params.fast", "params.far"))
ANY = st.one_of(NUMERIC, TEXT, st.sampled_from(("finished", "params.far", "params.none")))
LEAF = st.one_of(
    joined(NUMERIC, sizes, number),
    joined(TEXT, equals, quoted),
    joined(FREE, "=", st.sampled_from(("true", "10", '"10"'))),
    joined(TEXT, st.sampled_from(("in", "not in")), "(", quoted, ",", quoted, ")"),
    joined("sharpe in (", number, ",", number, ")"),
    joined(ANY, st.sampled_from(("is set", "is empty"))),
    joined(st.sampled_from(("created", "finished")), sizes, day),
    st.sampled_from(("archived", "locked", "tag:alpha", "tag:stage='Beta 2'", "alpha", "x")),
    quoted.filter(lambda text: text != '""'),
)  # fmt: skip
SEARCH = st.recursive(
    LEAF,
    lambda part: st.one_of(
        joined("(", part, "and", part, ")"),
        joined("(", part, "or", part, ")"),
        joined("not", part),
        joined("not (", part, part, ")"),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def rows(django_db_setup, django_db_blocker):
    """A team with runs that stay while the module runs; nothing else reads them."""
    from django.db import transaction

    from tests.factories import people

    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    with django_db_blocker.unblock(), transaction.atomic():
        team = people.make_team(None)
        yield team, table_of(team, people.make_actor(team, "researcher"), now)
        transaction.set_rollback(True)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=SEARCH)
def test_the_database_answers_as_plain_python_does(rows, text, django_db_blocker):
    team, runs = rows
    with django_db_blocker.unblock():
        found = selectors.list_runs(team_id=team.pk, q=text, archived=None)
        asked = {run.pk for run in found}
        known = {run.pk for run in runs if fits(parse(text), plain(run))}
    assert asked == known, text


class TestTheTable:
    @pytest.mark.parametrize(
        "sort",
        [*selectors.listing.SORTS, "metrics.sortino", "params.fast"],
    )
    def test_pages_in_every_order_are_all_rows_once(self, sort, rows, django_db_blocker):
        team, runs = rows
        with django_db_blocker.unblock():
            for sign in ("", "-"):
                found = selectors.list_runs(team_id=team.pk, archived=None)
                found, order = selectors.sorted_runs(found, f"{sign}{sort}")
                seen = walked(found, order)
                assert sorted(seen) == sorted(str(run.pk) for run in runs)

    def test_the_search_is_on_the_page_in_rest_and_in_exports(
        self, team, actor, now, api_as, client_as
    ):
        table_of(team, actor(), now)
        api, page = api_as("viewer"), client_as("viewer")
        asked = {"q": "sharpe > 1 and tag:alpha", "sort": "-sharpe", "archived": "false"}
        items = api.get("/api/v1/backtests", asked).json()["items"]
        assert items
        assert all(one["sharpe"] > 1 and "alpha" in one["tags"] for one in items)
        assert not any(one["locked"] for one in items)
        shown = page.get("/research/", asked).content.decode()
        assert shown.count("<tr data-id=") == len(items)
        columns = "title,sharpe,metrics.sortino,params.fast,tags.alpha"
        text = api.get("/api/v1/backtests/export", {**asked, "columns": columns}).content.decode()
        lines = text.splitlines()
        assert lines[0] == f"id,{columns},digest,data_digest"
        assert [line.split(",")[0] for line in lines[1:]] == [one["id"] for one in items]

    def test_a_bad_search_is_told_where_it_fails(self, api_as, client_as):
        answer = api_as("viewer").get("/api/v1/backtests", {"q": "sharpe > 1 and dsr >"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0] == {"field": "q", "column": 21}
        page = client_as("viewer").get("/research/", {"q": "sharpe > 1 and dsr >"})
        assert page.status_code == 200
        assert b"Column 21" in page.content

    def test_an_unknown_column_or_order_is_refused(self):
        with pytest.raises(Invalid, match=r"metrics\.NAME"):
            selectors.read_columns("title,nonsense")
        with pytest.raises(Invalid, match=r"params\.NAME"):
            selectors.sorted_runs(Run.objects.none(), "-nonsense")


def walked(found, order):
    """The ids of a list, read in pages of three."""
    from django.test import RequestFactory

    from apps.core.rest import page

    seen, cursor = [], ""
    while cursor is not None:
        request = RequestFactory().get("/", {"limit": "3", "cursor": cursor})
        one = page(found, request, order=order, row=lambda run: str(run.pk))
        seen, cursor = [*seen, *one["items"]], one["next"]
    return seen


class TestMarks:
    @pytest.fixture
    def runs(self, team, actor, now):
        return table_of(team, actor(), now)[:3]

    def test_runs_are_tagged_and_untagged_together(self, runs, api_as):
        api = api_as("researcher")
        ids = [str(run.pk) for run in runs]
        body = {"runs": ids, "tag": ["Candidate", "stage=to paper"], "untag": ["alpha"]}
        answer = api.post("/api/v1/backtests/mark", body, content_type="application/json")
        assert answer.json() == {"runs": 3}
        for run in Run.objects.filter(pk__in=ids):
            assert run.tags == {"candidate": "", "stage": "to paper"}
        events = AuditEvent.objects.filter(action="backtest.marked", subject=f"backtest:{ids[0]}")
        assert events.count() == 1
        again = api.post("/api/v1/backtests/mark", body, content_type="application/json")
        assert again.json() == {"runs": 3}
        assert events.count() == 1

    @pytest.mark.parametrize("tag", ["", "two words", 'a="x"', "=x", "a=" + "x" * 121])
    def test_a_bad_tag_is_refused(self, tag, runs, actor, now):
        with pytest.raises(Invalid, match=r"tag|value"):
            services.mark_runs(actor=actor(), run_ids=[runs[0].pk], tag=[tag], now=now)

    def test_marks_of_another_team_are_not_found(self, runs, actor, other_team, now):
        stranger = actor(of=other_team)
        with pytest.raises(NotFound):
            services.mark_runs(actor=stranger, run_ids=[runs[0].pk], tag=["x"], now=now)
        with pytest.raises(NotFound):
            services.write_note(actor=stranger, run_id=runs[0].pk, text="x", now=now)

    def test_a_closed_study_takes_no_runs(self, runs, actor, now):
        study = services.create_study(actor=actor(), name="closed", title="Closed", now=now)
        services.change_study(actor=actor(), study_id=study.pk, closed=True, now=now)
        for put in (
            lambda: services.mark_runs(
                actor=actor(), run_ids=[runs[0].pk], study="closed", now=now
            ),
            lambda: services.add_to_study(
                actor=actor(), study_id=study.pk, run_ids=[runs[0].pk], now=now
            ),
        ):
            with pytest.raises(Conflict, match="closed"):
                put()
        services.change_study(actor=actor(), study_id=study.pk, closed=False, name="open", now=now)
        services.mark_runs(actor=actor(), run_ids=[runs[0].pk], study="open", now=now)
        detail = selectors.study_detail(selectors.get_study(study.pk, runs[0].team_id))
        assert (detail["runs"], detail["best"]) == (1, None)

    @pytest.mark.usefixtures("runs")
    def test_the_best_of_a_study_is_by_its_objective(self, team, actor, now):
        study = Study.objects.get(team=team, name="alpha")
        best = selectors.study_detail(selectors.get_study(study.pk, team.pk))["best"]
        mine = [run for run in table_runs(team) if run.study_id == study.pk and run.is_done]
        assert best["sharpe"] == max(run.sharpe for run in mine if run.sharpe is not None)
        services.change_study(actor=actor(), study_id=study.pk, objective="max_drawdown", now=now)
        least = selectors.study_detail(selectors.get_study(study.pk, team.pk))["best"]
        known = [run.max_drawdown for run in mine if run.max_drawdown is not None]
        assert least["max_drawdown"] == min(known)

    def test_a_note_keeps_what_it_said(self, runs, api_as):
        run, api = runs[0], api_as("researcher")
        place = f"/api/v1/backtests/{run.pk}/notes"
        made = api.post(place, {"text": "Trades too much"}, content_type="application/json").json()
        body = {"text": "Trades too much in 2020", "version": 1}
        edit = f"/api/v1/notes/{made['id']}"
        assert api.put(edit, body, content_type="application/json").json()["version"] == 2
        late = api.put(edit, body, content_type="application/json")
        assert (late.status_code, late.json()["code"]) == (409, "note.edited")
        note = api.get(place).json()["items"][0]
        assert note["text"] == "Trades too much in 2020"
        assert [one["text"] for one in note["earlier"]] == ["Trades too much"]
        assert note["by"] == api.actor.label
        bodies = AuditEvent.objects.filter(action="note.written", subject=f"backtest:{run.pk}")
        assert [b"Trades" in bytes(one.body) for one in bodies] == [False, False]

    def test_the_database_changes_no_note(self, runs, actor, now):
        from django.db import DatabaseError, transaction

        note = services.write_note(actor=actor(), run_id=runs[0].pk, text="as it was", now=now)
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            Note.objects.filter(pk=note.pk).update(text="as it never was")


def table_runs(team):
    return list(Run.objects.filter(team_id=team.pk).select_related("study"))


class TestViews:
    def test_a_view_brings_its_search_back(self, team, actor, now, client_as):
        table_of(team, actor(), now)
        page = client_as("researcher")
        body = {"name": "Good ones", "query": "sharpe > 1", "sort": "-sharpe", "is_default": True,
                "columns": ["title", "metrics.sortino"]}  # fmt: skip
        made = page.post("/api/v1/backtests/views", body, content_type="application/json").json()
        shown = page.get("/research/").content.decode()
        assert "Good ones" in shown
        assert "metrics.sortino" in shown
        wanted = selectors.list_runs(team_id=team.pk, q="sharpe > 1").count()
        assert shown.count("<tr data-id=") == wanted > 0
        other = client_as("researcher")
        assert other.get(f"/research/?view={made['id']}").status_code == 404
        assert other.get("/api/v1/backtests/views").json() == []

    def test_a_shared_view_is_the_teams(self, actor, other_team, now):
        lead, viewer = actor("researcher"), actor("viewer")
        shared = services.save_view(actor=lead, name="All", is_shared=True, now=now)
        assert [one.pk for one in selectors.list_views(actor=viewer)] == [shared.pk]
        with pytest.raises(Denied):
            services.save_view(actor=viewer, view_id=shared.pk, name="Mine now", now=now)
        with pytest.raises(Denied):
            services.remove_view(actor=viewer, view_id=shared.pk, now=now)
        with pytest.raises(Denied):
            services.save_view(actor=viewer, name="Too", is_shared=True, now=now)
        with pytest.raises(Conflict, match="already"):
            services.save_view(actor=actor("researcher"), name="All", is_shared=True, now=now)
        assert not selectors.list_views(actor=actor("researcher", of=other_team)).exists()
        services.remove_view(actor=lead, view_id=shared.pk, now=now)
        assert not selectors.list_views(actor=viewer).exists()

    def test_one_view_opens_with_the_list(self, actor, now):
        who = actor()
        for name in ("a", "b"):
            services.save_view(actor=who, name=name, is_default=True, now=now)
        assert [one.name for one in selectors.list_views(actor=who).filter(is_default=True)] == [
            "b"
        ]

    @pytest.mark.parametrize(
        "bad",
        [{"query": "sharp > 1"}, {"sort": "nonsense"}, {"columns": ["nonsense"]}, {"name": ""}],
    )
    def test_a_view_that_can_not_be_read_is_refused(self, bad, actor, now):
        with pytest.raises(Invalid):
            services.save_view(actor=actor(), **{"name": "v", "now": now, **bad})


class TestDeflation:
    def test_ratios_in_lists_are_taken_anew_when_the_family_tries_more(self, team, actor, now):
        version = ensure_version(
            actor=actor(), name="sma_crossover", params={"fast": 5, "slow": 50}, now=now
        )
        first = make_run(team, now, version)
        services.refresh_deflated(now=now)
        first.refresh_from_db()
        assert first.deflated_trials == 1
        assert first.deflated_sharpe == pytest.approx(
            selectors.run_detail(first)["significance"]["deflated_sharpe"]
        )
        make_run(team, now, version, probed=False, done=False)
        later = now + timedelta(minutes=1)
        services.refresh_deflated(now=later)
        first.refresh_from_db()
        assert (first.deflated_trials, first.deflated_at) == (2, later)
        assert first.deflated_sharpe == pytest.approx(
            selectors.run_detail(first)["significance"]["deflated_sharpe"]
        )
        taken = Deflation.objects.get(team=team)
        services.refresh_deflated(now=later + timedelta(minutes=1))
        assert Deflation.objects.get(team=team).taken_at == taken.taken_at
