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
    "/fx": None,
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


def rest_of_all(api_as):
    client = api_as("admin")
    return [(client, path) for path in endpoints()]


def pages_of_all(client_as):
    clients = {role: client_as(role) for role in {"admin", *OTHERS.values()}}
    return [(clients[OTHERS.get(path, "admin")], path) for path in PAGES]


@pytest.mark.parametrize("doors", ["rest", "pages"])
def test_lists_ask_as_often_for_many_rows_as_for_few(doors, crowd, api_as, client_as):
    opened = rest_of_all(api_as) if doors == "rest" else pages_of_all(client_as)
    crowd.grow(FEW)
    few = {path: counted(client, path) for client, path in opened}
    crowd.grow(MANY)
    many = {path: counted(client, path) for client, path in opened}
    more = {
        path: (
            len(few[path]),
            len(many[path]),
            [sql for sql in many[path] if sql not in few[path]],
        )
        for path in few
        if len(many[path]) != len(few[path])
    }
    assert more == {}, "queries for few rows, for many, and which are new"


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
