"""A team with as many rows of everything as a test asks for, so that lists can be long."""

import uuid
from datetime import timedelta
from decimal import Decimal

from tests.factories import people, research

FAR = timedelta(days=30)
HEX = "{:064x}"


class Crowd:
    """Rows are numbered through, so that a crowd can grow."""

    def __init__(self, team, now):
        self.team, self.now, self.count = team, now, 0

    def grow(self, to):
        """Add rows of every kind until there are ``to`` of each."""
        while self.count < to:
            self.count += 1
            self.add(self.count, self.now + timedelta(minutes=self.count))
        return self

    def add(self, n, at):
        """Add the n-th row of everything, each naming a person of its own."""
        who = people.make_actor(self.team, "researcher")
        self.people(n, at, who)
        version, job = self.strategies(n, at, who)
        self.research(n, at, who, version, job)
        self.approvals(n, at, who, version)
        self.trading(n, at, who, version)
        self.market(n, at, who, job)
        self.rest(n, at, who)

    def people(self, n, at, who):
        from apps.accounts.models import Invitation, Token

        mine = {"team": self.team, "created_at": at}
        Token.objects.create(
            **mine, user_id=who.user_id, name=f"t{n}", prefix=f"p{n}", digest=f"token {n}"
        )
        Invitation.objects.create(
            **mine,
            email=f"guest{n}@example.test",
            role="viewer",
            digest=f"invitation {n}",
            invited_by_id=who.user_id,
            expires_at=at + FAR,
        )

    def strategies(self, n, at, who):
        from apps.core.models import Job
        from apps.strategies import services

        name, params = f"crowd_{n}", {"fast": 5 + n, "slow": 60 + n}
        services.create_strategy(
            actor=who, name=name, title=name, kind="library", plug="sma_crossover",
            params=params, now=at,
        )  # fmt: skip
        version = services.ensure_version(
            actor=who, name="sma_crossover", params={"fast": 5 + n, "slow": 90 + n}, now=at
        )
        job = Job.objects.create(
            team=self.team, kind="backtest", title=f"Job {n}", task="t", queue="compute",
            created_by=who.name, created_at=at, status="done" if n % 2 else "running",
        )  # fmt: skip
        return version, job

    def research(self, n, at, who, version, job):
        from apps.assistant.models import Hypothesis, Search, Usage
        from apps.backtests.models import Study

        made = {"team": self.team, "created_at": at}
        study = Study.objects.create(
            **made, name=f"study-{n}", title=f"Study {n}", created_by=who.name
        )
        research.make_run(self.team, at, version, author=who.name, job=job, study=study)
        search = Search.objects.create(
            **made, universe="sp500-sample", timeframe="1d", job_id=job.pk, created_by=who.name
        )
        Hypothesis.objects.create(
            **made, search=search, place=1, statement="s", economic_reason="r", origin="genetic",
            expression="rank(close)", words="w", lookback=5, trials=n, version_id=version.id,
        )  # fmt: skip
        Usage.objects.create(
            **made, search=search, provider="p", model="m", outcome="ok", actor=who.name
        )

    def approvals(self, n, at, who, version):
        from apps.approvals.models import Decision, Proposal, Setting
        from apps.audit.services import record

        mine = {"team": self.team, "created_at": at}
        subject = f"version:{version.id}"
        event = record(actor=who, action="proposal.created", subject=subject, body={}, now=at)
        proposal = Proposal.objects.create(
            **mine, kind="promotion", subject=subject, subject_digest=version.digest,
            title=f"Proposal {n}", target_stage="paper", tier=2, rationale="why", author=who.name,
            digest=HEX.format(n), expires_at=at + FAR, event_id=event,
        )  # fmt: skip
        voter = people.make_actor(self.team, "validator")
        Decision.objects.create(
            **mine, proposal=proposal, decider=voter.name, role="validator", decision="approve",
            powers=["proposals.decide.paper"], rationale="r", seen_digest=proposal.digest,
            event_id=event,
        )  # fmt: skip
        Setting.objects.create(
            **mine, key="approvals.open_days", version=n, value=10 + n, created_by=who.name
        )

    def trading(self, n, at, who, version):
        from apps.core.actors import system
        from apps.trading import services
        from apps.trading.models import Deployment, Fill, Halt, Order, Position

        account = services.create_account(
            actor=system("tests", self.team.pk), name=f"Account {n}", cash=Decimal(1000),
            feed="sp500-daily", now=at,
        )  # fmt: skip
        mine = {"team": self.team, "created_at": at}
        deployment = Deployment.objects.create(
            **mine, account=account, version_id=version.id, version_digest=version.digest,
            version_label=version.label, strategy="sma_crossover", approval_id=uuid.uuid4(),
            feed="sp500-daily", epoch=1, symbols=["AAPL"], allocation=Decimal(500),
            history_from=at, equity=500.0, created_by=who.name,
        )  # fmt: skip
        price = {"symbol": "AAPL", "quantity": Decimal(1)}
        order = Order.objects.create(
            **mine, **price, account=account, deployment=deployment, client_id=f"o{n}",
            kind="market", side="buy", reference_price=Decimal(1), epoch=1, state="filled",
            created_by=who.name, finished_at=at,
        )  # fmt: skip
        where = {"account": account, "deployment": deployment}
        Fill.objects.create(
            **where, **price, order=order, price=Decimal(1), fee=Decimal(0), bar_at=at,
            created_at=at,
        )  # fmt: skip
        Position.objects.create(
            **where, **price, average_price=Decimal(1), last_price=Decimal(1), last_price_at=at,
            updated_at=at,
        )  # fmt: skip
        Halt.objects.create(
            team=self.team, scope=f"deployment:{deployment.pk}", is_halted=True, reason="r",
            halted_by=who.name, halted_at=at,
        )  # fmt: skip

    def market(self, n, at, who, job):
        from apps.market.models import (
            Dataset,
            FeedSession,
            IngestRun,
            Instrument,
            Series,
            Universe,
        )

        made = {"team": self.team, "created_at": at}
        dataset = Dataset.objects.create(
            **made, name=f"set-{n}", title=f"Set {n}", source="s", calendar="24/7"
        )
        instrument = Instrument.objects.create(dataset=dataset, symbol=f"SYM{n}", name="n")
        Series.objects.create(instrument=instrument, timeframe="1d")
        universe = Universe.objects.create(
            **made, dataset=dataset, name=f"universe-{n}", timeframe="1d",
            symbols=[instrument.symbol], survivorship="none", created_by=who.name,
        )  # fmt: skip
        FeedSession.objects.create(
            name=f"feed-{n}", universe=universe, timeframe="1d", start_at=at, updated_at=at
        )
        IngestRun.objects.create(
            **made, dataset=dataset, job=job, provider="sample", created_by=who.name
        )

    def rest(self, n, at, who):
        from apps.ops.models import Alert, HealthSample
        from apps.risk.models import Breach, LimitSet, RiskReport

        mine = {"team": self.team, "created_at": at}
        LimitSet.objects.create(
            **mine, subject="", version=n, values={}, reason="r", created_by=who.name
        )
        RiskReport.objects.create(
            **mine,
            subject=f"backtest:{n}",
            title=f"Report {n}",
            body={"columns": {}},
            created_by=who.name,
        )
        Breach.objects.create(**mine, subject=f"account:{n}", code="limit.rate", message="m")
        Alert.objects.create(
            key=f"alert {n}", severity="warning", title="t", raised_at=at, last_at=at
        )
        HealthSample.objects.create(at=at, name="db", status="ok", summary="s")
