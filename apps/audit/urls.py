"""Pages of audit."""

from django.urls import path

from apps.audit import views

app_name = "audit"
urlpatterns = [
    path("", views.trail, name="trail"),
    path("reconcile/", views.reconcile, name="reconcile"),
    path("<uuid:event_id>/", views.event, name="event"),
]
