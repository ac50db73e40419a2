"""Pages of dashboard."""

from django.urls import path

from apps.dashboard import views

app_name = "dashboard"
urlpatterns = [
    path("", views.home, name="home"),
    path("revisions/<int:batch_id>/", views.blast_radius, name="blast_radius"),
    path("revisions/<int:batch_id>/rerun", views.rerun, name="rerun"),
    path("gallery", views.gallery, name="gallery"),
]
