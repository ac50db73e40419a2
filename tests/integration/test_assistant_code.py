"""A text that a language model wrote: stored and proposed, run nowhere before people agreed."""

import pytest

from apps.approvals import selectors as approvals
from apps.approvals.models import Proposal
from apps.assistant import services
from apps.audit import selectors as audit
from apps.backtests import services as backtests
from apps.core.errors import Conflict, Denied, Invalid
from apps.strategies import selectors
from apps.strategies.kernel.user_code import digest_of_text
from apps.strategies.models import Strategy
from tests.factories import people, signing
from tests.integration.test_own_strategies import REQUEST, TEXT

pytestmark = pytest.mark.django_db
MODEL = "openai gpt-4.1-mini"
ASKED = {"name": "by_model", "text": TEXT, "model": MODEL, "task": "Follow the trend by averages."}


def test_what_a_model_wrote_waits_for_a_person(sample, api_as, team, now):
    client = api_as("researcher")
    answer = client.post("/api/v1/assistant/code", ASKED, content_type="application/json")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["digest"], made["status"]) == (digest_of_text(TEXT), "open")
    proposal = approvals.get_proposal(made["proposal_id"], team.pk)
    assert proposal.kind == "code"
    assert "AI-written" in proposal.title
    assert proposal.evidence["written by the model"] == MODEL
    assert proposal.evidence["text"] == TEXT
    shown = client.get(f"/api/v1/proposals/{made['proposal_id']}").json()
    assert MODEL in str(shown["evidence"])
    trail = audit.list_events(team_id=team.pk, subject=f"code:{made['digest']}")
    assert {"code.created", "code.proposed", "code.drafted"} <= {row.action for row in trail}

    request = {**REQUEST, "strategy": str(made["version_id"]), "params": {}}
    with pytest.raises(Conflict) as caught:
        backtests.create_backtest(actor=client.actor, request=request, now=now)
    assert caught.value.code == "strategy.not_approved"
    with pytest.raises(Denied) as refused:
        signing.decide(client.actor, proposal, now)
    assert refused.value.code == "denied.own_proposal"
    signing.decide(people.make_actor(team, "validator"), proposal, now)
    assert selectors.code_state(made["version_id"], team.pk)["state"] == "approved"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"text": "import os\n" + TEXT.replace("def targets", "def goals")}, None),
        ({"model": "  "}, "code.model"),
        ({"task": "short"}, "code.task"),
    ],
)
def test_a_text_with_a_fault_is_kept_nowhere(change, code, actor, team, now):
    with pytest.raises(Invalid) as caught:
        services.submit_code(actor=actor("researcher"), now=now, **{**ASKED, **change})
    assert code is None or caught.value.code == code
    assert not Strategy.objects.filter(team=team).exists()
    assert not Proposal.objects.filter(team=team).exists()


def test_who_may_not_write_research_submits_nothing(actor, now):
    for role in ("viewer", "validator"):
        with pytest.raises(Denied):
            services.submit_code(actor=actor(role), now=now, **ASKED)
