"""The doors of the site, and a stage to ask at them: two teams and a client of each role."""

import contextlib
import inspect
import json
import re
from urllib.parse import unquote

import psycopg
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.urls import get_resolver

from apps.accounts import selectors as accounts
from apps.core import clock
from quantsite.api import api
from tests.factories import people
from tests.factories.doors import CANARY, World, filled, resolved, unknown
from tests.factories.recipes import BODIES, FILES, FORMS, MAY, QUERIES


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


@contextlib.contextmanager
def staged(servers):
    """The world, rolled back in the end; what one question changes is taken back at once."""
    count_from(servers, 7_000_000)
    before, settings.API_RATE_PER_MINUTE = settings.API_RATE_PER_MINUTE, 10**9
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
    return [unquote(answer.get("Location", "")), *(str(message) for message in waiting)]


def ask_rest(client, name, things):
    method, place = name.split(" ", 1)
    address = "/api/v1" + filled(place, things)
    if query := QUERIES.get(name):
        address += "?" + str(resolved(query, things))
    if form := FORMS.get(name):
        sent = {"file": ContentFile(b"weights", FILES[name])} if name in FILES else {}
        with transaction.atomic():
            answer = client.post(address, {**resolved(form, things), **sent})
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
