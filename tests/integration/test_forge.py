"""The forge on real bars: a search is run as a job, listed, judged, made a strategy."""

import uuid

import numpy as np
import pytest

from apps.assistant import selectors, services
from apps.assistant.llms.groq import Groq
from apps.assistant.llms.openai import OpenAI
from apps.assistant.models import Hypothesis, Search, Usage
from apps.assistant.services import searches
from apps.audit.selectors import list_events
from apps.backtests.models import TrialEntry
from apps.core import clock, jobs
from apps.core.actors import system
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job
from apps.market.models import Universe
from apps.strategies.kernel.expressions import parse
from tests.servers import openai_server as play

SMALL = {"population": 10, "generations": 1, "candidates": 3, "use_model": False}


@pytest.fixture
def universe(sample, db):
    found = Universe.objects.filter(team=None, timeframe="1d").order_by("id").first()
    return found.name


@pytest.fixture
def find(actor, now, universe):
    who = actor("researcher")

    def start(by=None, **given):
        request = {
            "universe": universe, "start": "2012-01-01", "end": "2018-01-01", **SMALL, **given,
        }  # fmt: skip
        return services.find_hypotheses(actor=by or who, request=request, now=now)

    return start


def work(job):
    status = jobs.execute(job.pk, services.run_search, worker="tests")
    job.refresh_from_db()
    assert status == "done", job.error
    return job.result


@pytest.fixture
def models(monkeypatch):
    """Make the lab ask these models."""

    def use(*plugs):
        monkeypatch.setattr(selectors, "configured_models", lambda: list(plugs))

    return use


@pytest.fixture
def server():
    with play.running() as running:
        yield running


def test_a_search_lists_candidates_with_figures_and_trials(find, team):
    search, job = find()
    assert (job.queue, job.task, job.status) == ("ai", "assistant.search", "queued")
    result = work(job)
    search.refresh_from_db()
    rows = list(search.hypotheses.order_by("place"))
    assert result["found"] == len(rows) > 0
    assert 10 <= search.trials <= 20
    for row in rows:
        parse(row.expression)
        assert row.trials == search.trials
        assert np.isfinite(row.in_sample["sharpe"])
        assert np.isfinite(row.out_of_sample["sharpe"])
        assert row.economic_reason.startswith("A machine's reading")
        assert row.status == "candidate"
    assert search.summary["in_sample"][1] < search.summary["out_of_sample"][0]
    assert search.summary["survivorship"]
    assert len(search.data_digest) == 64
    actions = [e.action for e in list_events(team_id=team.pk, subject=f"search:{search.pk}")]
    assert actions == ["search.finished", "search.created"]


def test_the_same_seed_finds_the_same(find):
    found = []
    for _ in range(2):
        search, job = find(seed=11)
        work(job)
        found.append([(h.expression, h.in_sample) for h in search.hypotheses.order_by("place")])
    assert found[0] == found[1]


def test_a_finished_search_run_again_answers_the_same_and_looks_no_more(find):
    search, job = find()
    first = work(job)
    before = list(search.hypotheses.values())
    again = services.run_search(
        jobs.Progress(job.pk, search.team_id, job.attempt, {"search_id": search.pk})
    )
    assert again == first
    assert list(search.hypotheses.values()) == before


def counted(search):
    """What the ledger of trials holds of a search, part by part."""
    rows = TrialEntry.objects.filter(subject__startswith=f"search:{search.pk}").order_by("id")
    return [(row.subject.partition(":")[2], row.trials) for row in rows]


def test_a_search_that_breaks_off_has_counted_what_it_tried(find, monkeypatch):
    search, job = find()
    monkeypatch.setattr(searches, "COUNTED_EVERY", 4)
    tried, left_by_a_kill = [], []
    honest = searches.Judge.score

    def breaks(judge, node):
        if len(tried) == 9:
            left_by_a_kill.append(counted(search))
            raise jobs.Superseded
        tried.append(node)
        return honest(judge, node)

    monkeypatch.setattr(searches.Judge, "score", breaks)
    jobs.execute(job.pk, services.run_search, worker="tests")
    number = str(search.pk)
    # At any moment the ledger lacks fewer than the step; an end that is noticed lacks none.
    assert left_by_a_kill == [[(number, 4), (f"{number}/2", 4)]]
    assert counted(search) == [(number, 4), (f"{number}/2", 4), (f"{number}/3", 1)]
    assert Search.objects.get(pk=search.pk).finished_at is None
    # Begun again it tries the same; only what goes beyond is added.
    monkeypatch.setattr(searches.Judge, "score", honest)
    Job.objects.filter(pk=job.pk).update(status="queued")
    work(job)
    search.refresh_from_db()
    assert search.trials > 9
    assert sum(trials for _, trials in counted(search)) == search.trials
    assert counted(search)[:3] == [(number, 4), (f"{number}/2", 4), (f"{number}/3", 1)]


