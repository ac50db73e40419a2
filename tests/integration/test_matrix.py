"""Every door, every role, own, foreign and missing things: who gets in, and who learns what.

The doors come from the REST interface and the table of addresses; what each asks for is what it
declares; what a role may do is written out here by hand (SPEC GOV-8). A thing of another team must
be answered like one that is not there, byte for byte but for the name asked.
"""

import functools
import inspect
import json
import re

import psycopg
import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps as installed
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from apps.accounts import selectors as accounts
from apps.accounts.kernel.roles import ROLES as CODED
from apps.core import clock
from apps.core.doors import PUBLIC
from quantsite.api import api
from tests.factories import people
from tests.factories.doors import CANARY, FIXED, GIVEN, World, asked_for, filled, resolved, unknown

ROLES = {
    "viewer": "team.read audit.read",
    "researcher": "team.read audit.read assistant.use data.write research.write proposals.create",
    "validator": "team.read audit.read assistant.use proposals.decide proposals.decide.paper",
    "risk_manager": "team.read audit.read assistant.use trading.halt proposals.create"
    " proposals.decide proposals.decide.live limits.write trading.resume",
    "trader": "team.read audit.read assistant.use trading.halt proposals.create trading.deploy"
    " trading.order trading.resume",
    "admin": "team.read audit.read people.manage keys.manage settings.write proposals.create"
    " ops.manage",
    "auditor": "team.read audit.read audit.export",
}
MAY = {role: frozenset(words.split()) for role, words in ROLES.items()}
WRITES = ("POST", "PUT", "PATCH", "DELETE")
WHY = "it held out of sample and survives the costs"
NOTED = {"note": "looked at by hand"}
MARK = {"at": "2020-01-02T00:00:00Z", "kind": "gap", "note": "known", "dataset": "@dataset"}
# What the operations need in order to come as far as looking for the thing.
BODIES = {
    "POST /accounts": {"name": "n", "cash": 1000, "feed": "@feed"},
    "POST /audit/reconcile": {"reason": "the loss is known"},
    "POST /backtests": {"strategy": "momentum_12_1", "universe": "@universe"},
    "POST /backtests/{run_id}/propose": {"rationale": WHY},
    "POST /code": {"name": "mine", "text": "x = 1"},
    "POST /code/check": {"text": "x = 1"},
    "POST /deployments": {
        "account_id": "@account_id",
        "allocation": 10,
        "version_id": "@version_id",
    },
    "POST /deployments/{deployment_id}/stop": {"reason": "no more of it"},
    "POST /expressions/check": {"expression": "rank(close)"},
    "POST /expressions/preview": {"expression": "rank(close)", "universe": "@universe"},
    "POST /feeds/{name}/restart": {},
    "POST /flows": {
        "name": "f",
        "provider": "sample",
        "section": "us_stocks",
        "dataset": "@dataset",
    },
    "PATCH /flows/{name}": {"is_on": False},
    "POST /halts": {"scope": "account:@account_id", "reason": "something is wrong"},
    "POST /halts/resume": {"scope": "account:@account_id", "reason": "it is right again"},
    "POST /hypotheses": {"universe": "@universe"},
    "POST /hypotheses/{hypothesis_id}/judge": {"verdict": "rejected", "note": "no reason for it"},
    "POST /indices/{name}/members": {"provider": "sample"},
    "POST /ingests": {"provider": "sample", "section": "us_stocks", "dataset": "@dataset"},
    "POST /instruments/{symbol}/actions/withdraw": {
        "kind": "split",
        "note": "was none",
        "on": ["2020-01-02"],
        "dataset": "@dataset",
    },
    "POST /instruments/{symbol}/health/acknowledge": {**MARK, "dataset": ""},
    "POST /invitations": {"email": "new@example.test", "role": "viewer"},
    "POST /live-feeds": {
        "name": "l",
        "provider": "replay",
        "section": "us_stocks",
        "symbols": ["AAPL"],
        "dataset": "@dataset",
    },
    "PATCH /members/{user_id}": {"role": "viewer"},
    "POST /orders": {"account_id": "@account_id", "quantity": 1, "side": "buy", "symbol": "AAPL"},
    "POST /proposals": {
        "subject": "version:1",
        "title": "t",
        "digest": "0" * 64,
        "rationale": WHY,
        "run": "@run_id",
    },
    "POST /orders/proposals": {
        "account_id": "@account_id",
        "quantity": 1,
        "side": "buy",
        "symbol": "AAPL",
        "rationale": WHY,
    },
    "POST /policies/dry-run": {},
    "POST /proposals/{proposal_id}/amend": {"title": "another"},
    "POST /proposals/{proposal_id}/revoke": {"rationale": WHY},
    "POST /settings/{key}/proposals": {"value": 10, "rationale": WHY},
    "POST /proposals/{proposal_id}/decisions": {
        "decision": "reject",
        "rationale": WHY,
        "seen_digest": "@proposal_digest",
    },
    "POST /proposals/{proposal_id}/withdraw": {},
    "PUT /provider-keys/{provider}": {"key": {}},
    "POST /quarantine": {
        "at": ["2020-01-02T00:00:00Z"],
        "symbol": "@symbol",
        "dataset": "@dataset",
        **NOTED,
    },
    "POST /quarantine/{quarantined_id}/drop": NOTED,
    "POST /quarantine/{quarantined_id}/release": NOTED,
    "POST /repairs": {"universe": "@universe"},
    "POST /risk": {"returns": {"a": [0.01, -0.01] * 40}},
    "POST /risk/accounts/{account_id}": {},
    "PUT /risk/limits": {"reason": "because", "subject": "account:@account_id", "values": {}},
    "POST /risk/runs/{run_id}": {},
    "POST /scan-schedules": {"universe": "@universe", "every": "day"},
    "PATCH /scan-schedules/{schedule_id}": {"is_on": False},
    "POST /scans": {"universe": "@universe"},
    "PUT /settings/{key}": {"value": 10},
    "POST /settings/{key}/roll-back": {"version": 1},
    "PUT /signal-alerts/rules/{name}": {"target": "@alert_target"},
    "PUT /signal-alerts/targets/{name}": {"address": "nonsense"},
    "POST /strategies": {"name": "s", "title": "S", "plug": "momentum_12_1"},
    "POST /strategies/{strategy_id}/versions": {"params": {}},
    "POST /studies": {"name": "a-study"},
    "POST /studies/{study_id}/runs": {"runs": ["@run_id"]},
    "POST /sweeps": {
        "strategy": "momentum_12_1",
        "universe": "@universe",
        "space": {"lookback": [100, 200]},
    },
    "POST /tokens": {"name": "t", "scopes": ["team.read"]},
    "POST /universes": {
        "name": "u",
        "dataset": "@dataset",
        "symbols": ["@symbol"],
        "timeframe": "1d",
    },
    "POST /versions": {"strategy": "@strategy_id", "params": {}},
    "POST /versions/{version_id}/code/propose": {"rationale": WHY},
    "POST /versions/{version_id}/compare": {"params": {}},
}
FORMS = {
    "POST /uploads": {"dataset": "@dataset"},
    "POST /uploads/preview": {"dataset": "@dataset"},
}
QUERIES = {
    "GET /accounts/{account_id}/equity": "deployment_id=@deployment_id",
    "GET /actions": "symbol=@symbol&dataset=@dataset",
    "GET /audit": "subject=version:@version_id",
    "GET /audit/consistency": "old=1",
    "GET /audit/evidence": "since=2026-01-01&until=2026-01-02",
    "GET /audit/verify": "event=@event_id",
    "GET /backtests": "study=@study",
    "GET /backtests/compare": "ids=@run_id",
    "GET /backtests/compare/figure": "ids=@run_id",
    "GET /bars": "symbol=@symbol&dataset=@dataset",
    "GET /deployments": "account_id=@account_id",
    "GET /fills": "account_id=@account_id",
    "GET /fx": "base=EUR&quote=USD",
    "GET /hypotheses": "search=@search_id",
    "GET /indices/{name}/members": "on=2020-01-02",
    "GET /instruments": "dataset=@dataset",
    "GET /instruments/{symbol}/health/bars": "at=2020-01-02T00:00:00Z",
    "GET /instruments/{symbol}/health/figure": "at=2020-01-02T00:00:00Z",
    "GET /instruments/{symbol}/metrics/figure": "kind=funding",
    "GET /metrics": "symbol=@symbol&kind=funding&dataset=@dataset",
    "GET /orders": "account_id=@account_id&deployment_id=@deployment_id",
    "GET /positions": "account_id=@account_id",
    "GET /proposals": "subject=version:@version_id",
    "GET /quarantine": "dataset=@dataset&symbol=@symbol",
    "GET /readers": "digest=0",
    "GET /renames": "symbol=@symbol",
    "GET /revisions/{batch_id}/bars": "symbol=@symbol",
    "GET /risk": "subject=account:@account_id",
    "GET /risk/breaches": "subject=account:@account_id",
    "GET /risk/limits": "subject=account:@account_id",
    "GET /risk/limits/versions": "subject=account:@account_id",
    "GET /scans": "universe=@universe",
    "GET /signal-alerts/messages": "scan=@scan_id",
    "GET /signals/history": "symbol=@symbol",
    "GET /signals/recent": "scan=@scan_id",
    "GET /strategies": "text=@strategy",
    "GET /sweeps": "strategy=@strategy",
    "GET /sweeps/{sweep_id}/heat": "x=a&y=b",
    "GET /versions/{version_id}/diff": "against=@version_id",
}
# Beyond what the door declares, what is done asks for one of these.
DEEPER = {
    "POST /jobs/{job_id}/cancel": {"ops.manage"},  # of others; one's own everybody may stop
    "POST /proposals/{proposal_id}/decisions": {"proposals.decide"},
    "POST /alerts/{alert_id}/acknowledge": {"ops.manage", "data.write"},
}
# Answered otherwise though the role is right: only the author may, no worker or sequencer runs.
CLOSED = {
    "POST /proposals/{proposal_id}/withdraw",
    "POST /proposals/{proposal_id}/decisions",  # a validator has voted already
    "GET /proposals/{proposal_id}/evidence",
    "/health/ready",
    "/research/<uuid:run_id>/",  # shows what a worker made of a run, which made none here
}
# Feeds and vendors are the lab's; what is asked of them is answered to all teams alike.
OF_THE_LAB = {"feed"}


