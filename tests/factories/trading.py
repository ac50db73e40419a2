"""Approved versions, feeds and accounts for tests of trading."""

from decimal import Decimal

from tests.factories import people, signing

WHY = "It held out of sample and survives the costs."
CASH = Decimal(100_000)


def make_feed(now, *, name="test-feed", universe="sp500-sample", skip=400, bars=600):
    """A feed on the bundled sample that has handed out ``skip`` bars already."""
    from apps.market.models import FeedSession, Universe
    from apps.market.selectors import get_universe, read_panel

    view = get_universe(team_id=None, name=universe)
    panel = read_panel(team_id=None, universe=view, price_mode="split")
    at = [moment(ts) for ts in panel.ts]
    return FeedSession.objects.create(
        name=name,
        universe=Universe.objects.get(pk=view.id),
        timeframe=view.timeframe,
        start_at=at[0],
        position_at=at[skip - 1],
        bars_done=skip,
        bars_total=bars,
        updated_at=now,
    )


def moment(ts):
    from datetime import UTC, datetime, timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(ts))


def make_version(team, now, strategy="momentum_12_1", params=None, *, approve=True):
    """A version of the library, approved for paper by people unless told otherwise."""
    from apps.approvals import services as approvals
    from apps.core.actors import system
    from apps.strategies import services as strategies

    author = people.make_actor(team, "researcher")
    version = strategies.ensure_version(actor=author, name=strategy, params=params or {}, now=now)
    if not approve:
        return version
    proposal = approvals.propose(
        actor=author,
        kind="promotion",
        subject=f"version:{version.id}",
        title=version.label,
        digest=version.digest,
        evidence={
            "metrics": {"sharpe": 1.2, "trades": 120},
            "probe_passed": True,
            "deflated_sharpe": 0.99,
        },
        rationale=WHY,
        target_stage="paper",
        now=now,
    )
    signing.decide(people.make_actor(team, "validator"), proposal, now)
    strategies.promote_version(
        actor=system("tests", team.pk),
        version_id=version.id,
        digest=version.digest,
        stage="paper",
        tier=1,
        now=now,
    )
    return version


def make_account(team, now, *, feed="test-feed", limits="wide", **options):
    """A paper account with cash, with the wide limits unless told otherwise."""
    from apps.core.actors import system
    from apps.risk import services as risk
    from apps.trading import services

    settings = {"name": "Paper", "cash": CASH, "fee_bps": 5.0, "slippage_bps": 2.0, **options}
    lab = system("tests", team.pk)
    account = services.create_account(actor=lab, feed=feed, now=now, **settings)
    subject = f"account:{account.pk}"
    risk.set_limits(actor=lab, subject=subject, base=limits, values={}, reason="tests", now=now)
    return account


def advance(feed, now, bars=1):
    """Hand out bars and step the accounts on the feed, as the stream process does."""
    from apps.market import services as market
    from apps.trading import services

    for _ in range(bars):
        batch = market.advance_feed(session_id=feed.pk, now=now)
        assert batch is not None
        services.step_deployments(batch=batch, now=now)
