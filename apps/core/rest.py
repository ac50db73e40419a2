"""What every REST answer shares: problems (RFC 9457), lists by cursor, JSON without NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.renderers import BaseRenderer

from apps.core.encoding import to_json
from apps.core.errors import LabError, Unauthenticated, Unavailable
from apps.core.paging import Page, Paging, page

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"

__all__ = [
    "PROBLEM",
    "Page",
    "Paging",
    "Problem",
    "Renderer",
    "RestAPI",
    "page",
    "problem",
    "problem_of",
    "request_id",
    "to_json",
]


class Problem(Schema):
    """What went wrong, in the shape of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    request_id: str
    errors: list[dict[str, Any]] = Field(default_factory=list)


def request_id(request: HttpRequest) -> str:  # noqa: ARG001 the id is bound to the context
    """Return the id under which the log knows this request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class Renderer(BaseRenderer):
    """Writes answers by orjson: quick, and never NaN."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002
        """Return the body of an answer."""
        return to_json(data)


def problem(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[dict[str, Any]] = (),
    retry_after: float | None = None,
) -> HttpResponse:
    """Return an answer that says what was found, what was expected and what to do."""
    body = {
        "type": f"urn:quantsite:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": request.path,
        "request_id": request_id(request),
        "errors": list(errors),
    }
    response = HttpResponse(to_json(body), status=status, content_type=PROBLEM)
    if retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(retry_after)))
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="quantsite"'
    return response


def problem_of(request: HttpRequest, error: LabError) -> HttpResponse:
    """Return the answer for an error of the lab."""
    remember_lack(request, error)
    return problem(
        request,
        status=error.status,
        code=error.code,
        detail=error.message,
        errors=[error.details] if error.details else [],
        retry_after=error.retry_after if isinstance(error, Unavailable) else None,
    )


def remember_lack(request: HttpRequest, error: LabError) -> None:
    """Keep which permission was lacking, for whoever records refusals."""
    request.lacked = str(error.details.get("permission", ""))  # type: ignore[attr-defined]


def problem_of_status(request: HttpRequest, status: int) -> HttpResponse:
    """Return the answer for a failure that has only a status, such as an unknown address."""
    known = {
        400: ("bad_request", "The request can't be read; check its headers and body."),
        403: ("denied", "This is not allowed; check the token and the CSRF header."),
        404: ("not_found", f"There is nothing at {request.path}; see /api/v1/docs."),
        405: ("method_not_allowed", f"{request.method} is not possible at {request.path}."),
        413: ("too_large", "The request is larger than the lab takes; send it in parts."),
        415: ("media_type", "Send JSON with the header Content-Type: application/json."),
    }
    code, detail = known.get(status, ("internal", _internal(request)))
    return problem(request, status=status, code=code, detail=detail)


def _internal(request: HttpRequest) -> str:
    return (
        "The lab failed at this request; nothing was changed unless a later read shows it. "
        f"Tell your administrator the request id {request_id(request)}."
    )


def problem_of_exception(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the answer for any exception; unexpected ones are logged, never shown."""
    if isinstance(error, LabError):
        return problem_of(request, error)
    if isinstance(error, Http404):
        return problem_of_status(request, 404)
    if isinstance(error, PermissionDenied):
        return problem_of_status(request, 403)
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("rest.database_away", error=repr(error))
        return problem_of(request, database_away())
    log.error("rest.crashed", exc_info=error)
    return problem_of_status(request, 500)


def database_away() -> Unavailable:
    """Return the error that says the database does not answer."""
    message = "The database does not answer; try again in a few seconds."
    return Unavailable(message, code="database.away", retry_after=5)


def _of_validation(request: HttpRequest, error: Exception) -> HttpResponse:
    found = error.errors if isinstance(error, ValidationError) else []
    errors = [
        {
            "field": ".".join(str(part) for part in item.get("loc", ())),
            "message": str(item.get("msg", "")),
            "code": str(item.get("type", "")),
        }
        for item in found
    ]
    words = "; ".join(f"{e['field']}: {e['message']}" for e in errors[:5])
    detail = f"The request has {len(errors)} wrong field(s): {words}."
    return problem(request, status=422, code="invalid.fields", detail=detail, errors=errors)


def _of_http_error(request: HttpRequest, error: Exception) -> HttpResponse:
    status = error.status_code if isinstance(error, HttpError) else 500
    if status == HTTPStatus.UNAUTHORIZED:
        message = "Nobody has signed in; send the header Authorization: Bearer <API token>."
        found = getattr(request, "auth_error", None)
        return problem_of(request, found or Unauthenticated(message))
    answer = problem_of_status(request, status)
    if isinstance(error.__cause__, LabError):  # raised where the body was read
        return problem_of(request, error.__cause__)
    if status == HTTPStatus.BAD_REQUEST:
        why = f" ({error.__cause__})" if isinstance(error.__cause__, ValueError) else ""
        detail = f"{error}{why}; send a JSON body as /api/v1/docs shows it."
        return problem(request, status=status, code="bad_request", detail=detail)
    return answer


class RestAPI(NinjaAPI):
    """The REST interface: problems as answers, and a document that says so."""

    def set_default_exception_handlers(self) -> None:
        """Answer every exception with a problem."""
        handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
            Exception: problem_of_exception,
            HttpError: _of_http_error,
            ValidationError: _of_validation,
        }
        for kind, handler in handlers.items():
            self.add_exception_handler(kind, handler)

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the app and the name of the operation, wherever its module is."""
        door = operation.view_func
        return f"{door.__module__.split('.')[1]}_{door.__name__}"

    def get_openapi_schema(self, **options: Any) -> Any:
        """Return the OpenAPI document with problems, and keys for writes that may be repeated."""
        document = super().get_openapi_schema(**options)
        schemas = document["components"].setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        for methods in document["paths"].values():
            for method, operation in methods.items():
                answers = {str(code): answer for code, answer in operation["responses"].items()}
                operation["responses"] = {**answers, "default": PROBLEM_ANSWER}
                if method in {"post", "put", "patch", "delete"}:
                    operation.setdefault("parameters", []).append(KEY_HEADER)
        return document


PROBLEM_ANSWER = {
    "description": "A problem",
    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
KEY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "The same key with the same body is carried out once; the answer is kept a day",
    "schema": {"type": "string", "maxLength": 200},
}
