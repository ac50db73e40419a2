"""A list asks the database as often for twelve rows as for three."""

import json
from pathlib import Path

import pytest
from django.db import connection
from django.urls import get_resolver

from apps.accounts import backends
from apps.accounts import selectors as accounts
from tests.factories.crowd import Crowd

FEW, MANY = 3, 12
API = "/api/v1"
OPENAPI = Path(__file__).parents[1] / "data" / "openapi.json"
# Asked with what they need, or not about rows.
WITH = {
    "/fx": "?base=EUR&quote=USD",
    "/bars": "?symbol=AAPL&timeframe=1d",
    "/health/history": "?name=db",
    "/readers": "?digest=0",
    "/renames": "?symbol=AAPL",
    "/audit/verify": None,
    "/backtests/compare": None,
    "/backtests/compare/figure": None,
}
OTHERS = {
    "/research/new/": "researcher",
    "/strategies/new/": "researcher",
    "/data/upload/": "researcher",
}
PAGES = (
    "/",
    "/approvals/",
    "/approvals/settings/",
    "/assistant/",
    "/audit/",
    "/data/",
    "/data/ingest/",
    "/data/providers/",
    "/data/universes/universe-1/",
    "/data/upload/",
    "/live/",
    "/ops/",
    "/research/",
    "/research/new/",
    "/risk/",
    "/strategies/",
    "/strategies/library/",
    "/strategies/new/",
    "/team/people/",
    "/team/tokens/",
    "/team/",
)
# Pages of one thing, forms, and what only a caller with more to say can open.
NO_LISTS = {"/gallery", "/metrics", "/data/universes/new/", "/research/compare/"}


def endpoints():
    """Every address of the REST interface that is read without naming one thing."""
    for path, methods in sorted(json.loads(OPENAPI.read_text())["paths"].items()):
        place = path.removeprefix(API)
        more = WITH.get(place, "")
        if "get" in methods and "{" not in path and more is not None:
            yield f"{path}{more}"


@pytest.fixture
def crowd(sample, db, team, now):
    return Crowd(team, now)


def counted(client, path):
    """The queries of an answer that is not the first, as text."""
    for _ in range(2):
        accounts.forget_tokens()  # what is remembered for a time must not decide
        backends._checked.clear()
        asked: list[str] = []
        with connection.execute_wrapper(noting(asked)):
            answer = client.get(path, follow=True)
        assert answer.status_code == 200, (path, answer.content[:300])
    return asked


def noting(asked):
    """Note the text of each statement; Django's own debug cursor can't copy."""

    def note(execute, sql, params, many, context):
        asked.append(str(sql))
        return execute(sql, params, many, context)

    return note


def assert_level(client, path, crowd):
    few = counted(client, path)
    crowd.grow(MANY)
    many = counted(client, path)
    again = [sql for sql in dict.fromkeys(many) if sql not in set(few)]
    assert len(many) == len(few), f"{len(few)} queries for {FEW} rows, {len(many)}: {again}"


@pytest.mark.parametrize("path", endpoints())
def test_a_list_over_rest_asks_as_often_for_many_rows(path, crowd, api_as):
    client = api_as("admin")
    crowd.grow(FEW)
    assert_level(client, path, crowd)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_as_often_for_many_rows(path, crowd, client_as):
    client = client_as(OTHERS.get(path, "admin"))
    crowd.grow(FEW)
    assert_level(client, path, crowd)


def pages(patterns, prefix="/"):
    for pattern in patterns:
        place = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from pages(pattern.url_patterns, place)
        elif pattern.lookup_str.startswith("apps.") and ".views." in pattern.lookup_str:
            yield place, pattern.callback


def test_no_page_with_a_list_is_forgotten():
    """Pages that are read, and not of one thing, are counted above or named as having no list."""
    found = {
        place
        for place, view in pages(get_resolver().url_patterns)
        if "<" not in place and place not in NO_LISTS and not place.startswith("/health")
    }
    written = {place for place in found if not place.endswith("/")}
    assert found - written - set(PAGES) - WRITES == set()


WRITES = {"/team/people/invite/", "/team/switch/", "/live/accounts/", "/risk/limits/"}
