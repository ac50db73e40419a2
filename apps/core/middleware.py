"""What stands around every request: problems for REST, error pages for people, limits, replays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.http import urlencode

from apps.core import clock, idempotency, rates, reading, rest
from apps.core.errors import Denied, LabError, NotFound, TooMany, Unauthenticated

log = structlog.get_logger(__name__)

API = "/api/"
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
NO_TEAM = "You are signed in but belong to no team; ask an administrator for an invitation."
Handler = Callable[[HttpRequest], HttpResponseBase]


# What a browser is told of every answer, besides the framework's own headers.
HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
}
NOT_KEPT = "no-store"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class HeadersMiddleware:
    """Tells browsers what no page of the lab needs, and to keep no answer that doesn't say so."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        known = request.method in METHODS
        response = self.get_response(request) if known else HttpResponseNotAllowed(METHODS)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        response.setdefault("Cache-Control", NOT_KEPT)
        if getattr(request, "signed_out", False):
            response["Clear-Site-Data"] = '"storage"'
        return response


class ProblemMiddleware:
    """Gives every answer its request id, and every failure a shape people or programs can read."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        structlog.contextvars.bind_contextvars(ip=request.META.get("REMOTE_ADDR"))
        response = _refused_in_the_clear(request) or self.get_response(request)
        if request.path.startswith(API) and response.status_code >= 400:
            response = _as_problem(request, response)
        response["X-Request-ID"] = rest.request_id(request)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer an error of the lab or an absent database; leave the rest to the last resort."""
        if request.path.startswith(API):
            return rest.problem_of_exception(request, error)
        if isinstance(error, OperationalError | InterfaceError):
            log.warning("page.database_away", error=repr(error))
            error = rest.database_away()
        return error_page(request, error) if isinstance(error, LabError) else None


class TextMiddleware:
    """Refuses what no text of the lab can hold, wherever it would have gone."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        is_rest = request.path.startswith(API)
        try:
            reading.refuse_nul_anywhere(request, form=not is_rest)
        except LabError as error:
            answer = rest.problem_of if is_rest else error_page
            return answer(request, error)
        return self.get_response(request)


def _refused_in_the_clear(request: HttpRequest) -> HttpResponse | None:
    """Refuse a program that speaks HTTP: sent on to HTTPS it would tell its token for ever."""
    is_program = request.path.startswith(API)
    if not (is_program and settings.SECURE_SSL_REDIRECT and not request.is_secure()):
        return None
    message = "This interface is reached by https:// only; the token sent has been in the clear."
    return rest.problem_of(request, Denied(message, code="https.only"))


class RestMiddleware:
    """Counts what a caller asks of the REST interface, and carries repeated writes out once."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        if not request.path.startswith(API):
            return self.get_response(request)
        allowance = rates.counter.spend(_caller(request), now=clock.now())
        try:
            response = self._answer(request, allowance)
        except LabError as error:
            response = rest.problem_of(request, error)
        for name, value in allowance.headers().items():
            response[name] = value
        return response

    def _answer(self, request: HttpRequest, allowance: rates.Allowance) -> HttpResponseBase:
        if allowance.exceeded:
            wait = allowance.reset_seconds
            message = f"More than {allowance.limit} requests in a minute; wait {wait} s."
            raise TooMany(message, retry_after=wait)
        actor = getattr(request, "actor", None)
        repeatable = request.method in WRITES and idempotency.HEADER in request.headers
        if actor is None or actor.team_id is None or not repeatable:
            return self.get_response(request)
        return idempotency.once(request, self.get_response, actor=actor, now=clock.now())


def _caller(request: HttpRequest) -> str:
    known: str = getattr(request, "caller", "")
    return known or f"ip:{request.META.get('REMOTE_ADDR', '')}"


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the failure as a problem unless it is one; keep the headers of the first answer."""
    if response.get("Content-Type", "").startswith(rest.PROBLEM):
        return response
    answer = rest.problem_of_status(request, response.status_code)
    for name in ("Allow", "Retry-After", *rates.HEADERS):
        if name in response:
            answer[name] = response[name]
    return answer


def error_page(request: HttpRequest, error: LabError) -> HttpResponseBase:
    """Return the page for an error; people who are signed out are sent to sign in."""
    rest.remember_lack(request, error)
    if isinstance(error, Unauthenticated):
        if not _has_signed_in(request):
            return _to_sign_in(request)
        # Sending them to sign in would send them straight back here.
        error = Denied(NO_TEAM, code="denied.no_team")
    context: dict[str, Any] = {"error": error, "status": error.status}
    return render(request, "problem.html", context, status=error.status)


def _has_signed_in(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return bool(user and user.is_authenticated)


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    target = f"{resolve_url('account_login')}?{urlencode({'next': request.get_full_path()})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:  # noqa: ARG001 the framework's signature
    """Answer an unknown address."""
    if request.path.startswith(API):
        return rest.problem_of_status(request, 404)
    message = f"There is nothing at {request.path}, or it belongs to another team."
    return error_page(request, NotFound(message))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answer a form that this site did not give out, or gave out too long ago."""
    log.warning("page.csrf_refused", reason=reason)
    message = "This form comes from elsewhere or is too old; reload the page and send it again."
    return error_page(request, Denied(message, code="csrf"))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer a failure nobody foresaw; the log has it under the request id."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        shown: LabError = rest.database_away()
    else:
        message = "The lab failed at this page; nothing was changed unless it shows elsewhere."
        shown = LabError(message, code="internal")
    if request.path.startswith(API):
        return rest.problem_of(request, shown)
    try:
        return error_page(request, shown)
    except Exception:  # noqa: BLE001 the page itself may need what is broken
        log.warning("page.error_page_failed")
        return HttpResponse(shown.message, status=shown.status, content_type="text/plain")
