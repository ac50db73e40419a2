"""Every door, every role, own, foreign and missing things: who gets in, and who learns what.

The doors come from the REST interface and the table of addresses; what each asks for is what it
declares; what a role may do is written out here by hand (SPEC GOV-8). A thing of another team must
be answered like one that is not there, byte for byte but for the name asked.
"""

import functools
import json
import re

import pytest
from django.apps import apps as installed
from django.test import Client
from django.urls import get_resolver

from apps.accounts.kernel.roles import ROLES as CODED
from apps.audit.services import packing
from apps.core.doors import PUBLIC
from quantsite.api import api
from tests.factories.doors import CANARY, FIXED, GIVEN, asked_for, filled
from tests.factories.recipes import BODIES, FORMS, MAY, QUERIES
from tests.factories.stage import (
    OPERATIONS,
    PAGES,
    ask,
    ask_page,
    ask_rest,
    methods_of,
    staged,
    walk,
)

# Beyond what the door declares, what is done asks for one of these.
DEEPER = {
    "POST /jobs/{job_id}/cancel": {"ops.manage"},  # of others; one's own everybody may stop
    "POST /proposals/{proposal_id}/decisions": {"proposals.decide"},
    "POST /alerts/{alert_id}/acknowledge": {"ops.manage", "data.write"},
    "PUT /backtests/views/{view_id}": {"research.write"},  # of the team's; one's own everybody
    "DELETE /backtests/views/{view_id}": {"research.write"},
    "POST /risk/scenarios": {"research.write", "limits.write"},
    "DELETE /risk/scenarios/{scenario_id}": {"research.write", "limits.write"},
    "/risk/stress/archive/<int:scenario_id>/": {"research.write", "limits.write"},
}
# Answered otherwise though the role is right, and why: the author of a proposal is nobody asked
# here, a validator has voted on it already, and neither worker nor sequencer runs.
OTHERWISE = {
    "POST /proposals/{proposal_id}/withdraw": ({403}, b'"code":"denied.not_author"'),
    "POST /proposals/{proposal_id}/decisions": ({403, 409, 422}, b'"code":"'),
    "GET /proposals/{proposal_id}/evidence": ({503}, b'"code":"audit.pending"'),
    "/health/ready": ({503}, b'"status": "down"'),
}
# Feeds and vendors are the lab's; what is asked of them is answered to all teams alike.
OF_THE_LAB = {"feed"}


# --- the answers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage(servers, sample, django_db_setup, django_db_blocker):
    # No sequencer runs here: what waits for it says at once that it would.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(packing, "WAIT_SECONDS", 0.0)
    with django_db_blocker.unblock(), staged(servers) as world:
        yield world
    monkeypatch.undo()


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


# What a header says of the question, the moment or the text, which is compared itself.
EACH_TIME = {
    "Content-Length",
    "Content-Security-Policy",
    "Location",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Request-ID",
}


def plain(answer, things, name):
    """The answer without the names asked for and without what differs from time to time."""
    told = "\n".join(answer.said).encode() + b"\n\n" + answer.content
    for what in sorted(named(name), key=lambda what: -len(str(things[what]))):
        value = re.escape(str(things[what]).encode())
        told = re.sub(rb"(?<![\w-])" + value + rb"(?![\w-])", b"<" + what.encode() + b">", told)
    kept = {key: value for key, value in answer.headers.items() if key not in EACH_TIME}
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
    recipes = {*BODIES, *FORMS, *QUERIES, *DEEPER, *OTHERWISE}
    doors = {*OPERATIONS, *PAGES}
    assert recipes <= doors, f"of no operation or page: {recipes - doors}"


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
    got_in = own[0] < 500 and own[0] not in {401, 403}
    if name in OTHERWISE:
        statuses, words = OTHERWISE[name]
        got_in = own[0] in statuses and words in own[2]
    return got_in and foreign == missing


def told_wrong(name, permission, answers):
    """One line for a person: what was answered, and where foreign and missing part."""
    own, foreign, missing = answers
    line = f"{name} ({permission}): own, foreign, missing {[answer[0] for answer in answers]}"
    if foreign == missing:
        return f"{line}; own {own[2][:300]!r}"
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
