"""Forged fields, statements, hostile queries and lines: taken by no operation and no page.

What is asked is made from the OpenAPI document and the table of addresses, so that a new door is
asked as well. Longer: ``tests/speed/doors.py`` (``make soak``).
"""

import json
import logging
import re
from pathlib import Path

import pytest
import structlog
from django.db import transaction
from django.db.models.signals import post_save

from apps.audit.selectors import list_events
from apps.core.doors import PUBLIC
from quantsite.settings.logging import LOGGING
from tests.factories.doors import filled, resolved
from tests.factories.fuzzing import described
from tests.factories.hostility import TEXTS, in_address, written
from tests.factories.recipes import BODIES, MAY, QUERIES
from tests.factories.stage import OPERATIONS, PAGES, ask, ask_rest, methods_of, staged

ROOT = Path(__file__).parents[2]
ASKING = ("admin", "researcher", "trader", "risk_manager", "validator", "auditor")
STATEMENTS = (
    "'; DROP TABLE accounts_user; --",
    "1 OR 1=1",
    "id) UNION SELECT password FROM accounts_user --",
    "name->>'a'='b",
    "created_at; SELECT pg_sleep(9)",
    "-id, (SELECT 1/0)",
    '{"$ne": null}',
    "\\'; SELECT 1 --",
    "a' || (SELECT version()) || 'b",
)
OF_THE_DATABASE = re.compile(rb"psycopg|syntax error at|PostgreSQL \d|SQLSTATE|accounts_user\.")


@pytest.fixture(scope="module")
def stage(servers, sample, django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), staged(servers) as world:
        forget_refusals()
        yield world


def forget_refusals():
    # At the top of a module it would be looked at by the collector, before there is a server.
    from django.core.cache import cache

    cache.clear()


def who_may(permission):
    return next((role for role in ASKING if permission in MAY[role] | {PUBLIC}), ASKING[0])


# --- fields that nobody asked for ----------------------------------------------------------------

WRITTEN = [name for name in BODIES if name.split(" ")[0] in {"POST", "PUT", "PATCH"}]


def forged(stage):
    """Fields that would make more of a row than its maker may."""
    return {
        "id": 7,
        "pk": 7,
        "team": stage.foreign.team.pk,
        "team_id": stage.foreign.team.pk,
        "user_id": 1,
        "actor": "user:1",
        "role": "admin",
        "permissions": ["people.manage"],
        "is_staff": True,
        "is_superuser": True,
        "is_active": True,
        "created_by": "user:1",
        "created_at": "2020-01-01T00:00:00Z",
        "proposed_by": "user:1",
        "approved_by": "user:1",
        "approval": "00000000-0000-4000-8000-000000000001",
        "decided_at": "2020-01-01T00:00:00Z",
        "expires_at": "2199-01-01T00:00:00Z",
        "status": "approved",
        "stage": "live",
        "tier": 1,
        "digest": "f" * 64,
        "epoch": 99,
        "equity": 10**9,
        "is_done": True,
        "is_paper": False,
        "_state": {},
        "__class__": "Team",
    }


def asked_fields(name):
    """The fields that the document says an operation takes."""
    operation = described()[name]
    found = set()
    for body in operation.body:
        schema = body.optimized_schema if hasattr(body, "optimized_schema") else body.definition
        found |= set(re.findall(r'"(\w+)": ', json.dumps(schema, default=str)))
    return found


def saved_by(stage, name, extra):
    """The answer to a recipe with more fields, and the rows that were saved meanwhile."""
    method, place = name.split(" ", 1)
    things, saved = stage.own.things, []

    def note(sender, instance, **_):
        fields = [field.attname for field in instance._meta.concrete_fields]
        row = {field: without_chance(getattr(instance, field)) for field in fields}
        saved.append((sender.__name__, {**row, instance._meta.pk.attname: ""}))

    query = str(resolved(QUERIES.get(name, ""), things))
    body = {**extra, **resolved(BODIES[name], things)}
    role = who_may(OPERATIONS[name])
    post_save.connect(note, weak=False)
    try:
        answer = ask(
            stage.rest[role],
            method,
            f"/api/v1{filled(place, things)}?{query}",
            data=json.dumps(body),
            content_type="application/json",
        )
    finally:
        post_save.disconnect(note)
    return answer.status_code, saved


