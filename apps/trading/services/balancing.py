"""Runs of balancers: started when due, computed without a lock, done in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import transaction

from apps.approvals import services as approvals
from apps.core import events, jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied
from apps.core.kernel.hashing import digest_json
from apps.core.models import Job
from apps.trading import selectors, store
from apps.trading.kernel.balancing import (
    ORDERS,
    as_values,
    next_due,
    policy_from,
)
from apps.trading.models import Account, Balance, Balancer
from apps.trading.selectors.balancers import (
    KIND,
    SYSTEM,
    BalancerView,
    changed_since,
    find_job,
    find_proposed,
    get_balancer,
)
from apps.trading.selectors.balancing import (
    find_obstacle,
    own_book,
    state_of,
)
from apps.trading.services.rebalancing import note_balancer, order_trades, propose_trades
from apps.trading.services.sending import send_intents
from apps.trading.services.weighing import (
    Found,
    body_of,
    compute_balance,
    left_out,
    trade_json,
    trades_of,
)

TASK = "trading.balance"
TRIES = 3
LEVEL = 0.99
# Runs that did nothing are forgotten beyond this many of an account.
KEPT = 1000
INFEASIBLE = "balance.infeasible"
MOVED = "What the account holds changed three times while it was computed; the next run tries."
SAME = "Nothing has changed since the last run."
WAITS = "A proposal of the last run waits for its decision."
QUIET = (Balance.Status.NOTHING, Balance.Status.SKIPPED, Balance.Status.TRIED)


# When


def start_due_balancers(*, now: datetime) -> int:
    """Queue the balancers whose time has come; return how many.

    May be called at any time and again. One that must not act (feed, halt, stop, orders or a
    decision under way), or for which nothing has changed, notes why and waits for its next time.
    """
    due = Balancer.objects.filter(is_on=True, next_due_at__lte=now).order_by("next_due_at")
    return sum(_start(number, now) for number in list(due.values_list("pk", flat=True)))


def _start(number: int, now: datetime) -> int:
    with transaction.atomic():
        accounts = Account.objects.select_for_update(skip_locked=True, of=("self",))
        account = accounts.filter(balancer=number).first()
        rows = Balancer.objects.select_for_update()
        row = rows.filter(pk=number, is_on=True, next_due_at__lte=now).first()
        if account is None or row is None:
            return 0
        policy = policy_from(row.policy)
        actor = system(SYSTEM, account.team_id)
        row.next_due_at = next_due(policy, now)
        if find_job(account) is not None:
            row.save(update_fields=["next_due_at"])
            return 0
        code, words = _reason_to_wait(account, row.version)
        _keep_note(actor, row, code, words, now)
        if code:
            return 0
        job = _enqueue(actor, account, now, is_trial=False)
        body = {"version": row.version, "job": str(job.pk)}
        note_balancer(actor=actor, account=account, action="balancer.started", body=body, now=now)
    return 1


def _reason_to_wait(account: Account, version: int) -> tuple[str, str]:
    code, words = find_obstacle(account)
    if code:
        return code, words
    waiting = find_proposed(account)
    if waiting is not None and not changed_since(account, waiting.body["covers"]):
        return "balancer.waiting", WAITS
    last = Balance.objects.filter(account=account).exclude(status=Balance.Status.TRIED)
    row = last.order_by("-created_at", "-id").first()
    if row is not None and row.state_digest == _state_digest(account, version):
        return "balancer.unchanged", SAME
    return "", ""


def _state_digest(account: Account, version: int) -> str:
    """Return a digest of all that can make another run come to something else."""
    bar = account.last_bar_at.isoformat() if account.last_bar_at else ""
    return digest_json({**state_of(account, version, own_book(account)), "bar": bar})


def _keep_note(actor: Actor, row: Balancer, code: str, words: str, now: datetime) -> None:
    """Keep why nothing is done; the trail hears of it when that changes."""
    if words != row.note and code and code != "balancer.unchanged":
        body = {"version": row.version, "code": code, "words": words}
        note_balancer(
            actor=actor, account=row.account, action="balancer.skipped", body=body, now=now
        )
    row.note, row.noted_at = words[:500], now
    row.save(update_fields=["next_due_at", "note", "noted_at"])


def ask_for_balance(
    *, actor: Actor, account_id: int, now: datetime, is_trial: bool = False
) -> Job:
    """Queue a run now; with ``is_trial`` it is computed and shown, and nothing is done.

    Raises ``Denied``, ``NotFound``, and ``Conflict`` while one is under way or must not act.
    """
    actor.require("team.read" if is_trial else "trading.order")
    account = selectors.get_account(account_id, actor.team)
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account.pk)
        if find_job(account) is not None:
            message = "A run of this account's balancer is under way; wait for it."
            raise Conflict(message, code="balancer.under_way")
        code, words = find_obstacle(account)
        if code and not is_trial:
            raise Conflict(words, code=code)
        job = _enqueue(actor, account, now, is_trial=is_trial)
        body = {"job": str(job.pk), "is_trial": is_trial}
        note_balancer(actor=actor, account=account, action="balancer.asked", body=body, now=now)
    return job


def _enqueue(actor: Actor, account: Account, now: datetime, *, is_trial: bool) -> Job:
    return jobs.enqueue(
        actor=actor,
        kind=KIND,
        title=f"Weights for {account.name}",
        task=TASK,
        queue="compute",
        payload={"account_id": account.pk, "is_trial": is_trial, "asked_by": actor.name},
        subject=f"account:{account.pk}",
        now=now,
    )


# The run


def run_balance(progress: jobs.Progress) -> dict[str, Any]:
    """Compute what an account should hold, and propose or order what leads there.

    May be run again from the start: a run is stored with its proposal or its orders in one
    transaction, once per job; what a crash left unsent is sent by the next attempt.
    """
    account_id = int(progress.payload["account_id"])
    if progress.team_id is None:
        return {}
    actor = system(SYSTEM, progress.team_id)
    account = selectors.get_account(account_id, progress.team_id)
    row = Balance.objects.filter(job_id=progress.job_id).first()
    if row is None:
        _clear_outdated(actor, account, progress.now())
    for turn in range(TRIES):
        if row is not None:
            break
        progress.tell(turn, TRIES, "weights", stage=True)
        account = selectors.get_account(account_id, progress.team_id)
        view = get_balancer(account)
        then = state_of(account, view.version, own_book(account))
        found = compute_balance(account, view)
        row = _finish(actor, account, view, found, then, progress, is_last=turn == TRIES - 1)
    if row is None:
        return {}
    if row.status == Balance.Status.ORDERED:
        send_intents(account_id=account_id, now=progress.now())
    progress.tell(TRIES, TRIES, row.get_status_display().lower(), stage=True)
    return {"balance": str(row.pk), "status": str(row.status), "trades": len(row.trades)}


def _clear_outdated(actor: Actor, account: Account, now: datetime) -> None:
    """Withdraw the proposal of an earlier run that could not be carried out any more."""
    row = find_proposed(account)
    if row is None or row.proposal_id is None:
        return
    changed = changed_since(account, row.body["covers"])
    if not changed:
        return
    words = f"No longer as proposed: {', '.join(changed)}."
    try:
        approvals.withdraw(actor=actor, proposal_id=row.proposal_id, reason=words, now=now)
    except (Conflict, Denied):
        return  # decided meanwhile, or amended by a person, whose it is now


def _finish(
    actor: Actor,
    before: Account,
    view: BalancerView,
    found: Found,
    then: Mapping[str, Any],
    progress: jobs.Progress,
    *,
    is_last: bool,
) -> Balance | None:
    """Store the run and do what it came to; None when the account moved on and it is tried again.

    The account is held meanwhile, so of two workers the second finds the first one's run.
    """
    now, payload = progress.now(), progress.payload
    with transaction.atomic():
        store.pass_fence()
        account = Account.objects.select_for_update().get(pk=before.pk)
        done = Balance.objects.filter(job_id=progress.job_id).first()
        if done is not None:
            return done
        moved = _has_moved(account, found, then)
        if moved and not is_last:
            return None
        row = _row(account, view, found, progress, now)
        if moved:
            row.status, row.code, row.words = Balance.Status.SKIPPED, "balancer.moved", MOVED
        else:
            _settle(actor, account, view, row, found, now, is_trial=bool(payload["is_trial"]))
        row.save(force_insert=True)
        _tell(actor, account, row, now)
        _forget(account)
    return row


def _has_moved(account: Account, found: Found, then: Mapping[str, Any]) -> bool:
    """Tell whether what is held or set is no longer what was read before it was computed."""
    now = state_of(account, get_balancer(account).version, own_book(account))
    if now != then:
        return True
    inputs = found.inputs
    return inputs is not None and any(
        own_book(account).quantities.get(symbol, 0.0) != quantity
        for symbol, quantity in inputs.held.items()
    )


def _row(
    account: Account, view: BalancerView, found: Found, progress: jobs.Progress, now: datetime
) -> Balance:
    inputs = found.inputs
    return Balance(
        id=uuid4(),
        team_id=account.team_id,
        account=account,
        job_id=progress.job_id,
        version=view.version,
        policy=as_values(view.policy),
        status=Balance.Status.NOTHING,
        inputs_digest=inputs.digest if inputs else "",
        state_digest=_state_digest(account, view.version),
        epoch=account.epoch,
        bar_at=account.last_bar_at,
        base=inputs.base if inputs else 0.0,
        created_by=str(progress.payload["asked_by"]),
        created_at=now,
    )


def _settle(
    actor: Actor,
    account: Account,
    view: BalancerView,
    row: Balance,
    found: Found,
    now: datetime,
    *,
    is_trial: bool,
) -> None:
    """Put into the row what the run came to, and do it."""
    if found.result is None or found.inputs is None:
        infeasible = found.code == INFEASIBLE
        row.status = Balance.Status.INFEASIBLE if infeasible else Balance.Status.FAILED
        row.code, row.words = found.code[:60], found.words
        row.body = {"conflicts": found.conflicts, "left_out": left_out(found)}
        return
    trades = trades_of(account, view.policy, found)
    row.body = body_of(found, trades)
    exact = own_book(account).exact
    row.trades = [trade_json(row.pk, trade, exact) for trade in trades]
    code, words = find_obstacle(account)
    if is_trial:
        row.status, row.words = Balance.Status.TRIED, "Only looked at: nothing was sent."
    elif not trades:
        row.words = "What is held is near enough to the target: nothing is worth its cost."
    elif code:
        row.status, row.code, row.words = Balance.Status.SKIPPED, code, words
    elif find_proposed(account) is not None:
        row.status, row.code, row.words = Balance.Status.SKIPPED, "balancer.waiting", WAITS
    elif view.policy.output == ORDERS:
        order_trades(actor=actor, account=account, row=row, now=now)
    else:
        propose_trades(actor=actor, account=account, view=view, row=row, trades=trades, now=now)


# What is told


def _tell(actor: Actor, account: Account, row: Balance, now: datetime) -> None:
    body = {
        "run": str(row.pk),
        "version": row.version,
        "inputs": row.inputs_digest,
        "status": str(row.status),
        "code": row.code,
        "trades": [
            {name: trade[name] for name in ("symbol", "side", "quantity")} for trade in row.trades
        ],
    }
    note_balancer(
        actor=actor, account=account, action=f"balancer.{row.status}", body=body, now=now
    )
    data = {"account": account.pk, "run": str(row.pk), "status": str(row.status)}
    topic, team_id = f"account.{account.pk}", account.team_id
    events.emit(team_id=team_id, topic=topic, kind="trading.balancer.ran", data=data)
    if row.status != Balance.Status.INFEASIBLE:
        return
    last = Balance.objects.filter(account=account).exclude(pk=row.pk)
    before = last.order_by("-created_at", "-id").first()
    if before is None or before.status != row.status:
        told = {**data, "words": row.words}
        events.emit(team_id=team_id, topic="alerts", kind="trading.balancer.infeasible", data=told)


def _forget(account: Account) -> None:
    """Forget the oldest runs that did nothing; those with trades stay."""
    quiet = Balance.objects.filter(account=account, status__in=QUIET, proposal_id=None)
    old = quiet.order_by("-created_at", "-id").values_list("pk", flat=True)[KEPT : KEPT + 100]
    Balance.objects.filter(pk__in=list(old)).delete()
