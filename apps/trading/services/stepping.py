"""The decision loop: at each closed bar of a feed, every account on it moves on by one step.

First strategies decide, on a rehearsal of the bar that holds no lock. A step is then one
transaction per account and bar: yesterday's accepted orders are filled at this bar's open, all is
marked at its close, the decisions are followed, the guard checks, intents are stored. What was
stored is sent afterwards. A step that was cut off left nothing; one that committed is
never done again, since the account remembers its last bar. Bars missed while the process was
away are stepped in order from the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog
from django.db import InterfaceError, OperationalError, transaction

from apps.backtests.kernel.feeding import fed
from apps.core.errors import Conflict
from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.selectors import FeedState
from apps.market.services import FeedBatch
from apps.strategies import selectors as strategies
from apps.strategies.kernel.interface import inputs_of
from apps.trading import selectors, store
from apps.trading.models import Account
from apps.trading.selectors.accounts import terms_of
from apps.trading.selectors.windows import forget_windows, take_batch
from apps.trading.services.bars import Bar
from apps.trading.services.deciding import Decided, Stale, decide_all
from apps.trading.services.deployments import check_claims
from apps.trading.services.restarts import settle_epoch
from apps.trading.services.sending import send_intents
from apps.trading.services.sleeves import Readied, ready_decisions
from apps.trading.services.steps import step_account
from apps.trading.services.stopping import take_back_openings

log = structlog.get_logger(__name__)

MAX_CATCH_UP = 5000
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a call did: account steps taken, orders sent, accounts that failed."""

    steps: int
    sent: int
    failed: int = 0


def step_deployments(*, batch: FeedBatch, now: datetime) -> Stepped:
    """Move every account on the batch's feed on to the batch's bar, and send what was decided."""
    take_batch(batch)
    return catch_up(feed_name=batch.feed, now=now)


def catch_up(*, feed_name: str, now: datetime) -> Stepped:
    """Step every account on a feed over the bars handed out since its last step.

    An account that fails leaves the others, and the feed they share, alone: it stays where it is
    and is tried again at the next bar.
    """
    feed = market.feed_state(feed_name)
    steps = sent = failed = 0
    for account_id in selectors.list_feed_accounts(feed_name):
        try:
            taken, more = _catch_up(account_id, feed, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("account.step_failed", account_id=account_id, feed=feed_name)
            # What was missing may be there at the next bar.
            forget_windows(feed_name)
            failed += 1
        else:
            steps, sent = steps + taken, sent + more
    return Stepped(steps, sent, failed)


def _catch_up(account_id: int, feed: FeedState, now: datetime) -> tuple[int, int]:
    sent = send_intents(account_id=account_id, now=now)
    if feed.position_at is None:
        return 0, sent
    settle_epoch(account_id=account_id, feed=feed, now=now)
    taken, more = _advance(account_id, feed, now)
    return taken, sent + more


def _advance(account_id: int, feed: FeedState, now: datetime) -> tuple[int, int]:
    account = Account.objects.get(pk=account_id)
    position = feed.position_at
    if position is None or (account.last_bar_at and account.last_bar_at >= position):
        return 0, 0
    check_claims(account_id=account_id, now=now)
    panel = _panel_for(account, feed, position)
    if panel is None:
        return 0, 0
    steps = sent = 0
    for late, i in enumerate(_new_rows(panel, account.last_bar_at)):
        bar = _bar(panel, feed, i)
        # Bars caught up with in one go keep their order in every list.
        at = now + late * timedelta.resolution
        if _step(account_id, panel, bar, at):
            steps += 1
            take_back_openings(account_id=account_id, now=at)
            sent += send_intents(account_id=account_id, now=at)
    return steps, sent


def _panel_for(account: Account, feed: FeedState, position: datetime) -> Panel | None:
    """Return the feed's bars from the earliest that a running deployment wants to see."""
    running = selectors.open_deployments(account.pk)
    inputs = set(terms_of(account).inputs(feed.price_mode))
    for row in running:
        strategy = strategies.get_strategy(row.strategy, row.team_id)
        inputs |= set(inputs_of(strategy, row.params)) - set(FIELDS)
    starts = [row.history_from for row in running]
    since = min([*starts, account.last_bar_at or position])
    wanted = tuple(sorted(inputs))
    panel = selectors.read_window(feed, since=since, until=position, inputs=wanted)
    return None if panel is None else fed(panel)


def _new_rows(panel: Panel, last_bar_at: datetime | None) -> list[int]:
    if last_bar_at is None:
        return [panel.n_bars - 1]
    last = round(last_bar_at.timestamp() * 1e6)
    rows: list[int] = np.flatnonzero(panel.ts > last).tolist()
    return rows[:MAX_CATCH_UP]


def _bar(panel: Panel, feed: FeedState, i: int) -> Bar:
    opened_at = datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=int(panel.ts[i]))
    return Bar(
        feed=feed.name,
        epoch=feed.epoch,
        i=i,
        opened_at=opened_at,
        closed_at=opened_at + timedelta(seconds=seconds_of(feed.timeframe)),
        symbols=panel.symbols,
        open=panel.open[i],
        close=panel.close[i],
        seconds_per_bar=feed.seconds_per_bar,
        rest={
            **{name: getattr(panel, name)[i] for name in ("high", "low", "volume")},
            **{name: array[i] for name, array in panel.extras.items()},
        },
        timeframe=panel.timeframe,
        price_mode=panel.price_mode,
    )


def _step(account_id: int, panel: Panel, bar: Bar, now: datetime) -> bool:
    """Take one step; False when another process has taken it already."""
    readied: dict[int, Readied] = ready_decisions(account_id, panel, bar)
    for _ in range(MAX_TRIES):
        decided = decide_all(account_id, bar, readied, now)
        try:
            return _book(account_id, panel, bar, decided, now)
        except Stale:
            log.info("account.decided_anew", account_id=account_id, bar=bar.opened_at.isoformat())
    message = f"Account {account_id} changed {MAX_TRIES} times while its strategies decided."
    raise Conflict(message, code="account.busy")


def _book(account_id: int, panel: Panel, bar: Bar, decided: Decided, now: datetime) -> bool:
    with transaction.atomic():
        store.pass_fence()
        account = Account.objects.select_for_update().get(pk=account_id)
        if account.last_bar_at is not None and account.last_bar_at >= bar.opened_at:
            return False
        step_account(account, panel, bar, decided, now)
    return True
