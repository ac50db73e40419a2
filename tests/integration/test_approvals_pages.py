"""Pages of approvals and strategies: terms, what changes, what-if, policies, the whole history."""

import re
from datetime import timedelta
from html import unescape

import pytest

from apps.approvals import services
from apps.approvals.models import Proposal
from apps.core import clock
from apps.core.actors import system
from apps.strategies import services as strategies
from tests.factories import people, research, signing, trading

WHY = "It held out of sample and survives the costs."

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    """Pages go by the clock."""
    return clock.now()


@pytest.fixture
def made(sample, team, now):
    """Two versions of a strategy: the first approved for paper, the second proposed after it."""
    trading.make_feed(now)
    account = trading.make_account(team, now)
    author = people.make_actor(team, "researcher")
    found = {"account": account, "author": author}
    for name, fast in (("first", 5), ("second", 7)):
        version = strategies.ensure_version(
            actor=author, name="sma_crossover", params={"fast": fast, "slow": 30}, now=now
        )
        run = research.make_run(team, now, version)
        found[name] = services.submit(
            actor=author, kind="promotion", subject=f"version:{version.id}", title=name,
            digest=version.digest, rationale=WHY, run=str(run.pk), target_stage="paper",
            account=account.pk, capital_usd=20_000.0, now=now,
        )  # fmt: skip
        found[f"{name}_version"] = version
        if name == "first":
            for role in ("validator", "risk_manager"):
                signing.decide(people.make_actor(team, role), found[name], now)
    return found


