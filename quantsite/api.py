"""The REST interface: every app's router under /api/v1."""

from apps.accounts.api import router as accounts_router
from apps.accounts.backends import SessionAuth, TokenAuth
from apps.agents.api import router as agents_router
from apps.approvals.api import router as approvals_router
from apps.assistant.api import router as assistant_router
from apps.audit.api import router as audit_router
from apps.backtests.api import router as backtests_router
from apps.core.reading import StrictParser
from apps.core.rest import Renderer, RestAPI
from apps.dashboard.api import router as dashboard_router
from apps.forecasts.api import router as forecasts_router
from apps.market.api import router as market_router
from apps.ops.api import router as ops_router
from apps.risk.api import router as risk_router
from apps.strategies.api import router as strategies_router
from apps.trading.api import router as trading_router

api = RestAPI(
    title="Quantsite",
    version="1",
    description="A web research lab for small quant teams; see docs/API.md.",
    urls_namespace="api",
    auth=[TokenAuth(), SessionAuth()],
    renderer=Renderer(),
    parser=StrictParser(),
)
for router in (
    accounts_router,
    audit_router,
    approvals_router,
    market_router,
    risk_router,
    strategies_router,
    backtests_router,
    forecasts_router,
    trading_router,
    assistant_router,
    agents_router,
    ops_router,
    dashboard_router,
):
    api.add_router("", router)