def test_a_search_stops_when_asked_and_leaves_nothing(find, actor, now):
    search, job = find()
    Job.objects.filter(pk=job.pk).update(cancel_requested=False)

    def cancelled(progress):
        Job.objects.filter(pk=job.pk).update(cancel_requested=True)
        return services.run_search(progress)

    assert jobs.execute(job.pk, cancelled, worker="tests") == "cancelled"
    assert not search.hypotheses.exists()


@pytest.mark.parametrize(
    ("given", "error", "code"),
    [
        ({"universe": "atlantis"}, NotFound, "universe.unknown"),
        ({"start": "2018-01-01", "end": "2012-01-01"}, Invalid, "dates.reversed"),
        ({"start": "yesterday"}, Invalid, "dates.unreadable"),
        ({"split": 2}, Invalid, "search.out_of_range"),
        ({"luck": 7}, Invalid, "search.out_of_range"),
        ({"population": 10**6}, Invalid, "search.out_of_range"),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(find, given, error, code):
    with pytest.raises(error) as refusal:
        find(**given)
    assert refusal.value.code == code
    assert not Search.objects.exists()
    assert not Job.objects.exists()


def test_too_few_bars_fail_the_job_with_words(find):
    _search, job = find(start="2017-10-01")
    assert jobs.execute(job.pk, services.run_search, worker="tests") == "failed"
    job.refresh_from_db()
    assert job.error["code"] == "search.too_short"


def test_viewers_do_not_search(find, actor):
    with pytest.raises(Denied):
        find(by=actor("viewer"))


def test_a_models_ideas_are_trials_like_any_other(find, models, server):
    server.play(play.ideas())
    models(OpenAI(key=play.KEY, base_url=f"{server.root}/v1"))
    search, job = find(use_model=True, idea="reversal")
    work(job)
    search.refresh_from_db()
    assert search.model.startswith("openai ")
    assert search.summary["unread"] == 1
    assert search.summary["failed"] >= 1
    assert 11 <= search.trials <= 23
    usage = Usage.objects.get()
    assert (usage.outcome, usage.input_tokens, usage.search_id) == ("answered", 812, search.pk)
    assert usage.cost_usd > 0
    assert "reversal" in str(server.requests[0]["body"])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (play.status(429), "model.rate_limited"),
        (play.status(500), "model.server"),
        (play.MALFORMED, "model.malformed"),
        (play.SLOW, "model.timeout"),
    ],
    ids=["429", "500", "malformed", "timeout"],
)
def test_the_next_model_is_asked_when_one_fails(models, server, actor, script, code):
    with play.running() as second:
        server.play(script)
        models(
            OpenAI(key=play.KEY, base_url=f"{server.root}/v1", timeout=1),
            Groq(key=play.KEY, base_url=second.root),
        )
        answer = services.ask_models(
            actor=actor("researcher"), instructions="i", prompt="p", clock=clock.now
        )
    assert answer.provider == "groq"
    outcomes = list(Usage.objects.order_by("id").values_list("provider", "outcome"))
    assert outcomes == [("openai", code), ("groq", "answered")]


def test_when_every_model_fails_the_search_works_on(find, models, server):
    server.play(play.status(500))
    models(OpenAI(key=play.KEY, base_url=f"{server.root}/v1"))
    search, job = find(use_model=True)
    work(job)
    search.refresh_from_db()
    assert search.model == ""
    assert search.trials > 0


def test_a_search_begun_again_asks_no_model_twice(find, models, server):
    models(OpenAI(key=play.KEY, base_url=f"{server.root}/v1"))
    search, job = find(use_model=True)
    search.ideas = [{"statement": "s", "economic_reason": "r", "expression": "-returns"}]
    search.save()
    work(job)
    assert server.requests == []


@pytest.fixture
def candidate(actor, team, now):
    search = Search.objects.create(
        team=team, universe="u", timeframe="1d", created_by="user:1", created_at=now,
        plan={"share": 0.2, "rebalance_days": 7, "long_short": True},
    )  # fmt: skip
    return Hypothesis.objects.create(
        team=team, search=search, place=1, statement="s", economic_reason="r", origin="o",
        expression="-ts_mean(returns, 5)", words="w", lookback=5, trials=99, created_at=now,
    )  # fmt: skip


@pytest.fixture
def judge(actor, candidate, now):
    who = actor("researcher")
    return lambda verdict, note="", by=None: services.judge_hypothesis(
        actor=by or who, hypothesis_id=candidate.pk, verdict=verdict, note=note, now=now
    )


def test_a_hypothesis_is_killed_with_a_note(judge, candidate, team):
    killed = judge("kill", "Costs eat all of it.")
    assert (killed.status, killed.note) == ("killed", "Costs eat all of it.")
    with pytest.raises(Conflict):
        judge("accept")
    events = list_events(team_id=team.pk, subject=f"hypothesis:{candidate.pk}")
    assert [event.action for event in events] == ["hypothesis.killed"]


