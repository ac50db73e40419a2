"""Tables of trading: accounts, deployments, orders, fills, positions, halts, balancers."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from apps.core.models import TeamOwned
from apps.trading.kernel import order_states

MONEY: dict[str, Any] = {"max_digits": 30, "decimal_places": 8}
QUANTITY: dict[str, Any] = {"max_digits": 36, "decimal_places": 12}


class Account(TeamOwned):
    """Money at a broker. ``cash`` is what no deployment holds."""

    name = models.CharField(max_length=80)
    broker = models.CharField(max_length=40)
    is_paper = models.BooleanField()
    currency = models.CharField(max_length=8)
    feed = models.CharField(max_length=64)
    initial_cash = models.DecimalField(**MONEY)
    cash = models.DecimalField(**MONEY)
    fee_bps = models.FloatField()
    slippage_bps = models.FloatField()
    units = models.CharField(max_length=10, default="fractional")
    more_costs = models.JSONField(default=dict)
    execution = models.JSONField(default=dict)
    epoch = models.PositiveIntegerField(default=0)
    last_bar_at = models.DateTimeField(null=True)
    equity = models.FloatField()
    gross = models.FloatField(default=0.0)
    net = models.FloatField(default=0.0)
    peak_equity = models.FloatField()
    day_start_equity = models.FloatField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "name"), name="one_account_per_name"),
            models.CheckConstraint(
                condition=Q(fee_bps__gte=0, slippage_bps__gte=0), name="account_costs_not_negative"
            ),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="account_team_recent"),
            models.Index(fields=("feed",), name="account_feed"),
        )

    def __str__(self) -> str:
        return self.name


class Deployment(TeamOwned):
    """A strategy version at work on an account; what it needs to go on is in ``state``."""

    class Status(models.TextChoices):
        """What it does at the next bar."""

        RUNNING = "running"
        HALTED = "halted"
        STOPPED = "stopped"
        ENDED = "ended"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="deployments")
    version_id = models.BigIntegerField()
    version_digest = models.CharField(max_length=64)
    version_label = models.CharField(max_length=200)
    strategy = models.CharField(max_length=80)
    params = models.JSONField(default=dict)
    approval_id = models.UUIDField()
    feed = models.CharField(max_length=64)
    epoch = models.PositiveIntegerField()
    symbols = models.JSONField()
    allocation = models.DecimalField(**MONEY)
    history_from = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    note = models.CharField(max_length=500, blank=True, default="")
    state = models.JSONField(default=dict)
    equity = models.FloatField()
    last_bar_at = models.DateTimeField(null=True)
    bars_done = models.PositiveIntegerField(default=0)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(allocation__gt=0), name="deployment_allocation_positive"
            ),
            models.UniqueConstraint(
                fields=("account", "version_id"),
                condition=Q(status__in=("running", "halted")),
                name="one_open_deployment_per_version",
            ),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="deployment_team_recent"),
        )

    def __str__(self) -> str:
        return f"{self.version_label} on {self.account_id}"


class Order(TeamOwned):
    """An intent, stored under its client id before anything is sent.

    ``number`` is that of a strategy's own order in its deployment's session, ``terms`` what it
    asks for beside kind, side and quantity.
    """

    class Kind(models.TextChoices):
        """What is asked for: a quantity, or a weight of equity sized at the fill."""

        MARKET = "market"
        TARGET = "target"
        LIMIT = "limit"
        STOP = "stop"
        STOP_LIMIT = "stop_limit"
        TRAILING = "trailing"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client_id = models.CharField(max_length=80)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="orders")
    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.CASCADE, related_name="orders"
    )
    symbol = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=Kind)
    side = models.CharField(max_length=4)
    quantity = models.DecimalField(**QUANTITY)
    target_weight = models.FloatField(null=True)
    number = models.PositiveIntegerField(null=True)
    terms = models.JSONField(default=dict)
    reference_price = models.DecimalField(**MONEY)
    state = models.CharField(
        max_length=20,
        choices=[(state, state) for state in order_states.STATES],
        default=order_states.CREATED,
    )
    reasons = models.JSONField(default=list)
    venue_id = models.CharField(max_length=120, blank=True, default="")
    filled_quantity = models.DecimalField(**QUANTITY, default=0)
    average_price = models.DecimalField(**MONEY, null=True)
    fees = models.DecimalField(**MONEY, default=0)
    fence = models.PositiveIntegerField(default=0)
    epoch = models.PositiveIntegerField()
    bar_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("account", "client_id"), name="one_order_per_client_id"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=0), name="order_quantity_not_negative"
            ),
            models.CheckConstraint(condition=Q(side__in=("buy", "sell")), name="order_side_known"),
        )
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="order_team_recent"),
            models.Index(fields=("account", "-created_at", "-id"), name="order_account_recent"),
            models.Index(
                fields=("account", "deployment"),
                condition=Q(state__in=sorted(order_states.WORKING)),
                name="order_working",
            ),
        )

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol}"


class Fill(models.Model):
    """A trade that happened; never changed."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="fills")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="fills")
    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.CASCADE, related_name="fills"
    )
    symbol = models.CharField(max_length=40)
    quantity = models.DecimalField(**QUANTITY)
    price = models.DecimalField(**MONEY)
    fee = models.DecimalField(**MONEY)
    bar_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("account", "-id"), name="fill_account_recent"),)

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol} at {self.price}"


