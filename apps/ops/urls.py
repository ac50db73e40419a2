"""Pages and probes of ops."""

from django.urls import path

from apps.ops import views

app_name = "ops"
urlpatterns = [
    path("health", views.live, name="live"),
    path("health/ready", views.ready, name="ready"),
    path("health/system", views.system, name="system"),
    path("health/ai", views.ai, name="ai"),
    path("health/risk", views.risk, name="risk"),
    path("health/scheduler", views.scheduler, name="scheduler"),
    path("health/monitor", views.monitor, name="monitor"),
    path("health/system/history", views.history, name="history"),
    path("health/system/module/<str:name>", views.module, name="module"),
    path("metrics", views.metrics, name="metrics"),
    path("ops/", views.operations, name="operations"),
]
