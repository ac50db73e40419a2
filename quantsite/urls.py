"""Every address of the site; each app brings its own pages."""

from django.urls import include, path

from quantsite.api import api

urlpatterns = [
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.dashboard.urls")),
    path("team/", include("apps.accounts.urls")),
    path("audit/", include("apps.audit.urls")),
    path("approvals/", include("apps.approvals.urls")),
    path("data/", include("apps.market.urls")),
    path("risk/", include("apps.risk.urls")),
    path("strategies/", include("apps.strategies.urls")),
    path("research/", include("apps.backtests.urls")),
    path("forecasts/", include("apps.forecasts.urls")),
    path("live/", include("apps.trading.urls")),
    path("assistant/", include("apps.assistant.urls")),
    path("agents/", include("apps.agents.urls")),
    path("", include("apps.ops.urls")),
]
handler404 = "apps.core.middleware.page_not_found"
handler500 = "apps.core.middleware.server_error"
