"""Case 90: every field that an approval covers, changed one by one, ends it or bars the run.

The list of fields comes from the approval itself, so a term that is added later is tried too, or
the test fails since nobody said how it is changed. Further down: the capital of an approval under
two accounts at once, and the words of an approval changed by who owns the database.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import numpy as np
import psycopg
import pytest
from django.db import connection

from apps.approvals import selectors as approvals
from apps.approvals.kernel import terms as agreed
from apps.approvals.kernel.digest import FORMATS
from apps.approvals.models import Decision, Lapse
from apps.core.actors import system
from apps.core.errors import Conflict
from apps.market import services as market
from apps.market.selectors import feed_state
from apps.risk.models import LimitSet
from apps.strategies import selectors as strategies
from apps.trading import services
from apps.trading.errors import NotApproved
from apps.trading.models import Account, Deployment, Order
from apps.trading.selectors.agreed import changed_terms
from apps.trading.selectors.windows import take_batch
from apps.trading.services import deployments, stepping, steps
from tests.factories import trading
from tests.integration.test_approvals_terms import CHANGES, Agreed, by_superuser

PATIENCE = 60
SYMBOLS = ["AAPL", "MSFT", "XOM"]


@pytest.fixture
def feed(sample, live_db, now):
    made = trading.make_feed(now)
    yield made
    made.delete()


@pytest.fixture
def made(feed, team, now):
    return Agreed(team, now)


def leaves(value, path=()):
    """Every single value of nested JSON, with the way to it."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    else:
        yield path, value


def other(value):
    """A value of the same kind that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [*value, "XOM"]
    if isinstance(value, dict):
        return {"other": 1}
    return f"{value or ''}0"


def put(terms, path, value):
    name, *rest = path
    return {**terms, name: put(terms[name], rest, value) if rest else value}


def test_every_single_value_of_the_terms_counts(made, monkeypatch):
    """What would run differs in one value: the approval no longer holds, by the term's name."""
    from apps.trading.selectors import agreed as now_terms

    (view,) = in_force(made)
    run = view.terms["data"]["run"]
    version = strategies.get_version(made.version.id, made.team.pk)
    right = now_terms.terms_now(version, run, made.account)
    assert changed_terms(view, version, made.account) == []
    tried = []
    for path, value in leaves({name: right[name] for name in agreed.COVERED}):
        wrong = put(right, path, other(value))
        monkeypatch.setattr(now_terms, "terms_now", lambda *_, wrong=wrong: wrong)
        assert changed_terms(view, version, made.account) == [path[0]], path
        tried.append(path)
    assert {path[0] for path in tried} == set(agreed.COVERED)
    assert len(tried) >= 25, tried


def in_force(made):
    return approvals.list_approvals(
        team_id=made.team.pk,
        kind="promotion",
        subject=f"version:{made.version.id}",
        digest=made.version.digest,
    )


# How each term is changed for real: names of ``CHANGES``, which go through the whole deployment.
REALLY = {
    "version": ("code", "parameters"),
    "code": ("code",),
    "parameters": ("parameters",),
    "engine": ("engine",),
    "data": ("data digest", "data revised", "costs of the run"),
    "costs": ("fee", "slippage", "other costs", "execution", "units", "currency"),
    "limits": ("limits",),
    "account": (),  # another account: test_another_account_than_approved_is_refused...
}


def test_every_covered_term_has_a_change_that_is_tried_for_real():
    assert set(REALLY) == set(agreed.COVERED)
    assert {name for names in REALLY.values() for name in names} == set(CHANGES)


def test_every_limit_and_cost_of_the_account_is_covered(made, servers):
    """Column by column, in the database: nothing an account trades by is left out."""
    (view,) = in_force(made)
    version = strategies.get_version(made.version.id, made.team.pk)
    rows = LimitSet.objects.filter(subject=f"account:{made.account.pk}")
    newest = rows.filter(pk=rows.latest("version").pk)
    kept = newest.get().values
    for name in view.terms["limits"]:
        newest.update(values={**kept, name: limit_beside(kept, name)})
        assert changed_terms(view, version, made.account) == ["limits"], name
    newest.update(values=kept)
    for name in ("broker", "is_paper", "currency", "fee_bps", "slippage_bps", "units"):
        account = Account.objects.get(pk=made.account.pk)
        setattr(account, name, other(getattr(account, name)))
        assert changed_terms(view, version, account) == ["costs"], name
    assert changed_terms(view, version, made.account) == []


def limit_beside(values, name):
    """Another value that the limit may have."""
    value = values.get(name)
    if name == "restricted":
        return ["XOM"]
    if name == "only_in_session":
        return not value
    return 1 if value is None else value / 2 if value < 2 else value + 1


# What was signed, changed by who owns the tables.

COLUMNS = {
    "kind": "model",
    "subject": "version:999999",
    "subject_digest": "0" * 64,
    "title": "Something else",
    "target_stage": "live",
    "tier": 3,
    "rationale": "Quite another reason.",
    "evidence": '{"metrics": {"sharpe": 9}}',
    "gates": "[]",
    "id": "00000000-0000-4000-8000-000000000000",
    "team_id": None,
    "author": "user:0",
    "terms": '{"capital_usd": 1000000}',
    "expires_at": "2030-01-01T00:00:00Z",
    "valid_until": "2030-01-01T00:00:00Z",
    "digest": "0" * 64,
}


