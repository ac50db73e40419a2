"""Proposals, decisions and settings over REST and on pages."""

from uuid import uuid4

import pytest

from apps.approvals import selectors, services
from apps.core import clock
from apps.core.actors import system
from tests.factories import signing

DIGEST = "a" * 64
WHY = "It held out of sample and survives the costs."
BODY = {
    "kind": "promotion",
    "subject": "version:1",
    "title": "Momentum to paper",
    "digest": DIGEST,
    "target_stage": "paper",
    "evidence": {"metrics": {"sharpe": 1.4}, "parameters": {"top": 10}, "run": "r1"},
    "rationale": WHY,
}
API = "/api/v1"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_follows(settings, team, now):
    """The subjects here are only names: no stage moves, no run speaks for them."""
    settings.DECISION_EFFECTS = {}
    settings.EVIDENCE_SOURCES = {}
    key = "approvals.gates"
    gates = [
        {**row, "mode": "off" if row["mode"] == "on" else row["mode"]}
        for row in selectors.get_setting(team.pk, key)
    ]
    services.set_setting(actor=system("tests", team.pk), key=key, value=gates, now=now)


def post(client, path, body, **headers):
    return client.post(f"{API}{path}", body, content_type="application/json", headers=headers)


def decision(client, proposal, word="approve", **changes):
    return signing.vote(client.actor, proposal, word, **changes)


@pytest.fixture
def proposal(api_as):
    answer = post(api_as("researcher"), "/proposals", BODY)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_proposal_is_made_read_and_approved(api_as, proposal):
    validator = api_as("validator")
    assert proposal["status"] == "open"
    assert proposal["still_needed"] == ["validator"]
    assert {g["status"] for g in proposal["gates"]} == {"not_available"}
    seen = validator.get(f"{API}/proposals/{proposal['id']}").json()
    assert (seen["may_decide"], seen["may_not_because"]) == (True, "")
    assert seen["evidence"] == {"stated": BODY["evidence"]}
    waiting = validator.get(f"{API}/proposals?waiting=true").json()["items"]
    assert [row["id"] for row in waiting] == [proposal["id"]]
    answer = post(validator, f"/proposals/{proposal['id']}/decisions", decision(validator, seen))
    assert answer.status_code == 201, answer.content
    assert answer.json()["status"] == "approved"
    (made,) = answer.json()["decisions"]
    assert (made["decision"], made["role"], made["rationale"]) == ("approve", "validator", WHY)
    assert validator.get(f"{API}/proposals?waiting=true").json()["items"] == []