class Position(models.Model):
    """What is held now, by account and deployment; manual trades have no deployment."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="positions")
    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.CASCADE, related_name="positions"
    )
    symbol = models.CharField(max_length=40)
    quantity = models.DecimalField(**QUANTITY)
    average_price = models.DecimalField(**MONEY)
    last_price = models.DecimalField(**MONEY)
    last_price_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("account", "deployment", "symbol"),
                nulls_distinct=False,
                name="one_position_per_symbol",
            ),
            models.CheckConstraint(condition=~Q(quantity=0), name="position_is_held"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol}"


class Halt(models.Model):
    """A scope that was halted at least once; ``fence`` counts its halts."""

    scope = models.CharField(max_length=40, unique=True)
    team = models.ForeignKey(
        "accounts.Team", null=True, on_delete=models.CASCADE, related_name="+"
    )
    is_halted = models.BooleanField()
    fence = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=500)
    halted_by = models.CharField(max_length=80)
    halted_by_label = models.CharField(max_length=160, blank=True, default="")
    halted_at = models.DateTimeField()
    cancelled_orders = models.PositiveIntegerField(default=0)
    open_after = models.PositiveIntegerField(null=True)
    resume_reason = models.CharField(max_length=500, blank=True, default="")
    resumed_by = models.CharField(max_length=80, blank=True, default="")
    resumed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("team", "-halted_at"), name="halt_team_recent"),)

    def __str__(self) -> str:
        return f"{self.scope} {'halted' if self.is_halted else 'open'}"


class Balancer(TeamOwned):
    """What keeps the account's own holdings near the weights of an optimiser, by its policy.

    ``agreed_by`` is the proposal under which it sends orders by itself.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="balancer")
    version = models.PositiveIntegerField()
    policy = models.JSONField()
    is_on = models.BooleanField()
    next_due_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True, default="")
    noted_at = models.DateTimeField(null=True)
    agreed_by = models.UUIDField(null=True)
    updated_by = models.CharField(max_length=80)
    updated_by_label = models.CharField(max_length=160, blank=True, default="")
    updated_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=("next_due_at",), condition=Q(is_on=True), name="balancer_due"),
        )

    def __str__(self) -> str:
        return f"balancer of account {self.account_id}, version {self.version}"


class Balance(TeamOwned):
    """A run of a balancer: what it was given, what it came to, what was done."""

    class Status(models.TextChoices):
        """What came of it."""

        TRIED = "tried"
        NOTHING = "nothing_to_do"
        PROPOSED = "proposed"
        ORDERED = "ordered"
        INFEASIBLE = "infeasible"
        FAILED = "failed"
        SKIPPED = "skipped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="balances")
    job_id = models.UUIDField(unique=True)
    version = models.PositiveIntegerField()
    policy = models.JSONField()
    status = models.CharField(max_length=14, choices=Status)
    code = models.CharField(max_length=60, blank=True, default="")
    words = models.TextField(blank=True, default="")
    inputs_digest = models.CharField(max_length=64, blank=True, default="")
    state_digest = models.CharField(max_length=64, blank=True, default="")
    epoch = models.PositiveIntegerField()
    bar_at = models.DateTimeField(null=True)
    base = models.FloatField(default=0.0)
    body = models.JSONField(default=dict)
    trades = models.JSONField(default=list)
    proposal_id = models.UUIDField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=("team", "-created_at", "-id"), name="balance_team_recent"),
            models.Index(fields=("account", "-created_at", "-id"), name="balance_account_recent"),
        )

    def __str__(self) -> str:
        return f"balance of account {self.account_id}: {self.status}"