# --- the doors -----------------------------------------------------------------------------------


def operations():
    """Every operation as the OpenAPI document writes it, with the permission it declares."""
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    place = re.sub(r"{\w+:", "{", prefix + path)
                    yield f"{method} {place}", operation.view_func.permission


def walk(patterns, prefix="/"):
    for pattern in patterns:
        place = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from walk(pattern.url_patterns, place)
        else:
            yield place, pattern.callback


def pages():
    """Every page of our own with the permission it declares."""
    for place, door in walk(get_resolver().url_patterns):
        if door.__module__.startswith("apps."):
            yield place, door.permission


def methods_of(place):
    """The methods a page's own ``require_…`` lets through; GET where it says nothing."""
    door = next(door for at, door in walk(get_resolver().url_patterns) if at == place)
    while door is not None:
        named = inspect.getclosurevars(door).nonlocals
        if "request_method_list" in named:
            return [m for m in named["request_method_list"] if m != "HEAD"]
        door = getattr(door, "__wrapped__", None)
    return ["GET"]


OPERATIONS, PAGES = dict(operations()), dict(pages())


# --- the world -----------------------------------------------------------------------------------


class Stage:
    """Two teams with one of everything, and a client of each role in the first."""

    def __init__(self):
        now = clock.now()  # what has lapsed is answered before anything is looked at
        self.own = World(people.make_team(), now, 102)
        self.foreign = World(people.make_team(), now, 202)
        self.missing = unknown(self.own.things)
        self.rest = {role: people.make_api_client(self.own.team, role) for role in MAY}
        self.browsers = {role: people.make_client(self.own.team, role) for role in MAY}
        stranger = people.make_user(self.foreign.team, "viewer")
        key = Authenticator.objects.create(user=stranger, type="webauthn", data={"name": "k"})
        self.others_key = key.pk
        for client in (*self.rest.values(), *self.browsers.values()):
            client.raise_request_exception = False