def refused(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert len(body["detail"]) > 20
    return body


def test_refusals_say_why(api_as, client_as, proposal, other_team):
    place = f"/proposals/{proposal['id']}/decisions"
    trader, stranger = api_as("trader"), api_as("validator", other_team)
    refused(post(trader, place, decision(trader, proposal)), 403, "denied.role")
    refused(post(stranger, place, decision(stranger, proposal)), 404, "proposal.not_found")
    validator = api_as("validator")
    short = decision(validator, proposal, rationale="ok")
    refused(post(validator, place, short), 422, "rationale.length")
    refused(
        post(validator, place, decision(validator, proposal, "maybe")), 422, "decision.unknown"
    )
    stale = decision(validator, proposal, seen_digest="b" * 64)
    refused(post(validator, place, stale), 409, "proposal.changed")
    assert post(validator, place, {"decision": "approve"}).status_code == 422
    assert post(validator, place, decision(validator, proposal, "reject")).status_code == 201
    late = api_as("validator")
    refused(post(late, place, decision(late, proposal)), 409, "proposal.closed")
    nobody = validator.__class__()
    assert nobody.get(f"{API}/proposals").status_code == 401


def test_the_author_may_not_decide_over_rest(api_as):
    manager = api_as("risk_manager")
    body = {**BODY, "kind": "parameters", "subject": "limits:1", "target_stage": ""}
    made = post(manager, "/proposals", body).json()
    assert "Four eyes" in made["may_not_because"]
    answer = post(manager, f"/proposals/{made['id']}/decisions", decision(manager, made))
    refused(answer, 403, "denied.own_proposal")


def test_a_repeated_decision_with_one_key_acts_once(api_as, proposal):
    validator, key = api_as("validator"), str(uuid4())
    place = f"/proposals/{proposal['id']}/decisions"
    body = decision(validator, proposal)
    first = post(validator, place, body, **{"Idempotency-Key": key})
    second = post(validator, place, body, **{"Idempotency-Key": key})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["decisions"] == second.json()["decisions"]


def test_proposals_are_listed_by_cursor(api_as):
    researcher = api_as("researcher")
    for number in range(5):
        post(researcher, "/proposals", {**BODY, "subject": f"version:{number}"})
    first = researcher.get(f"{API}/proposals?limit=3").json()
    rest = researcher.get(f"{API}/proposals?limit=3&cursor={first['next']}").json()
    subjects = [row["subject"] for row in first["items"] + rest["items"]]
    assert sorted(subjects) == [f"version:{n}" for n in range(5)]
    assert rest["next"] is None
    found = researcher.get(f"{API}/proposals?subject=version:3&status=open").json()["items"]
    assert [row["subject"] for row in found] == ["version:3"]
    refused(researcher.get(f"{API}/proposals?status=odd"), 422, "proposal.status")


def test_a_proposal_is_withdrawn(api_as):
    researcher = api_as("researcher")
    made = post(researcher, "/proposals", BODY).json()
    answer = post(researcher, f"/proposals/{made['id']}/withdraw", {"reason": "a mistake"})
    assert answer.json()["status"] == "withdrawn"
    refused(post(researcher, f"/proposals/{made['id']}/withdraw", {}), 409, "proposal.closed")


def test_settings_over_rest(api_as):
    admin, key = api_as("admin"), "approvals.open_days"
    place = f"{API}/settings/{key}"
    changed = admin.put(place, {"value": 7, "note": "faster"}, content_type="application/json")
    assert (changed.json()["value"], changed.json()["version"]) == (7, 1)
    assert api_as("viewer").get(place).json()["value"] == 7
    wrong = admin.put(place, {"value": 0}, content_type="application/json")
    refused(wrong, 422, "setting.value")
    other = api_as("researcher").put(place, {"value": 3}, content_type="application/json")
    assert other.status_code == 403
    back = post(admin, f"/settings/{key}/roll-back", {"version": 0}).json()
    assert (back["value"], back["version"]) == (14, 2)
    versions = admin.get(f"{place}/versions").json()["items"]
    assert [(v["version"], v["value"]) for v in versions] == [(2, 14), (1, 7)]
    keys = [row["key"] for row in admin.get(f"{API}/settings").json()["items"]]
    assert {"approvals.gates", "approvals.open_days", "approvals.tiers_usd"} <= set(keys)
    policy = admin.put(
        f"{API}/settings/approvals.tiers_usd",
        {"value": [1, 2]},
        content_type="application/json",
    )
    refused(policy, 403, "setting.by_proposal")
    refused(admin.get(f"{API}/settings/lunch"), 422, "setting.unknown")


def test_the_pages_lead_a_validator_through(client_as, api_as, proposal):
    validator = client_as("validator")
    inbox = validator.get("/approvals/").content.decode()
    assert "1</span> proposal wait" in inbox
    place = f"/approvals/{proposal['id']}/"
    shown = validator.get(place).content.decode()
    for words in (
        "Deflated Sharpe",
        "not available",
        "sharpe",
        "1.4000",
        "10<",
        "Approve",
        "Reject",
        WHY,
    ):
        assert words in shown
    form = {"decision": "approve", "rationale": "no", "digest": proposal["digest"]}
    answer = validator.post(f"{place}decide/", form)
    assert answer.status_code == 422
    assert "The rationale has 2 characters" in answer.content.decode()
    form["rationale"] = "I read the evidence and agree."
    form["code"] = signing.code_at(signing.make_totp(validator.user.pk), clock.now())
    answer = validator.post(f"{place}decide/", form, follow=True)
    page = answer.content.decode()
    assert "Your decision is in the ledger." in page
    assert "I read the evidence and agree." in page
    assert "Approved" in page


def test_a_reader_without_the_role_sees_why_not(client_as, proposal, other_team):
    place = f"/approvals/{proposal['id']}/"
    shown = client_as("trader").get(place).content.decode()
    assert "This is decided by: validator. You act as trader." in shown
    assert 'value="approve"' not in shown
    assert client_as("validator", other_team).get(place).status_code == 404
    assert client_as("validator", other_team).post(f"{place}decide/", {}).status_code == 404


def test_the_author_withdraws_on_the_page(client_as):
    author = client_as("researcher")
    made = author.post(f"{API}/proposals", BODY, content_type="application/json")
    place = f"/approvals/{made.json()['id']}/"
    assert "Four eyes" in author.get(place).content.decode()
    answer = author.post(f"{place}withdraw/", {"reason": "a mistake"}, follow=True)
    assert "The proposal is withdrawn." in answer.content.decode()


def test_evidence_is_shown_as_text_never_as_markup(client_as, api_as):
    evil = "<script>alert(1)</script>"
    body = {**BODY, "title": evil, "evidence": {"note": evil, "links": [{"href": "javascript:1"}]}}
    made = post(api_as("researcher"), "/proposals", body).json()
    shown = client_as("validator").get(f"/approvals/{made['id']}/").content.decode()
    assert evil not in shown
    assert "javascript:1" not in shown.replace("javascript:1&#x27;", "")


def test_the_policies_page_changes_a_setting(client_as):
    admin = client_as("admin")
    assert "approvals.open_days" in admin.get("/approvals/settings/").content.decode()
    place = "/approvals/settings/approvals.open_days/"
    change = {"value": "21", "version": "0", "note": "holidays"}
    asked = admin.post(place, change)
    assert "Confirm the change" in asked.content.decode()
    assert "holidays" not in admin.get("/approvals/settings/").content.decode()
    given = asked.context["confirmation"]
    other = admin.post(place, {**change, "value": "22", "confirmation": given}, follow=True)
    assert "not what you were shown" in other.content.decode()
    answer = admin.post(place, {**change, "confirmation": given}, follow=True)
    page = answer.content.decode()
    assert "approvals.open_days is changed." in page
    assert "holidays" in page
    bad = admin.post(place, {"value": "{", "version": "1"}, follow=True).content.decode()
    assert "The value is not JSON" in bad
    back = admin.post(f"{place}roll-back/", {"version": "0"}, follow=True).content.decode()
    assert "holds the value of version 0 again" in back
    assert client_as("viewer").post(place, {"value": "3"}).status_code == 403
