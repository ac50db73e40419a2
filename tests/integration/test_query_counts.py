"""A list asks the database as often for twelve rows as for three."""

import json
import re
from datetime import timedelta
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
# Asked with what they need; what is about one thing named in the query is left out by itself.
WITH = {
    "/bars": "?symbol=AAPL&timeframe=1d",
    "/health/history": "?name=db",
    "/readers": "?digest=0",
    "/renames": "?symbol=AAPL",
}
MORE_PAGES = ("/data/universes/universe-1/",)
ROLES = ("admin", "researcher", "trader")


def endpoints():
    """Every address of the REST interface that is read without naming one thing."""
    for path, methods in sorted(json.loads(OPENAPI.read_text())["paths"].items()):
        if "get" in methods and "{" not in path:
            yield f"{path}{WITH.get(path.removeprefix(API), '')}"


def pages(patterns=None, prefix="/"):
    """Every page that is not of one thing."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        place = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from pages(pattern.url_patterns, place)
        elif re.match(r"apps\..*\.views\.", pattern.lookup_str) and "<" not in place:
            yield place
    if patterns is None:
        yield from MORE_PAGES


def counted(client, path):
    """The queries of an answer; None when there is no such list for them."""
    accounts.forget_tokens()  # what is remembered for a time must not decide
    backends._checked.clear()
    asked: list[str] = []
    with connection.execute_wrapper(noting(asked)):
        answer = client.get(path, follow=True)
    assert answer.status_code < 500 or path.startswith("/health"), (path, answer.content)
    return asked if answer.status_code == 200 else None


def looks(clients, path):
    """What each one's look asks; the first look of all only fills what is kept for the team."""
    counted(clients[0], path)
    return [counted(client, path) for client in clients]


def noting(asked):
    """Note the text of each statement; Django's own debug cursor can't copy."""

    def note(execute, sql, params, many, context):
        asked.append(str(sql))
        return execute(sql, params, many, context)

    return note


@pytest.mark.parametrize(("doors", "least"), [("rest", 45), ("pages", 18)])
def test_lists_ask_as_often_for_many_rows_as_for_few(
    doors, least, sample, db, team, now, api_as, client_as, monkeypatch
):
    # When a session was last used is noted once a minute; no minute may end between two looks.
    monkeypatch.setattr(backends, "NOTE_EVERY", timedelta(days=1))
    make, paths = (api_as, endpoints()) if doors == "rest" else (client_as, pages())
    clients, paths = [make(role) for role in ROLES], list(paths)
    crowd = Crowd(team, now).grow(FEW)
    for client in clients:
        counted(client, paths[0])  # fills what is kept for one person
    few = {path: looks(clients, path) for path in paths}
    crowd.grow(MANY)
    more, seen = {}, set()
    for path in paths:
        for before, after in zip(few[path], looks(clients, path), strict=True):
            if before is None or after is None:
                continue
            seen.add(path)
            if len(before) != len(after):
                more[path] = (len(before), len(after), [sql for sql in after if sql not in before])
    assert more == {}, "queries for few rows, for many, and which are new"
    assert len(seen) >= least, sorted(set(paths) - seen)
