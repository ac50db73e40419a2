"""Pages of the assistant."""

from django.urls import path

from apps.assistant import views

app_name = "assistant"
urlpatterns = [
    path("", views.forge, name="forge"),
    path("searches/<int:search_id>/", views.search, name="search"),
    path("hypotheses/<int:hypothesis_id>/", views.hypothesis, name="hypothesis"),
]
