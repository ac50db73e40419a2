"""Pages and REST operations of the dashboard."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/", "/gallery"])
@pytest.mark.parametrize("role", ["viewer", "trader", "auditor"])
def test_pages_answer_every_role(client_as, path, role):
    answer = client_as(role).get(path)
    assert answer.status_code == 200
    assert ("btn-halt" in answer.text) == (role == "trader")


def test_pages_hold_to_the_content_security_policy(client_as):
    for path in ("/", "/gallery"):
        text = client_as("trader").get(path).text
        assert " style=" not in text
        assert " onclick=" not in text
        assert "<style" not in text


def test_signed_out_people_are_sent_to_sign_in(db):
    answer = Client().get("/")
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]


def test_overview_over_rest(api_as):
    answer = api_as("viewer").get("/api/v1/dashboard/overview")
    assert answer.status_code == 200
    assert answer.json()["totals"]["equity"] is None


def test_frame_counts_over_rest(api_as):
    body = api_as("viewer").get("/api/v1/dashboard/frame").json()
    assert body["waiting"] == 0
    assert set(body) == {"waiting", "alerts", "halted", "feed", "feed_at"}


def test_dashboard_takes_few_queries(client_as, django_assert_max_num_queries):
    client = client_as("viewer")
    client.get("/")
    with django_assert_max_num_queries(60):
        client.get("/")