def count_from(servers, first):
    """Let numbers of rows be such as occur nowhere else in an answer."""
    with psycopg.connect(servers.dsn("admin"), autocommit=True) as raw:
        raw.execute(
            "SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass,"
            " %s + 10000 * row_number() OVER (ORDER BY sequencename))"
            " FROM pg_sequences WHERE schemaname = 'public' AND coalesce(last_value, 0) < %s",
            [first, first],
        )


@pytest.fixture(scope="module")
def stage(servers, sample, django_db_setup, django_db_blocker):
    """The world, rolled back in the end; what one question changes is taken back at once."""
    before = settings.API_RATE_PER_MINUTE
    with django_db_blocker.unblock():
        count_from(servers, 7_000_000)
        settings.API_RATE_PER_MINUTE = 10**9
        accounts.forget_tokens()
        with transaction.atomic():
            yield Stage()
            transaction.set_rollback(True)
        settings.API_RATE_PER_MINUTE = before
        accounts.forget_tokens()


def ask(client, method, address, **given):
    """The answer to one question, which leaves no trace."""
    with transaction.atomic():
        answer = client.generic(method, address, **given)
        answer.said = said(answer)
        assert CANARY.encode() not in answer.content, address
        transaction.set_rollback(True)
    return answer


def said(answer):
    """What a page tells beside its text: where it sends people, and messages for the next page."""
    request = getattr(answer, "wsgi_request", None)
    waiting = getattr(getattr(request, "_messages", None), "_queued_messages", [])
    return [answer.get("Location", ""), *(str(message) for message in waiting)]


