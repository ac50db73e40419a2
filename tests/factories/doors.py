"""Two teams with one of everything, and every door of the site by what it needs to be asked."""

import re
import uuid
from datetime import time, timedelta

from tests.factories import people
from tests.factories.crowd import Crowd

# What is no team's own, so that nobody has a foreign one: names of settings, vendors, figures.
FIXED = {
    "key": "approvals.open_days",
    "provider": "sample",
    "number": "0",
    "secret": "no-such-secret",
    "figure": "equity",
    "vendor": "sample",
    "subsystem": "database",
    "index": "sp500",
    "risk_figure": "fan",
    "run_part": "windows",
    "token": "no-such-token",
    "digest": "0" * 64,
}
# What no door may tell: in a key of a vendor and in an address that is told of signals.
CANARY = "canary-e7c1d9-that-nobody-is-told"
UNKNOWN_ID, UNKNOWN_UUID = 987_654_000, "00000000-0000-4000-8000-{:012d}"
# A name stands for another thing at each of these places.
NAMES = (
    ("/universes/", "universe"),
    ("/live-feeds/", "live_feed"),
    ("/feeds/", "feed"),
    ("/flows/", "flow"),
    ("/indices/", "index"),
    ("/signal-alerts/targets/", "alert_target"),
    ("/signal-alerts/rules/", "alert_rule"),
    ("/backtests/", "figure"),
    ("/validations/", "figure"),
    ("/data/providers/", "vendor"),
    ("/health/", "subsystem"),
    ("/risk/figures/", "risk_figure"),
    ("/parts/", "run_part"),
)
GIVEN = re.compile(r"(?<!\w)@(\w+)")
PLACE = re.compile(r"[{<](?:\w+:)?(\w+)[}>]")


def asked_for(template):
    """The things named in an address: (as it stands there, what it is)."""
    for found in PLACE.finditer(template):
        name = found[1]
        if name == "name":
            name = next(what for start, what in NAMES if start in template)
        yield found[0], "version_id" if name == "against" else name


def filled(template, things):
    """The address for one team's things; raises KeyError for what nobody made."""
    for place, what in asked_for(template):
        template = template.replace(place, FIXED.get(what) or str(things[what]))
    return template


def resolved(given, things):
    """A body or query whose ``@thing`` stands for one of ``things``."""
    if isinstance(given, dict):
        return {name: resolved(value, things) for name, value in given.items()}
    if isinstance(given, list):
        return [resolved(value, things) for value in given]
    if not isinstance(given, str):
        return given
    text = GIVEN.sub(lambda found: str(things[found[1]]), given)
    return int(text) if given.endswith("_id") and text.isdigit() else text


