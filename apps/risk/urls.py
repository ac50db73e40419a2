"""Pages of risk."""

from django.urls import path

from apps.risk import views

app_name = "risk"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("grades/", views.grades, name="grades"),
    path("grades/now/", views.grade_now, name="grade_now"),
    path("stress/", views.stress, name="stress"),
    path("stress/scenario/", views.edit_scenario, name="edit_scenario"),
    path("stress/archive/<int:scenario_id>/", views.archive_scenario, name="archive_scenario"),
    path("limits/", views.set_limits, name="set_limits"),
    path("guard/", views.guard, name="guard"),
    path("guard/resume/", views.resume_stop, name="resume_stop"),
]
