"""Probes answer with what is missing and what to do."""

import pytest

from apps.core import alive, clock
from apps.ops import services
from apps.ops.models import Alert

PATHS = [
    "/health",
    "/health/system",
    "/health/ai",
    "/health/risk",
    "/health/scheduler",
    "/health/monitor",
    "/health/system/history",
    "/health/system/module/database",
]


@pytest.mark.parametrize("path", PATHS)
def test_probe_answers(path, client, db):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json()


def test_ready_names_what_is_missing(client, db):
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    down = {m["name"]: m["advice"] for m in answer.json()["modules"] if m["status"] == "down"}
    assert "manage.py stream" in down["stream"]


def test_ready_once_every_process_told_that_it_lives(client, db):
    now = clock.now()
    queues = ["trading", "io", "compute", "ai", "mail"]
    alive.tell("worker", "test", now=now, queues=queues)
    for kind in ("scheduler", "sequencer", "stream"):
        alive.tell(kind, "test", now=now)
    try:
        assert client.get("/health/ready").status_code == 200
    finally:
        for kind in ("worker", "scheduler", "sequencer", "stream"):
            alive.client().delete(f"{alive.PREFIX}{kind}:test")


def test_unknown_module_names_those_there_are(client, db):
    answer = client.get("/health/system/module/coffee")
    assert answer.status_code == 404
    assert "database" in answer.json()["detail"]


def test_sample_raises_an_alert_once_and_admin_acknowledges(client_as, api_as, db):
    for _ in range(3):
        services.sample_health(now=clock.now())
    alert = Alert.objects.get(key="health.stream")
    assert alert.title in client_as("viewer").get("/ops/").content.decode()
    path = f"/api/v1/alerts/{alert.pk}/acknowledge"
    assert api_as("viewer").post(path).status_code == 403
    admin = api_as("admin")
    assert admin.post(path).json()["acknowledged_by"] == admin.actor.label
    assert admin.post(path).status_code == 409


def test_metrics_are_for_loopback_or_a_token(client, db, settings):
    assert b"django_http" in client.get("/metrics").content
    settings.ENVIRONMENT = "prod"
    assert client.get("/metrics").status_code == 403
    settings.METRICS_TOKEN = "long-enough-token"
    allowed = client.get("/metrics", headers={"authorization": "Bearer long-enough-token"})
    assert allowed.status_code == 200