def ask_rest(client, name, things):
    method, place = name.split(" ", 1)
    address = "/api/v1" + filled(place, things)
    if query := QUERIES.get(name):
        address += "?" + str(resolved(query, things))
    if form := FORMS.get(name):
        with transaction.atomic():
            answer = client.post(address, resolved(form, things))
            answer.said = []
            transaction.set_rollback(True)
        return answer
    body = BODIES.get(name)
    if body is None:
        return ask(client, method, address)
    text = json.dumps(resolved(body, things))
    return ask(client, method, address, data=text, content_type="application/json")


def ask_page(client, method, place, things):
    return ask(client, method, filled(place, things))


def named(name):
    """What of a team's own an operation or page is asked about."""
    found = {what for _, what in asked_for(name)}
    given = json.dumps([BODIES.get(name), FORMS.get(name), QUERIES.get(name)])
    found |= set(GIVEN.findall(given))
    return found - set(FIXED) - OF_THE_LAB


UUID = rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
CSRF = rb'(?:csrf-token" content=|X-CSRFToken": |csrfmiddlewaretoken" value=)"[A-Za-z0-9]{64}"'
WHEN = rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*"
SPENT = re.compile(CSRF + b"|" + UUID + b"|" + WHEN)


def plain(answer, things, name):
    """The answer without the names asked for and without what differs from time to time."""
    told = "\n".join(answer.said).encode() + b"\n\n" + answer.content
    for what in sorted(named(name), key=lambda what: -len(str(things[what]))):
        value = re.escape(str(things[what]).encode())
        told = re.sub(rb"(?<![\w-])" + value + rb"(?![\w-])", b"<" + what.encode() + b">", told)
    kept = {header: answer.get(header, "") for header in ("Content-Type", "Allow")}
    return answer.status_code, kept, SPENT.sub(b"-", told)


# --- what is promised ----------------------------------------------------------------------------


def test_roles_may_what_was_agreed():
    assert {role: set(may) for role, may in CODED.items()} == {r: set(m) for r, m in MAY.items()}


def test_the_document_and_the_matrix_know_the_same_operations():
    paths = api.get_openapi_schema()["paths"]
    written = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in paths.items()
        for method in methods
    }
    assert written == set(OPERATIONS)
    assert len(written) > 150


def test_every_door_has_a_recipe(stage):
    things = stage.own.things
    for name in [*OPERATIONS, *PAGES]:
        unmade = named(name) - set(things)
        assert not unmade, f"{name} asks for {unmade}: make one in tests/factories/doors.py"
    operations = api.get_openapi_schema()["paths"]
    for path, methods in operations.items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path.removeprefix('/api/v1')}"
            has_body = name in BODIES or name in FORMS
            assert has_body or "requestBody" not in operation, f"{name} lacks a body in BODIES"
            queries = [p for p in operation.get("parameters", []) if p["in"] == "query"]
            needed = {query["name"] for query in queries if query.get("required")}
            given = set(re.findall(r"(\w+)=", QUERIES.get(name, "")))
            assert needed <= given, f"{name} lacks {needed - given} in QUERIES"
    recipes = {*BODIES, *FORMS, *QUERIES, *DEEPER}
    assert recipes <= set(OPERATIONS), f"of no operation: {recipes - set(OPERATIONS)}"


def test_there_is_no_admin_site():
    assert not installed.is_installed("django.contrib.admin")
    assert not [place for place, _ in walk(get_resolver().url_patterns) if "admin" in place]


