"""Pages of accounts."""

from django.urls import path

from apps.accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.settings_page, name="settings"),
    path("people/", views.people_page, name="people"),
    path("people/invite/", views.invite, name="invite"),
    path("people/<int:user_id>/role/", views.change_role, name="change_role"),
    path("people/<int:user_id>/remove/", views.remove_member, name="remove_member"),
    path(
        "invitations/<int:invitation_id>/revoke/",
        views.revoke_invitation,
        name="revoke_invitation",
    ),
    path("tokens/", views.tokens_page, name="tokens"),
    path("tokens/<int:token_id>/revoke/", views.revoke_token, name="revoke_token"),
    path("sessions/<int:session_id>/end/", views.end_session, name="end_session"),
    path("switch/", views.switch_team, name="switch"),
    path("join/<str:secret>/", views.join_page, name="join"),
]
