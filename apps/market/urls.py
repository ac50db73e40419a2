"""Pages of market."""

from django.urls import path

from apps.market import views

app_name = "market"
urlpatterns = [
    path("", views.data_room, name="room"),
    path("universes/new/", views.new_universe, name="new_universe"),
    path("universes/<slug:name>/", views.universe, name="universe"),
    path("universes/<slug:name>/check", views.check_universe, name="check_universe"),
    path("instruments/<str:symbol>/", views.instrument, name="instrument"),
    path("instruments/<str:symbol>/health/", views.findings, name="findings"),
    path("instruments/<str:symbol>/health/say", views.say, name="say"),
    path("instruments/<str:symbol>/health/repair", views.repair, name="repair"),
    path("quarantine/", views.quarantine, name="quarantine"),
    path("quarantine/drop", views.drop_bars, name="drop_bars"),
    path("quarantine/<int:quarantined_id>/", views.decide_bar, name="decide_bar"),
    path("revisions/", views.revisions, name="revisions"),
    path("revisions/<int:batch_id>/", views.revision, name="revision"),
    path("ingest/", views.ingest, name="ingest"),
    path("ingest/start", views.start_ingest, name="start_ingest"),
    path("ingest/<uuid:ingest_id>/retry", views.retry_ingest, name="retry_ingest"),
    path("flows/", views.create_flow, name="create_flow"),
    path("flows/<slug:name>/", views.change_flow, name="change_flow"),
    path("upload/", views.upload, name="upload"),
    path("upload/send", views.send_upload, name="send_upload"),
    path("reference/", views.reference, name="reference"),
    path("reference/members", views.ask_for_members, name="ask_for_members"),
    path("providers/", views.providers, name="providers"),
    path("providers/<slug:name>/", views.change_provider_key, name="provider_key"),
    path("live-feeds/", views.create_live_feed, name="create_live_feed"),
    path("live-feeds/<slug:name>/", views.change_live_feed, name="change_live_feed"),
    path("feeds/<slug:name>/", views.change_feed, name="change_feed"),
]
