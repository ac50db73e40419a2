"""System checks: production without secrets or servers is refused with a hint."""

import pytest

from apps.core import checks
from quantsite.settings.database import database_from

GOOD = {
    "ENVIRONMENT": "prod",
    "SECRET_KEY": "x" * 60,
    "SEAL_KEY": "b25seS1mb3ItdGVzdHMtMDEyMzQ1Njc4OWFiY2RlZjA=",
    "METRICS_TOKEN": "t" * 40,
    "ALLOWED_HOSTS": ["lab.example.org"],
}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"SECRET_KEY": "short"}, ["quantsite.E001"]),
        ({"SEAL_KEY": ""}, ["quantsite.E002"]),
        ({"SEAL_KEY": "not-a-key"}, ["quantsite.E002"]),
        ({"METRICS_TOKEN": ""}, ["quantsite.W001"]),
        ({"ENVIRONMENT": "lab", "SECRET_KEY": "", "SEAL_KEY": ""}, []),
    ],
)
def test_secrets_are_judged_in_production(settings, changes, ids):
    for name, value in {**GOOD, **changes}.items():
        setattr(settings, name, value)
    found = checks.check_secrets()
    assert [message.id for message in found] == ids
    assert all(message.hint for message in found)


@pytest.mark.parametrize(
    ("dsn", "redis", "words"),
    [
        ("host=/run/postgresql user=app", "unix:///run/redis.sock?db=0", []),
        ("host=127.0.0.1 user=app", "redis://localhost:6379/0", []),
        ("host=postgres user=app sslmode=verify-full", "rediss://:x@redis:6379/0", []),
        (
            "host=postgres user=app",
            "rediss://redis/0",
            ["PostgreSQL on postgres (sslmode prefer)"],
        ),
        ("host=db user=app sslmode=require", "redis://cache/0", ["require", "Redis on cache"]),
    ],
)
def test_servers_elsewhere_are_asked_for_tls(settings, monkeypatch, dsn, redis, words):
    settings.ENVIRONMENT, settings.REDIS_URL = "prod", redis
    monkeypatch.setitem(settings.DATABASES, "default", database_from(dsn))
    found = checks.check_ways_inside()
    assert [message.id for message in found] == ["quantsite.W003"] * bool(words)
    assert all(word in found[0].msg for word in words)


@pytest.mark.parametrize(
    ("host", "security", "ids"),
    [
        ("mail.example.org", "starttls", []),
        ("mail.example.org", "tls", []),
        ("localhost", "none", []),
        ("mail.example.org", "none", ["quantsite.E007"]),
        ("mail.example.org", "ssl", ["quantsite.E007"]),
    ],
)
def test_mail_leaves_the_machine_encrypted(settings, host, security, ids):
    settings.ENVIRONMENT, settings.EMAIL_HOST, settings.EMAIL_SECURITY = "prod", host, security
    assert [message.id for message in checks.check_mail()] == ids


def test_every_host_is_too_many(settings):
    settings.ENVIRONMENT = "prod"
    settings.ALLOWED_HOSTS = ["*"]
    assert "quantsite.E004" in [message.id for message in checks.check_addresses()]


def test_a_plug_that_is_not_there_is_named(settings):
    settings.BROKERS = {"ghost": {"CLASS": "apps.trading.brokers.ghost.Ghost"}}
    (message,) = checks.check_plugs()
    assert message.id == "quantsite.E005"
    assert "ghost" in message.msg


def test_minutes_are_kept_for_ever_or_for_days_enough_to_be_used(settings):
    for days in (0, 7, 4000):
        settings.MINUTES_KEPT_DAYS = days
        assert checks.check_retention() == []
    for days in (-1, 1, 6):
        settings.MINUTES_KEPT_DAYS = days
        (message,) = checks.check_retention()
        assert message.id == "quantsite.E006"
        assert "0 to keep them for ever" in message.hint


def test_a_team_deployment_whose_log_stays_on_the_machine_is_told(settings):
    settings.ENVIRONMENT, settings.LOGS_TO = "prod", ""
    assert [one.id for one in checks.check_logs()] == ["quantsite.W002"]
    settings.LOGS_TO = "https://collector.example.org/v1/logs"
    assert checks.check_logs() == []
    settings.ENVIRONMENT, settings.LOGS_TO = "lab", ""
    assert checks.check_logs() == []