def page_of(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, path
    return " ".join(answer.content.decode().split())


def test_a_decider_sees_all_that_it_rests_on(made, client_as):
    page = page_of(client_as("validator"), f"/approvals/{made['second'].pk}/")
    for words in (
        "What the approval covers", "Target account", "20,000", "fee bps 5.0", "What changes",
        "against SMA crossover v1", "The code is the same.", "What if", "Strategies at work",
        "Approved before", "Deflated Sharpe: ", "tier <span class=\"num\">2</span>",
        "Set one up",
    ):  # fmt: skip
        assert words in page, words


def test_an_amendment_and_a_lapse_are_told(made, client_as, team, now):
    author = people.make_client(team, "researcher")
    answer = author.post(
        f"/approvals/{made['second'].pk}/amend/", {"rationale": f"{WHY} Amended."}, follow=True
    )
    page = answer.content.decode()
    assert "decided anew" in page
    assert "whose votes are void" in page
    manager = client_as("risk_manager")
    place = f"/approvals/{made['first'].pk}/"
    assert "Take the approval back" in page_of(manager, place)
    manager.post(f"{place}revoke/", {"rationale": "The market has changed."})
    assert "no longer in force" in page_of(manager, place)
    assert manager.post(f"{place}revoke/", {"rationale": "Once more, please."}).status_code == 302
    assert client_as("trader").post(f"{place}revoke/", {}).status_code == 403


def test_the_inventory_and_the_whole_history(made, client_as, now):
    viewer = client_as("viewer")
    inventory = page_of(viewer, "/strategies/")
    due = (now + timedelta(days=90)).date().isoformat()
    assert f'<span class="num">{due}</span> <span class="muted">v1 paper</span>' in inventory
    page = page_of(viewer, f"/strategies/{made['first_version'].strategy_id}/")
    for words in (
        "Whole history", "proposal on v1", "proposal on v2", "proposal vote approve",
        "from draft to paper", "the strategy", WHY,
    ):  # fmt: skip
        assert words in page, words


def test_gates_are_tried_on_a_page_and_nothing_typed_is_lost(made, client_as):
    admin = client_as("admin")
    page = page_of(admin, "/approvals/policies/")
    assert "None of 1 approvals" in page
    assert "on: fails closed" in page
    gates = {**fields_in(page, "approvals.gates"), "trades.threshold": "99999"}
    assert {"trades.mode": "on", "paper_days.live": "on"}.items() <= gates.items()
    assert "paper_days.paper" not in gates
    tried = admin.post("/approvals/policies/", {**gates, "rationale": WHY}).content.decode()
    assert "1 of 1 approvals" in " ".join(tried.split())
    assert "Closed trades" in tried
    kept = fields_in(tried, "approvals.gates")
    assert kept == {**gates, "rationale": WHY}
    unjudged = {k: v for k, v in gates.items() if k != "trades.paper"}
    assert "None of 1" in admin.post("/approvals/policies/", unjudged).content.decode()
    odd = {**gates, "pbo.threshold": "1.5", "paper_days.threshold": "many", "rationale": WHY}
    for place in ("/approvals/policies/", "/approvals/policies/approvals.gates/propose/"):
        answer = admin.post(place, odd)
        wrong = unescape(answer.content.decode())
        assert (answer.status_code, fields_in(wrong, "approvals.gates")) == (422, odd)
        assert "1.5 is not a number from 0 to 1." in wrong
        assert "'many' is not a number." in wrong
        assert wrong.count('aria-invalid="true"') == 2


def test_gates_are_proposed_by_their_fields(made, client_as):
    admin, place = client_as("admin"), "/approvals/policies/approvals.gates/propose/"
    gates = fields_in(page_of(admin, "/approvals/policies/"), "approvals.gates")
    gates["trades.threshold"] = "99999"
    asked = admin.post(place, {**gates, "rationale": WHY}, follow=True)
    shown = asked.content.decode()
    assert "configuration" in shown
    assert "What changes" in shown
    assert Proposal.objects.filter(kind="configuration", status="open").count() == 1
    agreed = Proposal.objects.get(kind="configuration").terms
    (changed,) = [row for row in agreed["value"] if row not in agreed["from"]]
    assert (changed["name"], changed["threshold"]) == ("trades", 99999)
    again = admin.post(place, {**gates, "rationale": WHY}, follow=True).content.decode()
    assert "proposed already" in again
    assert client_as("viewer").post(place, {}).status_code == 403


@pytest.mark.parametrize(
    ("key", "changes", "said"),
    [
        ("approvals.tiers_usd", {"tier_2": "5000"}, "tier 1 ends at 10000, which is not below"),
        ("approvals.valid_days", {"live": "0"}, "0 is not a whole number from 1 to 3,650."),
        ("approvals.review_grace_days", {"days": "7", "rationale": "short"}, "say why in 10 to"),
    ],
)
def test_a_refused_policy_keeps_what_was_written(client_as, key, changes, said):
    admin = client_as("admin")
    sent = fields_in(page_of(admin, "/approvals/policies/"), key) | {"rationale": WHY} | changes
    answer = admin.post(f"/approvals/policies/{key}/propose/", sent)
    page = unescape(answer.content.decode())
    assert (answer.status_code, Proposal.objects.count()) == (422, 0)
    assert said.lower() in page.lower()
    assert fields_in(page, key) == sent


def test_a_policy_of_words_is_proposed_by_its_fields(client_as):
    admin, key = client_as("admin"), "approvals.signatures"
    sent = fields_in(page_of(admin, "/approvals/policies/"), key)
    assert {name for name, value in sent.items() if value} == {"default", "promotion.live"}
    sent |= {"order": "passkey", "promotion.live": "", "rationale": WHY}
    assert admin.post(f"/approvals/policies/{key}/propose/", sent).status_code == 302
    assert Proposal.objects.get().terms["value"] == {"default": "totp", "order": "passkey"}


def fields_in(page, key):
    """Return what a browser would send of a policy's form as the page shows it."""
    form = page.partition(f'data-policy="{key}"')[2].partition("</form>")[0]
    found = {}
    for tag, choices in re.findall(
        r"<(?:input|select)\b([^>]*)>((?:\s*<option.*?</option>)*)", form
    ):
        told = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        name = told.get("name", "")
        if choices:
            found[name] = next(iter(re.findall(r'value="([^"]*)" selected', choices)), "")
        elif told.get("type") == "checkbox":
            found |= {name: "on"} if "checked" in tag else {}
        elif name and name != "csrfmiddlewaretoken":
            found[name] = unescape(told.get("value", ""))
    return {name: value for name, value in found.items() if name != "rationale" or value}


def test_the_text_that_would_run_is_shown(client_as, actor, now):
    made = services.propose(
        actor=actor("researcher"), kind="code", subject="code:1", title="A text",
        digest="a" * 64, evidence={"text": "def targets(panel, params):\n    <b>"},
        rationale=WHY, now=now,
    )  # fmt: skip
    page = client_as("validator").get(f"/approvals/{made.pk}/").content.decode()
    assert "def targets(panel, params):" in page
    assert "&lt;b&gt;" in page


def test_a_setting_changed_by_the_lab_is_shown_without_a_way_back_for_one(client_as, team, now):
    services.set_setting(
        actor=system("tests", team.pk), key="approvals.tiers_usd", value=[1, 2], now=now
    )
    page = page_of(client_as("admin"), "/approvals/settings/")
    assert "approvals.tiers_usd" in page
    assert "Go back to version 1 of approvals.tiers_usd" not in page