@pytest.mark.parametrize(
    ("verdict", "note", "code"),
    [
        ("kill", "", "hypothesis.note"),
        ("kill", "meh", "hypothesis.note"),
        ("accept", "x" * 2001, "hypothesis.note"),
        ("maybe", "", "hypothesis.verdict"),
    ],
)
def test_a_verdict_that_can_not_be_is_refused(judge, candidate, verdict, note, code):
    with pytest.raises(Invalid) as refusal:
        judge(verdict, note)
    assert refusal.value.code == code
    candidate.refresh_from_db()
    assert candidate.status == "candidate"


def test_an_accepted_hypothesis_becomes_a_strategy_once(judge, candidate, actor, now):
    judge("accept")
    who = actor("researcher")
    row, version = services.promote_hypothesis(actor=who, hypothesis_id=candidate.pk, now=now)
    assert row.status == "promoted"
    assert version.params == {
        "expression": "-ts_mean(returns, 5)",
        "share": 0.2,
        "rebalance_days": 7,
        "long_short": True,
    }
    assert "99 trials" in version.note
    again = services.promote_hypothesis(actor=who, hypothesis_id=candidate.pk, now=now)
    assert again[1] == version


def test_a_killed_hypothesis_stays_dead(judge, candidate, actor, now):
    judge("kill", "No reason behind it.")
    with pytest.raises(Conflict):
        services.promote_hypothesis(actor=actor("researcher"), hypothesis_id=candidate.pk, now=now)


def test_another_teams_hypothesis_is_not_found(judge, actor, other_team):
    with pytest.raises(NotFound):
        judge("accept", by=actor("researcher", other_team))


def test_the_lab_needs_no_key(settings):
    listed = {model.name: model for model in selectors.list_models()}
    assert list(listed) == ["openai", "groq", "local"]
    assert listed["openai"].needs == "OPENAI_API_KEY"
    assert selectors.get_model("none").is_configured


class TestRest:
    def test_a_search_over_rest(self, api_as, universe):
        client = api_as("researcher")
        body = {"universe": universe, "start": "2014-01-01", "end": "2018-01-01", **SMALL}
        answer = client.post("/api/v1/hypotheses", body, content_type="application/json")
        assert answer.status_code == 202, answer.content
        started = answer.json()
        assert started["job"]["status"] == "queued"
        work(Job.objects.get(pk=started["job"]["id"]))
        shown = client.get(f"/api/v1/hypotheses?search={started['id']}").json()["items"]
        assert shown[0]["universe"] == universe
        path = f"/api/v1/hypotheses/{shown[0]['id']}"
        verdict = {"verdict": "accept", "note": ""}
        judged = client.post(f"{path}/judge", verdict, content_type="application/json")
        assert judged.json()["status"] == "accepted"
        made = client.post(f"{path}/version", {}, content_type="application/json").json()
        assert (
            client.get(f"/api/v1/versions/{made['version_id']}").json()["digest"] == made["digest"]
        )
        search = client.get(f"/api/v1/searches/{started['id']}").json()
        assert search["trials"] == shown[0]["trials"]
        assert client.get("/api/v1/assistant/usage").json()["items"] == []

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({}, 422, "invalid.fields"),
            ({"universe": "atlantis"}, 404, "universe.unknown"),
            ({"universe": "u", "split": "half"}, 422, "invalid.fields"),
            ({"universe": "u", "population": 5}, 422, "search.out_of_range"),
            ({"universe": "u", "start": "2020-99-99"}, 422, "invalid.fields"),
        ],
    )
    def test_bad_bodies(self, api_as, body, status, code):
        client = api_as("researcher")
        answer = client.post("/api/v1/hypotheses", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_unknown_and_forbidden(self, api_as, candidate, other_team):
        path = f"/api/v1/hypotheses/{candidate.pk}"
        assert api_as("viewer").get(path).status_code == 200
        assert api_as("viewer", other_team).get(path).status_code == 404
        body = {"verdict": "accept"}
        denied = api_as("viewer").post(f"{path}/judge", body, content_type="application/json")
        assert denied.status_code == 403
        assert api_as("viewer").get("/api/v1/searches/999").status_code == 404
        assert api_as("viewer").get(f"/api/v1/jobs/{uuid.uuid4()}").status_code == 404

    def test_models_are_listed_with_what_they_need(self, api_as):
        listed = api_as("viewer").get("/api/v1/assistant/models").json()
        assert [model["name"] for model in listed] == ["openai", "groq", "local"]
        assert all("key" not in model for model in listed)


def test_the_lab_itself_may_ask(db, models, team):
    models()
    assert services.ask_models(
        actor=system("forge", team.pk), instructions="i", prompt="p", clock=clock.now
    ) is None  # fmt: skip