def judged(name, permission, role, answers):
    """What is wrong with the answers to (own, foreign, missing)."""
    own, foreign, missing = answers
    statuses = tuple(answer[0] for answer in answers)
    first = permission not in MAY[role] | {PUBLIC}
    if first or not DEEPER.get(name, MAY[role]) & MAY[role]:
        refused = own[0] == 403 and (foreign == missing)
        return refused and (not first or statuses == (403, 403, 403))
    got_in = name in CLOSED or (own[0] < 500 and own[0] not in {401, 403})
    return got_in and foreign == missing


def told_wrong(name, permission, answers):
    """One line for a person: what was answered, and where foreign and missing part."""
    _, foreign, missing = answers
    line = f"{name} ({permission}): own, foreign, missing {[answer[0] for answer in answers]}"
    if foreign == missing:
        return line
    parts = zip(foreign[2].split(b"\n"), missing[2].split(b"\n"), strict=False)
    apart = next((pair for pair in parts if pair[0] != pair[1]), (foreign[1], missing[1]))
    return f"{line}; foreign {str(apart[0])[:300]} missing {str(apart[1])[:300]}"


def asked_thrice(ask_about, stage, name, *, shut=False):
    """The answers about one's own, a foreign and a missing thing; where none is named, one.

    One will do as well where the door itself shuts a role out, before it has looked at the thing.
    """
    answers = []
    for things in (stage.own.things, stage.foreign.things, stage.missing):
        answers.append(plain(ask_about(things), things, name))
        if not named(name) or (shut and answers[0][0] == 403):
            return answers * 3
    return answers


@pytest.mark.parametrize("role", list(MAY))
def test_operations_let_in_whom_they_should_and_tell_nothing_of_other_teams(stage, role):
    wrong = []
    for name, permission in OPERATIONS.items():
        about = functools.partial(ask_rest, stage.rest[role], name)
        answers = asked_thrice(about, stage, name)
        if not judged(name, permission, role, answers):
            wrong.append(told_wrong(name, permission, answers))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", list(MAY))
def test_pages_let_in_whom_they_should_and_tell_nothing_of_other_teams(stage, role):
    wrong = []
    for place, permission in PAGES.items():
        if permission == PUBLIC and role != "viewer":
            continue  # asks nobody who they are
        for method in methods_of(place):
            about = functools.partial(ask_page, stage.browsers[role], method, place)
            shut = permission not in MAY[role]
            answers = asked_thrice(about, stage, place, shut=shut)
            if not judged(place, permission, role, answers):
                wrong.append(told_wrong(f"{method} {place}", permission, answers))
    assert not wrong, "\n".join(wrong)


def test_no_event_tells_what_was_sealed(stage):
    from apps.audit.models import AuditEvent
    from apps.market.selectors.keys import provider_for

    team_id = stage.own.team.pk
    assert provider_for(team_id=team_id, name="fmp").key == {"api_key": CANARY}
    bodies = list(AuditEvent.objects.filter(team_id=team_id).values_list("body", flat=True))
    assert bodies
    assert not [body for body in bodies if CANARY.encode() in bytes(body)]


def test_who_has_not_signed_in_gets_in_nowhere(stage):
    nobody = Client()
    let_in = [
        name
        for name, permission in OPERATIONS.items()
        if permission != PUBLIC and ask_rest(nobody, name, stage.own.things).status_code != 401
    ]
    for place, permission in PAGES.items():
        for method in methods_of(place):
            answer = ask(nobody, method, filled(place, stage.own.things))
            sent_away = answer.status_code == 302 and "/accounts/login/" in answer["Location"]
            if permission != PUBLIC and not sent_away:
                let_in.append(place)
    assert not let_in


def test_pages_of_a_person_are_alike_for_every_role_and_tell_nothing_of_others(stage):
    places = [
        place
        for place, door in walk(get_resolver().url_patterns)
        if place.startswith("/accounts/") and "(?P" not in place
    ]
    assert len(places) > 20
    for place in places:
        found = {}
        for role in ("viewer", "admin"):
            client = stage.browsers[role]
            foreign = ask_page(client, "GET", place, {"pk": stage.others_key})
            found[role] = foreign.status_code
            if "<" in place:
                missing = ask_page(client, "GET", place, {"pk": 987_654_321})
                assert foreign.status_code == missing.status_code, place
        assert len(set(found.values())) == 1, (place, found)
        assert max(found.values()) < 500, place