class World:
    """One of everything for a team; ``things`` by the names addresses have for them."""

    def __init__(self, team, now, number):
        crowd = Crowd(team, now)
        crowd.count = number - 1
        crowd.grow(number)
        self.team, self.now, self.number = team, now, number
        self.things = {
            **self.people(),
            **self.research(),
            **self.trading(),
            **self.market(),
            **self.scans(),
        }

    def people(self):
        from allauth.usersessions.models import UserSession

        from apps.accounts.models import Invitation, Token
        from apps.audit.models import AuditEvent
        from apps.core.models import Job
        from apps.ops.models import Alert

        member = people.make_user(self.team, "viewer")
        session = UserSession.objects.create(
            user=member, ip="127.0.0.1", session_key=f"key-{self.number}", user_agent="x"
        )
        alert = Alert.objects.create(
            team=self.team, key=f"mine {self.number}", severity="warning", title="t",
            raised_at=self.now, last_at=self.now,
        )  # fmt: skip
        return {
            "user_id": member.pk,
            "session_id": session.pk,
            "invitation_id": Invitation.objects.get(team=self.team).pk,
            "token_id": Token.objects.filter(team=self.team).first().pk,
            "job_id": Job.objects.filter(team=self.team).first().pk,
            "alert_id": alert.pk,
            "event_id": AuditEvent.objects.filter(team_id=self.team.pk).first().pk,
        }

    def research(self):
        from apps.approvals.models import Proposal
        from apps.assistant.models import Hypothesis, Search
        from apps.backtests.models import (
            Family,
            Gauntlet,
            Holdout,
            Note,
            Run,
            SavedView,
            ShareLink,
            Study,
            Sweep,
        )
        from apps.risk.models import BookReport, GradeRun, RiskReport, Scenario
        from apps.strategies.models import Strategy, StrategyVersion

        mine = {"team": self.team}
        strategy = Strategy.objects.filter(**mine, name__startswith="crowd").get()
        run = Run.objects.get(**mine)
        run.finished_at, run.result = None, {}  # has no figures to tell, and says so
        run.save(update_fields=["finished_at", "result"])
        sweep = Sweep.objects.create(
            **mine, version=StrategyVersion.objects.filter(**mine).first(), title="Sweep",
            strategy=strategy.name, method="grid", objective="sharpe", trials=4, lanes=1,
            created_by="user:0", created_at=self.now,
        )  # fmt: skip
        family = Family.objects.filter(**mine).first()
        holdout = Holdout.objects.create(
            **mine, family=family, start_on=self.now.date(), created_by="user:0",
            created_at=self.now,
        )  # fmt: skip
        grade = GradeRun.objects.create(
            **mine, subject=f"backtest:{run.pk}", title="Grade", digest="0" * 64, until=self.now,
            days=250, window=250, colour="green", in_force="fhs", before="historical",
            body={"models": {}}, created_by="system:grading", created_at=self.now,
        )  # fmt: skip
        scenario = Scenario.objects.create(
            **mine, name=f"scenario-{self.number}", version=1, title="Oil falls",
            shocks={"instrument": {}, "sector": {"Energy": -0.3}, "factor": {}},
            created_by="user:0", created_at=self.now,
        )  # fmt: skip
        report = BookReport.objects.create(
            **mine, subject=f"backtest:{run.pk}", title="Report", as_of=self.now, body={},
            digest=f"{self.number:064}", pdf=b"%PDF-", pdf_digest="0" * 64, pages=1,
            created_by="user:0", created_at=self.now,
        )  # fmt: skip
        share = ShareLink.objects.create(
            **mine, run=run, digest=f"{self.number:064}", created_by="user:0",
            created_at=self.now, expires_at=self.now + timedelta(days=1),
        )  # fmt: skip
        gauntlet = Gauntlet.objects.create(
            **mine, run=run, kinds=["garch"], worlds=19, run_digest="", created_by="user:0",
            created_at=self.now,
        )  # fmt: skip
        note = Note.objects.create(
            **mine, run=run, text="seen", created_by="user:0", created_at=self.now
        )
        view = SavedView.objects.create(
            **mine, name=f"view {self.number}", owner="user:0", is_shared=True,
            created_at=self.now, updated_at=self.now,
        )  # fmt: skip
        return {
            "gauntlet_id": gauntlet.pk,
            "share_id": share.pk,
            "note_id": note.thread,
            "view_id": view.pk,
            "book_report_id": report.pk,
            "grade_id": grade.pk,
            "scenario_id": scenario.pk,
            "strategy_id": strategy.pk,
            "strategy": strategy.name,
            "version_id": StrategyVersion.objects.filter(**mine).first().pk,
            "run_id": run.pk,
            "study_id": Study.objects.get(**mine).pk,
            "study": Study.objects.get(**mine).name,
            "sweep_id": sweep.pk,
            "validation_id": self.validation(sweep).pk,
            "family_id": family.pk,
            "holdout_id": holdout.pk,
            "hypothesis_id": Hypothesis.objects.get(**mine).pk,
            "search_id": Search.objects.get(**mine).pk,
            "proposal_id": Proposal.objects.get(**mine).pk,
            "proposal_digest": Proposal.objects.get(**mine).digest,
            "report_id": RiskReport.objects.get(**mine).pk,
        }

    def validation(self, sweep):
        from apps.backtests.models import Validation

        return Validation.objects.create(
            team=self.team, version=sweep.version, kind="walk_forward", title="Walk",
            strategy=sweep.strategy, objective="sharpe", created_by="user:0",
            created_at=self.now, space={"lookback": [1]}, request={"params": {}},
        )  # fmt: skip

    def trading(self):
        from apps.risk.models import Stop
        from apps.trading.models import Account, Balance, Deployment, Order

        mine = {"team": self.team}
        account, order = Account.objects.get(**mine), Order.objects.get(**mine)
        deployment = Deployment.objects.get(**mine)
        deployment.status = Deployment.Status.STOPPED
        deployment.save(update_fields=["status"])
        stop = Stop.objects.create(
            **mine, scope=f"account:{account.pk}", state="active", equity=70.0, peak=100.0,
            day_start=100.0, day=self.now.date(), drawdown_limit=0.2, cause="30.0% below its peak",
            trips=1, tripped_at=self.now, updated_at=self.now,
        )  # fmt: skip
        balance = Balance.objects.create(
            **mine, account=account, job_id=uuid.uuid4(), version=1, policy={}, epoch=0,
            status="failed", words="no bars", created_by="user:0", created_at=self.now,
        )  # fmt: skip
        return {
            "scope": stop.scope,
            "balance_id": balance.pk,
            "account_id": account.pk,
            "order_id": order.pk,
            "deployment_id": deployment.pk,
        }

    def market(self):
        from apps.core import secrets
        from apps.market import models

        made = {"created_at": self.now, "created_by": "user:0"}
        dataset = models.Dataset.objects.get(team=self.team)
        instrument = dataset.instruments.get()
        batch = models.Batch.objects.create(
            dataset=dataset, provider="sample", source="s", sha256="0" * 64, **made
        )
        series = models.Series.objects.get(instrument=instrument)
        models.Revision.objects.create(
            instrument=instrument, series=series, batch=batch, bars=1, first_at=self.now,
            last_at=self.now, created_at=self.now,
        )  # fmt: skip
        held = models.Quarantined.objects.create(
            dataset=dataset, symbol=instrument.symbol, timeframe="1d", ts=self.now, reason="ohlc",
            message="m", provider="sample", created_at=self.now,
        )  # fmt: skip
        flow = models.Flow.objects.create(
            team=self.team, name=f"flow-{self.number}", provider="sample", at_utc=time(6),
            request={"section": "us_stocks", "symbols": ["AAPL"]}, weekdays=[0],
            is_on=False, **made,
        )  # fmt: skip
        live = models.LiveFeed.objects.create(
            team=self.team, name=f"live-{self.number}", provider="replay", section="us_stocks",
            dataset=dataset, timeframe="1d", symbols=[instrument.symbol], is_on=False,
            updated_at=self.now, **made,
        )  # fmt: skip
        models.ProviderKey.objects.create(
            team=self.team, provider="fmp", sealed=secrets.seal(f'{{"api_key": "{CANARY}"}}'),
            hint=CANARY[-4:], **made,
        )  # fmt: skip
        return {
            "dataset": dataset.name,
            "symbol": instrument.symbol,
            "universe": models.Universe.objects.get(team=self.team).name,
            "feed": f"feed-{self.number}",
            "batch_id": batch.pk,
            "quarantined_id": held.pk,
            "flow": flow.name,
            "live_feed": live.name,
            "ingest_id": models.IngestRun.objects.get(team=self.team).pk,
        }

    def scans(self):
        from apps.core import secrets
        from apps.strategies.models import (
            AlertRule,
            AlertTarget,
            Probe,
            Scan,
            ScanSchedule,
            StrategyVersion,
        )

        made = {"team": self.team, "created_at": self.now, "created_by": "user:0"}
        names = {"universe": "sp500-sample", "strategies": ["momentum_12_1"]}
        scan = Scan.objects.create(timeframe="1d", finished_at=self.now, **names, **made)
        schedule = ScanSchedule.objects.create(every="day", at_utc=time(6), **names, **made)
        target = AlertTarget.objects.create(
            name=f"target-{self.number}",
            scheme="json",
            sealed=secrets.seal(f"json://{CANARY}"),
            **made,
        )
        rule = AlertRule.objects.create(name=f"rule-{self.number}", target=target, **made)
        probe = Probe.objects.create(
            version=StrategyVersion.objects.filter(team=self.team).first(), verdict="passed",
            report={"copies": 40, "bars": 400}, digest="0" * 64, finished_at=self.now, **made,
        )  # fmt: skip
        return {
            "probe_id": probe.pk,
            "scan_id": scan.pk,
            "schedule_id": schedule.pk,
            "alert_target": target.name,
            "alert_rule": rule.name,
        }


def unknown(things):
    """Names and numbers like those of ``things`` that stand for nothing."""
    missing = {}
    for n, (name, value) in enumerate(things.items()):
        if isinstance(value, uuid.UUID):
            missing[name] = UNKNOWN_UUID.format(n)
        elif name.endswith("_id"):
            missing[name] = UNKNOWN_ID + n
        else:
            missing[name] = f"no-such-{name}".replace("_", "-")
    return {**missing, "symbol": "SYM301"}
