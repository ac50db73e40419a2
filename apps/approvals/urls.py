"""Pages of approvals."""

from django.urls import path

from apps.approvals import views

app_name = "approvals"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("policies/", views.policies, name="policies"),
    path("policies/<str:key>/propose/", views.propose_setting, name="propose_setting"),
    path("<uuid:proposal_id>/amend/", views.amend, name="amend"),
    path("<uuid:proposal_id>/revoke/", views.revoke, name="revoke"),
    path("settings/", views.settings_page, name="settings"),
    path("settings/<str:key>/", views.change_setting, name="change_setting"),
    path("settings/<str:key>/roll-back/", views.roll_back_setting, name="roll_back_setting"),
    path("<uuid:proposal_id>/", views.proposal, name="proposal"),
    path("<uuid:proposal_id>/decide/", views.decide, name="decide"),
    path("<uuid:proposal_id>/withdraw/", views.withdraw, name="withdraw"),
]
