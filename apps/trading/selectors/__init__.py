"""Every read of trading: accounts, deployments, orders, halts, what the live page shows."""

from apps.trading.selectors.accounts import (
    OPEN,
    account_json,
    get_account,
    get_deployment,
    list_accounts,
    list_deployments,
    list_feed_accounts,
    open_deployments,
)
from apps.trading.selectors.balancers import (
    balance_json,
    balancer_json,
    balancer_page,
    get_balance,
    list_balances,
)
from apps.trading.selectors.deployable import (
    Deployable,
    approval_of,
    caps_of,
    check_approved,
    held_elsewhere,
    list_deployable,
)
from apps.trading.selectors.halts import (
    get_halt,
    halt_json,
    halted_among,
    list_halted_scopes,
    list_halts,
)
from apps.trading.selectors.orders import get_order, list_fills, list_orders, order_json
from apps.trading.selectors.pages import (
    deployable_choices,
    find_busiest_account,
    live_context,
    new_account_context,
)
from apps.trading.selectors.positions import list_positions, position_json, position_row
from apps.trading.selectors.returns import account_returns, run_returns
from apps.trading.selectors.snapshots import (
    account_snapshot,
    deployment_json,
    equity_curve,
    equity_json,
    equity_tails,
    equity_words,
    holdings_of,
)
from apps.trading.selectors.windows import read_window

__all__ = [
    "OPEN",
    "Deployable",
    "account_json",
    "account_returns",
    "account_snapshot",
    "approval_of",
    "balance_json",
    "balancer_json",
    "balancer_page",
    "caps_of",
    "check_approved",
    "deployable_choices",
    "deployment_json",
    "equity_curve",
    "equity_json",
    "equity_tails",
    "equity_words",
    "find_busiest_account",
    "get_account",
    "get_balance",
    "get_deployment",
    "get_halt",
    "get_order",
    "halt_json",
    "halted_among",
    "held_elsewhere",
    "holdings_of",
    "list_accounts",
    "list_balances",
    "list_deployable",
    "list_deployments",
    "list_feed_accounts",
    "list_fills",
    "list_halted_scopes",
    "list_halts",
    "list_orders",
    "list_positions",
    "live_context",
    "new_account_context",
    "open_deployments",
    "order_json",
    "position_json",
    "position_row",
    "read_window",
    "run_returns",
]
