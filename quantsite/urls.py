"""Every address of the site; each app brings its own pages."""

from allauth.account.decorators import reauthentication_required
from allauth.usersessions.views import list_usersessions
from django.urls import include, path

from apps.core.doors import in_transactions
from quantsite.api import api

urlpatterns = [
    path("api/v1/", api.urls),
    path(
        "accounts/sessions/",
        # To end the others one has to be who signed in; to look at them is free.
        reauthentication_required(list_usersessions, allow_get=True),
        name="usersessions_list",
    ),
    path("accounts/", in_transactions(include("allauth.urls"))),
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