def test_no_word_of_what_was_signed_is_changed_unseen(made, other_team, servers, now):
    """Every part of the digest: with the part changed there is no approval any more."""
    assert set(FORMATS[made.proposal.format]) < set(COLUMNS)
    with psycopg.connect(servers.dsn("admin"), autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        for column, value in COLUMNS.items():
            wrong = other_team.pk if column == "team_id" else value
            key = [wrong if column == "id" else made.proposal.pk]
            update = f"UPDATE approvals_proposal SET {column} = %s WHERE id = %s"
            kept = admin.execute(
                f"SELECT {column}::text FROM approvals_proposal WHERE id = %s", [made.proposal.pk]
            ).fetchone()
            admin.execute(update, [wrong, made.proposal.pk])
            with pytest.raises(NotApproved):
                made.deploy()
            admin.execute(update, [*kept, *key])
    assert not Deployment.objects.exists()
    assert made.deploy().approval_id == made.proposal.pk


def test_a_vote_on_other_words_carries_nothing(made, servers):
    with by_superuser(servers) as admin:
        admin.execute("UPDATE approvals_decision SET seen_digest = %s", ["0" * 64])
    assert Decision.objects.exists()
    with pytest.raises(NotApproved):
        made.deploy()


def test_what_runs_under_a_rewritten_approval_stops(made, feed, servers, now):
    row = made.deploy()
    with by_superuser(servers) as admin:
        admin.execute(
            "UPDATE approvals_proposal SET terms = jsonb_set(terms, '{capital_usd}', '900000')"
        )
    trading.advance(feed, now)
    row.refresh_from_db()
    assert row.status == "stopped"
    assert not Order.objects.filter(deployment=row).exists()


# The conditions.


def test_after_its_time_nothing_starts_whether_the_lapse_was_noted_or_not(made, now):
    ends = agreed.valid_until(made.proposal.terms)
    for late in (ends, ends + timedelta(days=200)):
        with pytest.raises(NotApproved):
            made.deploy(now=late)
    assert not Lapse.objects.exists()
    assert made.deploy(now=ends - timedelta(seconds=1)).status == "running"


class Shared:
    """A version approved for any paper account of the team, with 10,000 in all; two accounts."""

    def __init__(self, team, now):
        self.team, self.now = team, now
        made = Agreed(team, now, account=None)
        self.version, self.proposal = made.version, made.proposal
        self.accounts = [made.account, trading.make_account(team, now, name="Second")]

    def deploy(self, account, allocation):
        return services.deploy(
            actor=system("tests", self.team.pk),
            version_id=self.version.id,
            account_id=account.pk,
            allocation=Decimal(allocation),
            symbols=SYMBOLS,
            now=self.now,
        )


@pytest.fixture
def shared(feed, team, now):
    return Shared(team, now)


def at_once(*acts):
    """Let all act at the same moment, each on a connection of its own; return what came of it."""
    barrier = threading.Barrier(len(acts))

    def act(one):
        barrier.wait(PATIENCE)
        try:
            return one()
        except Conflict as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


def slowly(monkeypatch, module, name):
    """Leave others time to come in between, after the capital was looked at."""
    look = getattr(module, name)

    def looked(*args, **kwargs):
        found = look(*args, **kwargs)
        time.sleep(0.4)
        return found

    monkeypatch.setattr(module, name, looked)


def test_two_deployments_at_once_do_not_pass_the_cap_together(shared, monkeypatch):
    slowly(monkeypatch, deployments, "check_cap")
    found = at_once(*(lambda one=one: shared.deploy(one, 6_000) for one in shared.accounts))
    (refused,) = [one for one in found if isinstance(one, Conflict)]
    assert refused.code == "approval.capital_cap"
    assert Deployment.objects.get().allocation == 6_000


def test_two_orders_at_once_do_not_pass_the_cap_together(shared, feed, now, monkeypatch):
    """Both want 9,000 at the same bar, on two accounts; what is intended in all stays below."""
    strategy = strategies.get_strategy("buy_and_hold")
    monkeypatch.setattr(strategy, "decide", lambda *_: np.array([0.6, 0.6, 0.6]))
    rows = [shared.deploy(account, 5_000) for account in shared.accounts]
    slowly(monkeypatch, steps, "_caps")
    batch = market.advance_feed(session_id=feed.pk, now=now)
    take_batch(batch)
    state = feed_state(batch.feed)
    at_once(*(lambda row=row: stepping._catch_up(row.account_id, state, now) for row in rows))
    passed = Order.objects.filter(deployment__in=rows).exclude(state="refused")
    refused = Order.objects.filter(deployment__in=rows, state="refused")
    assert {reason["code"] for order in refused for reason in order.reasons} == {
        "approval.capital_cap"
    }
    assert "Other accounts use" in refused[0].reasons[0]["message"]
    assert passed.count() == refused.count() == 3
    assert sum(one.quantity * one.reference_price for one in passed) <= 10_000
