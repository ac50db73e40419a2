"""Every write of trading: accounts, deployments, orders, steps, halts."""

from apps.trading.services.accounts import create_account, ensure_demo_accounts
from apps.trading.services.deployments import deploy, stop_deployment, stop_lapsed
from apps.trading.services.halts import finish_halts, halt, propose_resume, resume
from apps.trading.services.orders import (
    cancel_order,
    place_agreed,
    place_order,
    propose_order,
)
from apps.trading.services.sending import send_intents
from apps.trading.services.stepping import catch_up, step_deployments
from apps.trading.services.stopping import watch_stops

__all__ = [
    "cancel_order",
    "catch_up",
    "create_account",
    "deploy",
    "ensure_demo_accounts",
    "finish_halts",
    "halt",
    "place_agreed",
    "place_order",
    "propose_order",
    "propose_resume",
    "resume",
    "send_intents",
    "step_deployments",
    "stop_deployment",
    "stop_lapsed",
    "watch_stops",
]
