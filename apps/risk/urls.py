"""Pages of risk."""

from django.urls import path

from apps.risk import views

app_name = "risk"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("limits/", views.set_limits, name="set_limits"),
]
