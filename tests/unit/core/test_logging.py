"""Log lines tell which page was asked for, never the secret of a link."""

import logging

import pytest
import structlog

from quantsite.settings.logging import LOGGING, hide_keys, hide_secret_links


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("GET /team/join/s3cr-et_X/", "GET /team/join/…/"),
        ("POST /team/join/s3cr-et_X/?a=1", "POST /team/join/…/?a=1"),
        ("GET /accounts/password/reset/key/1a-s3cr-et/", "GET /accounts/password/reset/key/…/"),
        ("GET /accounts/login/?next=%2Fteam%2Fjoin%2Fs3cret%2F", None),
        ("GET /team/people/7/role/", "GET /team/people/7/role/"),
    ],
)
def test_the_end_of_a_secret_link_is_left_out(told, kept):
    event = hide_secret_links(None, "info", {"request": told, "code": 200})
    assert "s3cr" not in event["request"]
    assert kept is None or event["request"] == kept


def test_lines_of_the_framework_are_covered_too():
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=LOGGING["formatters"]["json"]["processors"],
        foreign_pre_chain=LOGGING["formatters"]["json"]["foreign_pre_chain"],
    )
    words = ("Not Found: %s", ("/team/join/s3cret/",))
    record = logging.LogRecord("django.request", logging.WARNING, "x", 1, *words, None)
    assert "s3cret" not in formatter.format(record)


@pytest.mark.parametrize(
    "told",
    [
        "HTTP Request: GET https://vendor/rsi?symbol=BTC&secret=s3cr-et_X&interval=1h",
        "GET /bars?apikey=s3cr-et_X",
        '{"api_key": "s3cr-et_X", "symbol": "BTC"}',
        "{'secret_key': 's3cr-et_X'}",
        "secret: s3cr-et_X",
    ],
)
def test_keys_of_vendors_are_left_out(told):
    event = hide_keys(None, "info", {"event": told, "code": 200})
    assert "s3cr" not in event["event"]
    assert "…" in event["event"]


def test_what_is_named_a_key_is_not_told():
    event = {"api_key": "s3cret", "Authorization": "Bearer s3cret", "symbol": "BTC", "rows": 7}
    assert hide_keys(None, "info", event) == {
        "api_key": "…",
        "Authorization": "…",
        "symbol": "BTC",
        "rows": 7,
    }
