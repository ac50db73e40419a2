"""Pages of governance: a single trade, a promotion with its terms and study, going live."""

from datetime import timedelta
from hashlib import sha256

import pytest
from django.db import DatabaseError, transaction

from apps.approvals import selectors as approvals
from apps.approvals.models import Proposal
from apps.approvals.services import expire_old, revoke
from apps.backtests.models import Sweep, Trial
from apps.backtests.selectors.evidence import RunFiles
from apps.core.errors import Conflict
from apps.strategies import services as strategies
from apps.trading.models import Account, Deployment, Order
from tests.factories import people, research, signing, trading

WHY = "It held out of sample and survives the costs."
TRADE = {"symbol": "aapl", "side": "buy", "quantity": "3", "kind": "market", "rationale": WHY}


@pytest.fixture
def feed(sample, team):
    from apps.core import clock

    return trading.make_feed(clock.now())


@pytest.fixture
def account(feed, team):
    from apps.core import clock

    made = trading.make_account(team, clock.now())
    trading.advance(feed, clock.now())
    return made


def words(answer):
    return " ".join(answer.content.decode().split())


def propose(client, account, **changes):
    body = {**TRADE, "propose": "1", **changes}
    return client.post(f"/live/{account.pk}/propose/", body)


# A single trade


def test_a_trade_is_looked_at_proposed_decided_and_followed_to_its_fill(
    account, feed, client_as, actor, team, django_capture_on_commit_callbacks
):
    from apps.core import clock

    client, place = client_as("trader"), f"/live/{account.pk}/propose/"
    assert client.get(place).status_code == 200
    looked = client.post(place, {**TRADE, "rationale": "", "check": "1"})
    assert (looked.status_code, Proposal.objects.count()) == (200, 0)
    assert 'data-guard="pass"' in words(looked)
    sent = propose(client, account, minutes="5")
    made = Proposal.objects.get()
    assert (sent.status_code, sent["Location"]) == (302, f"/approvals/{made.pk}/")
    assert made.expires_at - made.created_at == timedelta(minutes=5)
    assert made.evidence["guard"]["passes"] is True
    held = next(row for row in made.evidence["book"] if row["name"] == "AAPL held")
    assert (held["before"], held["after"]) == (0.0, 3.0)
    risky, shown = client_as("risk_manager"), f"/approvals/{made.pk}/"
    assert "data-waiting" in words(risky.get("/approvals/"))
    assert words(risky.get(shown)).count('data-guard="pass"') == 2  # then, and now
    with django_capture_on_commit_callbacks(execute=True):
        signing.decide(actor("risk_manager"), made, clock.now())
    order = Order.objects.get()
    with pytest.raises(Conflict):
        revoke(actor=actor("risk_manager"), proposal_id=made.pk, rationale=WHY, now=clock.now())
    page = words(client.get(shown))
    assert "What came of it" in page
    assert f"/live/orders/{order.pk}/" in page
    assert "Nothing filled" in words(client.get(f"/live/orders/{order.pk}/"))
    trading.advance(feed, clock.now())
    page = words(client.get(f"/live/orders/{order.pk}/"))
    assert f"/approvals/{made.pk}/" in page
    assert 'id="fills"' in page
    assert "filled" in words(client.get(shown))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "NOSUCH"}, "NOSUCH is not on feed"),
        ({"quantity": "0"}, "it must be above 0"),
        ({"quantity": "many"}, "Enter a number"),
        ({"side": "hold"}, "not one of the available choices"),
        ({"kind": "limit"}, "takes market orders by hand"),
        ({"minutes": "99"}, "waits 1 to 15"),
        ({"rationale": "short"}, "say why in 10 to 4000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_with_a_trade_is_said_and_nothing_is_lost(account, client_as, changes, said):
    answer = propose(client_as("trader"), account, **changes)
    page = words(answer)
    assert (answer.status_code, Proposal.objects.count()) == (422, 0)
    assert said in page
    kept = {**TRADE, **changes}
    assert f'value="{kept["quantity"]}"' in page
    assert kept["rationale"] in page
    assert 'aria-invalid="true"' in page


def test_a_trade_that_the_guard_refuses_says_so_before_anybody_decides(account, client_as):
    client = client_as("trader")
    page = words(client.post(f"/live/{account.pk}/propose/", {**TRADE, "quantity": "100000000"}))
    assert 'data-guard="refuse"' in page
    assert "order.cash" in page


def test_a_trade_that_nobody_decided_says_that_it_expired(account, client_as, team):
    client = client_as("trader")
    propose(client, account)
    made = Proposal.objects.get()
    late = made.expires_at + timedelta(seconds=1)
    assert approvals.page_of(made, people.make_actor(team, "trader"), late)["status"] == "expired"
    assert expire_old(now=late) == 1
    page = words(client.get(f"/approvals/{made.pk}/"))
    assert "data-expired" in page
    assert "Propose it again" in page
    assert "symbol=AAPL" in page
    again = words(client.get(f"/live/{account.pk}/propose/?symbol=AAPL&side=sell&quantity=7"))
    assert 'value="7"' in again


# A promotion


@pytest.fixture
def run(sample, team, now):
    author = people.make_actor(team, "researcher")
    version = strategies.ensure_version(
        actor=author, name="sma_crossover", params={"fast": 10, "slow": 50}, now=now
    )
    return research.make_run(team, now, version, author=author.name)


@pytest.fixture
def sweep(run, now):
    made = Sweep.objects.create(
        team_id=run.team_id, version_id=run.version_id, title="Crossovers", strategy=run.strategy,
        space={"fast": [5, 10]}, method="grid", objective="sharpe", seed=3, trials=3, lanes=1,
        status="done", done=2, refused=1, data_digest="e" * 64, created_by="user:0",
        created_at=now,
    )  # fmt: skip
    for number, score in enumerate((0.4, 0.9)):
        Trial.objects.create(
            sweep=made, number=number, status="done", params={"fast": 5 * (number + 1)},
            score=score, sharpe=score, digest=str(number) * 64,
        )  # fmt: skip
    Trial.objects.create(sweep=made, number=2, status="refused", params={"fast": 90})
    return made


def test_a_promotion_is_proposed_with_account_conditions_and_study(run, sweep, team, client_as):
    from apps.core import clock

    account = trading.make_account(team, clock.now(), feed=trading.make_feed(clock.now()).name)
    client, place = client_as("researcher"), f"/live/propose/{run.pk}/"
    page = words(client.get(place))
    assert "What paper takes" in page
    assert str(sweep.pk) in page
    body = {
        "target_stage": "paper", "title": "Crossover to paper", "account": account.pk,
        "capital_usd": "9000", "valid_days": "20", "review_days": "10", "open_days": "3",
        "study": str(sweep.pk), "rationale": WHY,
    }  # fmt: skip
    assert client.post(place, body).status_code == 302
    made = Proposal.objects.get()
    terms = made.terms
    assert (terms["account"], terms["capital_usd"], made.title) == (
        account.pk, 9000.0, "Crossover to paper",
    )  # fmt: skip
    assert made.expires_at - made.created_at == timedelta(days=3)
    assert made.valid_until - made.created_at == timedelta(days=20)
    study = made.evidence["study"]
    assert (study["trials"], study["done"], study["best"]["number"]) == (3, 2, 1)
    assert study["best"]["parameters"] == {**run.version.params, "fast": 10}
    assert study["median"]["sharpe"] == pytest.approx(0.65)
    _, files = RunFiles().files(team_id=team.pk, subject=made.subject, evidence=made.evidence)
    assert sha256(files["artifacts/study.jsonl"]).hexdigest() == study["digest"]
    assert len(files["artifacts/study.jsonl"].splitlines()) == 1 + 3
    page = words(client.get(f"/approvals/{made.pk}/"))
    assert 'id="study"' in page
    assert "as it was frozen" in page
    changed = Trial.objects.filter(sweep=sweep, number=0)
    with pytest.raises(DatabaseError, match="is evidence of"), transaction.atomic():
        changed.update(score=2.0)
    Trial.objects.create(sweep=sweep, number=99, status="failed")
    assert "no longer as it was frozen" in words(client.get(f"/approvals/{made.pk}/"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rationale": "short"}, "say why in 10 to 4000"),
        ({"capital_usd": "-5"}, "an amount in USD above 0"),
        ({"valid_days": "0"}, "it is from 1 to"),
        ({"open_days": "99"}, "stays open 1 to 14"),
        ({"study": "00000000-0000-4000-8000-000000000000"}, "There is no sweep"),
        ({"account": "987654"}, "There is no account"),
        ({"target_stage": "live"}, "This lab has no broker that trades live"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_with_a_promotion_is_said_and_nothing_is_lost(run, client_as, changes, said):
    body = {"target_stage": "paper", "title": "Kept title", "rationale": WHY, **changes}
    answer = client_as("researcher").post(f"/live/propose/{run.pk}/", body)
    page = words(answer)
    assert (answer.status_code, Proposal.objects.count()) == (422, 0)
    assert said in page
    if body["target_stage"] == "paper":
        assert "Kept title" in page
        assert body["rationale"] in page


def test_a_study_of_another_strategy_or_not_done_is_refused(run, sweep, client_as, team, now):
    client = client_as("researcher")
    body = {"target_stage": "paper", "rationale": WHY, "study": str(sweep.pk)}
    Sweep.objects.filter(pk=sweep.pk).update(status="running")
    assert "name one that is done" in words(client.post(f"/live/propose/{run.pk}/", body))
    author = people.make_actor(team, "researcher")
    other = strategies.ensure_version(actor=author, name="buy_and_hold", params={}, now=now)
    Sweep.objects.filter(pk=sweep.pk).update(status="done", version_id=other.id)
    assert "the run of sma_crossover" in words(client.post(f"/live/propose/{run.pk}/", body))
    assert not Proposal.objects.exists()


def test_pages_of_another_team_are_not_there(run, other_team):
    stranger = people.make_client(other_team, "researcher")
    assert stranger.get(f"/live/propose/{run.pk}/").status_code == 404


# Going live


def test_going_live_says_what_is_missing(run, client_as):
    page = words(client_as("researcher").get(f"/live/propose/{run.pk}/?target_stage=live"))
    assert "data-missing" in page
    assert "This lab has no broker that trades live; it has Paper (built in)." in page
    assert "paper is never skipped" in page
    assert '<form class="form columns"' not in page


def test_a_promotion_to_live_goes_from_the_page_to_two_signatures(run, team, client_as):
    """Nothing trades live in this lab: the account is made live by hand to walk the rest."""
    from apps.core import clock
    from apps.core.actors import system

    now, lab = clock.now(), system("tests", team.pk)
    live = trading.make_account(team, now, feed=trading.make_feed(now).name, name="Broker")
    paper = trading.make_account(team, now, feed=live.feed, name="Paper first")
    Account.objects.filter(pk=live.pk).update(is_paper=False)
    strategies.promote_version(
        actor=lab, version_id=run.version_id, digest=run.version.digest, stage="paper", tier=1,
        now=now,
    )  # fmt: skip
    client, place = client_as("researcher"), f"/live/propose/{run.pk}/?target_stage=live"
    page = words(client.get(place))
    assert "Broker, USD" in page
    assert "Paper first" not in page
    body = {
        "target_stage": "live", "rationale": WHY, "account": live.pk, "capital_usd": "50000",
    }  # fmt: skip
    refused = client.post(place, {**body, "account": paper.pk})
    assert "the one named is on paper" in words(refused)
    assert client.post(place, body).status_code == 302
    barred = Proposal.objects.get()
    assert "bars approval" in words(client.get(f"/approvals/{barred.pk}/"))  # days on paper
    client.post(f"/approvals/{barred.pk}/withdraw/", {"reason": "not long enough on paper"})
    Deployment.objects.create(
        team_id=team.pk, account=paper, version_id=run.version_id, approval_id=barred.pk,
        version_digest=run.version.digest, version_label="v", strategy=run.strategy, feed="f",
        epoch=0, symbols=[], allocation=1, history_from=now, status="stopped", equity=1.0,
        created_by="user:0", created_at=now - timedelta(days=25), ended_at=now,
    )  # fmt: skip
    assert client.post(place, body).status_code == 302
    made = Proposal.objects.get(status="open")
    assert (made.tier, made.terms["account"], approvals.blocking_gates(made.gates)) == (
        2, live.pk, [],
    )  # fmt: skip
    assert approvals.accepted_signatures(made) == ("passkey",)
    validator, manager = (
        people.make_actor(team, "validator"),
        people.make_actor(team, "risk_manager"),
    )
    assert signing.decide(validator, made, now).status == "open"
    assert signing.decide(manager, made, now).status == "approved"
    assert all(row.signature["kind"] == "passkey" for row in made.decisions.all())
    run.version.refresh_from_db()
    assert run.version.stage == "live"
