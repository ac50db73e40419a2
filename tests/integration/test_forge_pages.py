"""Pages of the forge, without a browser."""

import pytest

from apps.assistant import selectors
from apps.assistant.llms.openai import OpenAI
from apps.assistant.models import Hypothesis, Search
from apps.core import jobs

FIGURES = {"sharpe": 1.25, "ic": 0.021, "ic_t": 2.0, "turnover": 12.5}


@pytest.fixture
def search(team, now, actor):
    row = Search.objects.create(
        team=team, universe="tiny", timeframe="1d", created_by="user:1", created_at=now,
        finished_at=now, trials=321, data_digest="ab" * 32,
        plan={"share": 0.2, "rebalance_days": 7, "long_short": True, "fee_bps": 5},
        summary={
            "best_of_luck": 1.9, "instruments": 140, "bars": 3000,
            "in_sample": ["2007-01-03", "2016-12-30"],
            "out_of_sample": ["2017-01-03", "2021-04-21"], "survivorship": "Only survivors.",
        },
    )  # fmt: skip
    Hypothesis.objects.create(
        team=team, search=row, place=1, statement="A <claim>", economic_reason="Why",
        origin="genetic search", expression="-ts_mean(returns, 5)", words="minus the mean",
        lookback=5, criteria={"min_sharpe": 0.5}, in_sample=FIGURES,
        out_of_sample={**FIGURES, "sharpe": -0.4, "ic": None}, trials=321, created_at=now,
    )  # fmt: skip
    return row


def shown(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def test_without_a_key_the_page_says_so_and_offers_the_search(client_as, sample, db):
    text = shown(client_as("researcher"), "/assistant/")
    assert "No language model is set up" in text
    assert "OPENAI_API_KEY" in text
    assert "data-find" in text
    assert 'name="use_model"' not in text


def test_with_a_key_the_page_offers_to_ask(client_as, sample, db, monkeypatch):
    monkeypatch.setattr(selectors, "configured_models", lambda: [OpenAI(key="sk-secret")])
    text = shown(client_as("researcher"), "/assistant/")
    assert 'name="use_model"' in text
    assert "sk-secret" not in text


def test_a_search_says_what_is_in_and_out_of_sample(client_as, search):
    text = shown(client_as("viewer"), f"/assistant/searches/{search.pk}/")
    assert "Sharpe, in sample" in text
    assert "Sharpe, out of sample" in text
    assert "2016-12-30" in text
    assert "2017-01-03" in text
    assert "321" in text
    assert "Only survivors." in text
    assert "A &lt;claim&gt;" in text
    assert "data-accept" not in text
    assert "data-accept" in shown(client_as("researcher"), f"/assistant/searches/{search.pk}/")


def test_a_hypothesis_shows_figures_beside_criteria(client_as, search):
    row = search.hypotheses.get()
    text = shown(client_as("researcher"), f"/assistant/hypotheses/{row.pk}/")
    assert "not met out of sample" in text
    assert "data-verdict" in text
    row.status = "killed"
    row.save()
    assert "data-verdict" not in shown(client_as("researcher"), f"/assistant/hypotheses/{row.pk}/")


def test_a_running_search_shows_its_progress(client_as, search, team, actor, now):
    job = jobs.enqueue(
        actor=actor("researcher"), kind="search", title="Hypotheses in tiny",
        task="assistant.search", queue="ai", payload={}, now=now,
    )  # fmt: skip
    search.finished_at, search.job_id = None, job.pk
    search.save()
    text = shown(client_as("viewer"), f"/assistant/searches/{search.pk}/")
    assert f'data-job="{job.pk}"' in text
    jobs.finish(job, "failed", now=now, error={"code": "search.too_short", "message": "Too few."})
    text = shown(client_as("viewer"), f"/assistant/searches/{search.pk}/")
    assert "Too few." in text


def test_other_teams_see_nothing(client_as, search, other_team):
    stranger = client_as("researcher", other_team)
    shown(stranger, f"/assistant/searches/{search.pk}/", 404)
    shown(stranger, f"/assistant/hypotheses/{search.hypotheses.get().pk}/", 404)
    assert "/assistant/searches/" not in shown(stranger, "/assistant/")
