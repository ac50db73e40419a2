"""Pages of backtests."""

from django.urls import path

from apps.backtests import views

app_name = "backtests"
urlpatterns = [
    path("", views.runs, name="runs"),
    path("new/", views.new, name="new"),
    path("new/parameters/", views.parameters, name="parameters"),
    path("compare/", views.compare, name="compare"),
    path("sweeps/", views.sweeps, name="sweeps"),
    path("studies/", views.studies, name="studies"),
    path("studies/<int:study_id>/", views.study, name="study"),
    path("families/", views.families, name="families"),
    path("families/<int:family_id>/", views.family, name="family"),
    path("validations/", views.validations, name="validations"),
    path("validations/<uuid:validation_id>/", views.validation, name="validation"),
    path("sweeps/<uuid:sweep_id>/", views.sweep, name="sweep"),
    path("<uuid:run_id>/", views.run, name="run"),
    path("<uuid:run_id>/doctor/", views.doctor, name="doctor"),
    path("shared/<str:token>/", views.shared, name="shared"),
    path("<uuid:run_id>/parts/<slug:name>/", views.part, name="part"),
    path("<uuid:run_id>/gauntlet/", views.gauntlet, name="gauntlet"),
    path("<uuid:run_id>/monte-carlo/", views.monte_carlo, name="monte_carlo"),
]
