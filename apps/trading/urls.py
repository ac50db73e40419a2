"""Pages of trading."""

from django.urls import path

from apps.trading import views

app_name = "trading"
urlpatterns = [
    path("", views.live, name="live"),
    path("accounts/", views.open_account, name="open_account"),
    path("orders/<uuid:order_id>/", views.show_order, name="show_order"),
    path("propose/<uuid:run_id>/", views.propose_run, name="propose_run"),
    path("<int:account_id>/propose/", views.propose_trade, name="propose_trade"),
    path("<int:account_id>/", views.account, name="account"),
    path("<int:account_id>/balancer/", views.balancer, name="balancer"),
    path("<int:account_id>/balancer/set/", views.set_balancer, name="set_balancer"),
    path("<int:account_id>/balancer/run/", views.run_balancer, name="run_balancer"),
    path("<int:account_id>/deploy/", views.deploy, name="deploy"),
    path("<int:account_id>/deployments/<int:deployment_id>/stop/", views.stop, name="stop"),
    path("<int:account_id>/order/", views.order, name="order"),
    path("<int:account_id>/what-if/", views.what_if, name="what_if"),
    path("<int:account_id>/halt/", views.halt, name="halt"),
    path("<int:account_id>/resume/", views.resume, name="resume"),
]
