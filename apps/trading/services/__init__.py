"""Every write of trading: accounts, deployments, orders, steps, halts."""

from apps.trading.services.accounts import create_account, ensure_demo_accounts
from apps.trading.services.balancers import (
    BalancerChange,
    change_balancer,
    end_agreed_balancer,
    set_agreed_balancer,
    set_balancer,
)
from apps.trading.services.balancing import (
    ask_for_balance,
    run_balance,
    start_due_balancers,
)
from apps.trading.services.deployments import deploy, stop_deployment, stop_lapsed
from apps.trading.services.halts import finish_halts, halt, propose_resume, resume
from apps.trading.services.orders import (
    cancel_order,
    place_agreed,
    place_order,
    propose_order,
)
from apps.trading.services.rebalancing import place_rebalance
from apps.trading.services.sending import send_intents
from apps.trading.services.stepping import catch_up, step_deployments
from apps.trading.services.stopping import watch_stops

__all__ = [
    "BalancerChange",
    "ask_for_balance",
    "cancel_order",
    "catch_up",
    "change_balancer",
    "create_account",
    "deploy",
    "end_agreed_balancer",
    "ensure_demo_accounts",
    "finish_halts",
    "halt",
    "place_agreed",
    "place_order",
    "place_rebalance",
    "propose_order",
    "propose_resume",
    "resume",
    "run_balance",
    "send_intents",
    "set_agreed_balancer",
    "set_balancer",
    "start_due_balancers",
    "step_deployments",
    "stop_deployment",
    "stop_lapsed",
    "watch_stops",
]
