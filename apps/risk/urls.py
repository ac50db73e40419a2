"""Pages of risk."""

from django.urls import path

from apps.risk import views

app_name = "risk"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("parts/measures/", views.measures, name="measures"),
    path("parts/worst/", views.worst, name="worst"),
    path("parts/breaches/", views.breaches, name="breaches"),
    path("grades/", views.grades, name="grades"),
    path("grades/now/", views.grade_now, name="grade_now"),
    path("stress/", views.stress, name="stress"),
    path("stress/scenario/", views.edit_scenario, name="edit_scenario"),
    path("stress/archive/<int:scenario_id>/", views.archive_scenario, name="archive_scenario"),
    path("limits/", views.limits, name="limits"),
    path("limits/set/", views.set_limits, name="set_limits"),
    path("reports/", views.reports, name="reports"),
    path("reports/make/", views.make_report, name="make_report"),
    path("reports/wish/", views.wish_report, name="wish_report"),
    path("guard/", views.guard, name="guard"),
    path("guard/resume/", views.resume_stop, name="resume_stop"),
]