BY_CHANCE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,64}|gAAAA[\w=-]+"
    r"|20\d\d-\d\d-\d\d[T ][\d:.+Z]*|\b[78]\d{6}\b"
)


def without_chance(value):
    """A value of a row as text, without numbers of rows, times, keys and digests of those."""
    if isinstance(value, bytes | memoryview):
        return "bytes"
    return BY_CHANCE.sub("-", str(value))


SECRETS = {"prefix", "hint", "salt", "token"}


@pytest.mark.parametrize("half", [0, 1])
def test_fields_that_an_operation_does_not_ask_for_change_nothing(stage, half):
    taken = []
    for name in WRITTEN[half::2]:
        fields = asked_fields(name) | set(BODIES[name])
        extra = {key: value for key, value in forged(stage).items() if key not in fields}
        assert len(extra) > 10, name
        plain, forged_too = saved_by(stage, name, {}), saved_by(stage, name, extra)
        if forged_too[0] == 422 != plain[0]:
            continue
        if plain[0] != forged_too[0] or len(plain[1]) != len(forged_too[1]):
            taken.append((name, plain, forged_too))
            continue
        for (table, before), (_, after) in zip(plain[1], forged_too[1], strict=True):
            apart = {key for key in before if before[key] != after[key]} - SECRETS
            if apart:
                taken.append((name, table, {key: (before[key], after[key]) for key in apart}))
    assert not taken, "\n".join(map(str, taken))


# --- statements ----------------------------------------------------------------------------------


def queries_of(name):
    """The names of the query parameters of an operation."""
    return [parameter.name for parameter in described()[name].query]


@pytest.mark.parametrize("half", [0, 1])
def test_statements_in_every_query_are_text(stage, half):
    wrong = []
    reading = [name for name in OPERATIONS if name.startswith("GET ") and queries_of(name)]
    for number, name in enumerate(reading[half::2]):
        role, place = who_may(OPERATIONS[name]), name.split(" ", 1)[1]
        given = str(resolved(QUERIES.get(name, ""), stage.own.things))
        for turn, query in enumerate(queries_of(name)):
            text = in_address(STATEMENTS[(number + turn) % len(STATEMENTS)])
            rest = "&".join(part for part in given.split("&") if not part.startswith(f"{query}="))
            address = f"/api/v1{filled(place, stage.own.things)}?{rest}&{query}={text}"
            answer = ask(stage.rest[role], "GET", address)
            told = getattr(answer, "content", b"")
            if answer.status_code >= 500 or OF_THE_DATABASE.search(told):
                wrong.append((address, answer.status_code, told[:300]))
    assert not wrong, "\n".join(map(str, wrong))


# --- pages ---------------------------------------------------------------------------------------

ASKED = re.compile(r"\.get(?:list)?\(\"(\w+)\"")
WORTH_TRYING = [text for text in TEXTS if len(text) < 10_000]


def page_queries():
    """Every name that a page looks for in what it is asked."""
    files = [path for app in ROOT.glob("apps/*") for path in app.rglob("*.py")]
    rooms = [path for path in files if re.search(r"views|forms|selectors|paging", str(path))]
    return sorted({name for path in rooms for name in ASKED.findall(path.read_text("utf-8"))})


@pytest.mark.parametrize("half", [0, 1])
def test_hostile_queries_make_no_page_fail(stage, half):
    names, failed = page_queries(), []
    assert {"cursor", "sort", "text", "symbol", "ids", "from"} <= set(names)
    shown = [place for place in PAGES if "GET" in methods_of(place)]
    for number, place in enumerate(shown[half::2]):
        address = filled(place, stage.own.things)
        client = stage.browsers[who_may(PAGES[place])]
        for turn in range(2):
            # Each page meets other values; one of them for all names, then another for each.
            base = number * 2 + turn
            values = [WORTH_TRYING[(base + k * turn) % len(WORTH_TRYING)] for k in range(99)]
            pairs = zip(names, values, strict=False)
            query = "&".join(f"{name}={in_address(value)}" for name, value in pairs)
            answer = ask(client, "GET", f"{address}?{query}")
            if answer.status_code >= 500 and place != "/health/ready":
                failed.append(f"{answer.status_code} {address}?{query[:2000]}")
    assert not failed, "\n".join(failed)


