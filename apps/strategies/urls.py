"""Pages of strategies."""

from django.urls import path

from apps.strategies import views

app_name = "strategies"
urlpatterns = [
    path("", views.inventory, name="inventory"),
    path("new/", views.new, name="new"),
    path("scanner/", views.scanner, name="scanner"),
    path("scanner/history/", views.signal_history, name="signal_history"),
    path("scanner/alerts/", views.signal_alerts, name="signal_alerts"),
    path("code/", views.code, name="code"),
    path("<int:strategy_id>/edit/", views.edit, name="edit"),
    path("expressions/", views.expressions, name="expressions"),
    path("expressions/catalogue/", views.catalogue, name="catalogue"),
    path("library/", views.library, name="library"),
    path("versions/<int:version_id>/", views.version, name="version"),
    path("versions/<int:version_id>/diff/<int:against>/", views.diff, name="diff"),
    path("<int:strategy_id>/", views.strategy, name="strategy"),
]
