"""Schemathesis at the doors: what it makes of the OpenAPI document is asked, and answers judged.

Half of the cases about a thing are about one of the team's own, so that they come further than
looking for it. What is asked leaves no trace.
"""

import functools
import json
from http import HTTPStatus

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, strategies
from hypothesis import settings as options
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from quantsite.api import api
from tests.factories.doors import FIXED, asked_for
from tests.factories.stage import ask

PREFIX = "/api/v1"
BASE = "http://testserver"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
# What the client itself says, whatever a case would say.
OURS = {"authorization", "content-length", "content-type", "cookie", "host"}
SENT = ("method", "url", "params", "data", "json", "files", "headers")


@functools.cache
def described():
    """The operations of the OpenAPI document by the names the matrix has for them."""
    document = json.loads(json.dumps(api.get_openapi_schema(), default=str))
    found = schemathesis.openapi.from_dict(document).get_all_operations()
    made = [result.ok() for result in found]
    return {f"{op.method.upper()} {op.path.removeprefix(PREFIX)}": op for op in made}


def problems_of(name, client, things, *, count, seed=0):
    """What was answered wrongly to ``count`` cases that fit the document and to as many others."""
    operation, wrong = described()[name], []
    for mode in MODES:

        @hypothesis.seed(seed)
        @options(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), is_own=strategies.booleans())
        def ask_case(case, is_own):
            if is_own:
                case.path_parameters = own(operation, things) or case.path_parameters
            wrong.extend(judged(case, client))

        ask_case()
    return wrong


def own(operation, things):
    """The parameters of an address for a thing of one's own."""
    named = asked_for(operation.path)
    return {place.strip("{}"): str(FIXED.get(what) or things[what]) for place, what in named}


def judged(case, client):
    """What is wrong with the answer to one case, each with the request that shows it."""
    request = prepared(case)
    answer = ask(client, request.method, request.path_url, **content(request))
    shown = f"{request.method} {request.path_url[:300]} {str(request.body)[:500]}"
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and not asks_to_wait(answer):
        return [f"{answer.status_code} to {shown}"]
    response = Response(
        status_code=answer.status_code,
        headers={key.lower(): [value] for key, value in answer.headers.items()},
        content=answer.content,
        request=request,
        elapsed=0.0,
        verify=False,
    )
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as failures:
        return [f"{failure!r} to {shown}" for failure in failures.exceptions]
    return []


def asks_to_wait(answer):
    """Whether something else is not ready: said so, with when to ask again."""
    away = answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in answer
    return away and answer.json()["code"] != "database.away"


def prepared(case):
    """The request as a client would write it."""
    made = case.as_transport_kwargs(base_url=BASE)
    return requests.Request(**{key: made[key] for key in SENT if key in made}).prepare()


def content(request):
    """Body and headers of a request as the client of the tests takes them."""
    body = request.body or b""
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    headers = {key: text(value) for key, value in request.headers.items()}
    return {
        "data": body,
        "content_type": headers.get("Content-Type", "application/octet-stream"),
        "headers": {key: value for key, value in headers.items() if key.lower() not in OURS},
    }


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