# --- the lines of the log ------------------------------------------------------------------------

LINES = (
    'name\r\n{"event": "forged", "level": "info"}',
    "\x1b[2J\x1b[31mred\x1b[0m",
    "one\u2028two\u2029three\x85four\x0bfive\x0csix",
    "\x00\x07\x08\x7f\x9b31m",
    "\u202eeslaf",
)
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def written_lines(records):
    """What the handlers of the lab would write of some records."""
    shape = {key: value for key, value in LOGGING["formatters"]["json"].items() if key != "()"}
    formatter = structlog.stdlib.ProcessorFormatter(**shape)
    return [formatter.format(record) for record in records]


@pytest.mark.parametrize("text", LINES, ids=range(len(LINES)))
def test_a_line_of_the_log_is_one_line_whatever_it_tells(text, caplog):
    logger = structlog.get_logger("tests.lines")
    with caplog.at_level(logging.INFO):
        logger.info("told", name=text, key={"inner": [text]})
        logging.getLogger("of.the.framework").warning("Not Found: %s", text)
        logger.error("failed", exc_info=ValueError(text))
    lines = written_lines(caplog.records)
    assert len(lines) == 3
    for line in lines:
        assert not UNSEEN.search(line)
        assert json.loads(line)["event"] != "forged"


def test_what_a_request_says_forges_no_line(stage, caplog):
    text = 'a\r\n{"event": "forged"}\x1b[31m'
    client = stage.rest["admin"]
    with caplog.at_level(logging.INFO):
        ask(client, "GET", f"/api/v1/{in_address(text)}?q={in_address(text)}")
        ask(client, "GET", "/api/v1/me", headers={"user-agent": text, "x-request-id": text})
        body = written({"name": text, "scopes": ["team.read"]})
        ask(client, "POST", "/api/v1/tokens", data=body, content_type="application/json")
        ask(stage.browsers["admin"], "GET", f"/no/{in_address(text)}/")
    lines = written_lines(caplog.records)
    assert len(lines) >= 4
    for line in lines:
        assert not UNSEEN.search(line)
        assert json.loads(line)["event"] != "forged"


# --- who tries what they may not -----------------------------------------------------------------

HIGH = {
    "POST /orders": "trading.order",
    "POST /deployments": "trading.deploy",
    "POST /halts": "trading.halt",
    "POST /halts/resume": "trading.resume",
    "PUT /risk/limits": "limits.write",
    "PATCH /members/{user_id}": "people.manage",
    "PUT /provider-keys/{provider}": "keys.manage",
    "PUT /settings/{key}": "settings.write",
}


def asked_for_good(stage, name, role):
    """The answer to what is not taken back at once."""
    method, place = name.split(" ", 1)
    body = json.dumps(resolved(BODIES[name], stage.own.things))
    address = "/api/v1" + filled(place, stage.own.things)
    return stage.rest[role].generic(method, address, body, "application/json")


@pytest.mark.parametrize("name", HIGH)
def test_who_tries_what_they_may_not_is_in_the_trail(stage, name):
    team, viewer = stage.own.team, stage.rest["viewer"]
    forget_refusals()
    with transaction.atomic():
        for _ in range(3):
            assert asked_for_good(stage, name, "viewer").status_code == 403
        rows = list(list_events(team_id=team.pk, action="access.refused"))
        transaction.set_rollback(True)
    assert len(rows) == 1, "once a minute, however often it is tried"
    told = json.loads(bytes(rows[0].body))
    assert (told["permission"], told["role"]) == (HIGH[name], "viewer")
    assert rows[0].actor == viewer.actor.name


def test_a_decision_without_the_right_is_in_the_trail_and_looking_is_not(stage):
    forget_refusals()
    with transaction.atomic():
        answer = asked_for_good(stage, "POST /proposals/{proposal_id}/decisions", "viewer")
        assert answer.status_code == 403
        rows = list(list_events(team_id=stage.own.team.pk, action="access.refused"))
        transaction.set_rollback(True)
    assert len(rows) == 1
    assert ask_rest(stage.rest["viewer"], "GET /audit", stage.own.things).status_code == 200
