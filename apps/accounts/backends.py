"""Who asks: the actor of a page, a REST call, a websocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from apps.accounts import selectors, services
from apps.accounts.kernel import passwords
from apps.accounts.kernel.roles import SIGNS_ONLY
from apps.core import clock, jobs, rest, secrets, tenancy
from apps.core.actors import Actor
from apps.core.errors import Denied, LabError, Unauthenticated

log = structlog.get_logger(__name__)

API = "/api/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TEAM_KEY = "team_id"
NOTE_EVERY = timedelta(minutes=1)
RECHECK_SECONDS = 3.0
MAX_CHECKED = 10_000
SHUT_OUT = 4401
NO_FACTOR = "second_factor.missing"
# Where one signs in and adds a factor, and what tells how the lab is.
OPEN_WITHOUT = ("/accounts/", "/health", "/metrics")


class ActorMiddleware:
    """Sets ``request.actor``: the owner of a bearer token under /api/, else who has signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Find out who asks, and answer with that team's rows in reach."""
        with tenancy.scope(tenancy.LAB):  # whose rows they may see is only known afterwards
            identify(request)
        if _lacks_factor(request) and not request.path.startswith((API, *OPEN_WITHOUT)):
            return redirect("mfa_index")
        with tenancy.team(request.actor.team_id if request.actor else None):  # type: ignore[attr-defined]
            response = self.get_response(request)
            _note_refusal(request)
            if response.streaming and not response.is_async:  # type: ignore[attr-defined]
                pieces = response.streaming_content  # type: ignore[attr-defined]
                response.streaming_content = tenancy.holding(pieces)  # type: ignore[attr-defined]
            return response


def _note_refusal(request: Any) -> None:
    """Record what the caller was refused; without a database the refusal stands all the same."""
    lacked = getattr(request, "lacked", "")
    if not lacked or request.actor is None:
        return
    door = f"{request.method} {request.path}"
    try:
        services.note_refusal(actor=request.actor, permission=lacked, door=door, now=clock.now())
    except (OperationalError, InterfaceError) as error:
        log.warning("accounts.refusal_not_recorded", error=repr(error))


def identify(request: Any) -> None:
    """Set ``actor``, and ``caller`` for the limits or ``auth_error`` when there is no actor."""
    request.actor, request.caller, request.auth_error = None, "", None
    request.teams = []
    is_rest = request.path.startswith(API)
    try:
        if is_rest and request.headers.get("Authorization"):
            _by_token(request)
        elif settings.SESSION_COOKIE_NAME in request.COOKIES:
            _by_session(request, check=is_rest)
    except LabError as error:
        request.auth_error = error
    except (OperationalError, InterfaceError):
        request.auth_error = rest.database_away()


def _by_token(request: Any) -> None:
    scheme, _, plain = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer":
        message = f"Authorization says {scheme!r}; send Bearer and an API token."
        raise Unauthenticated(message, code="token.scheme")
    address = request.META.get("REMOTE_ADDR", "")
    use = selectors.use_of_token(plain.strip(), clock.now(), address)
    request.actor, request.caller = use.actor, f"token:{use.token_id}"


def _lacks_factor(request: Any) -> bool:
    error = request.auth_error
    return error is not None and error.code == NO_FACTOR


def _by_session(request: Any, *, check: bool) -> None:
    actor, request.teams = selectors.find_seat(request.user, request.session.get(TEAM_KEY))
    if actor and not selectors.may_enter(request.user.pk):
        message = "This lab asks for a second factor: sign in and add one under Two-factor."
        raise Denied(message, code=NO_FACTOR)
    if actor and check and request.method not in SAFE and check_csrf(request):
        message = "The X-CSRFToken header is missing or stale; reload the page and try again."
        raise Denied(message, code="csrf")
    request.actor, request.caller = actor, f"user:{actor.user_id}" if actor else ""


class ActivityMiddleware:
    """Notes once a minute where and when a session was last used, and ends one that is over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.noted: dict[str, datetime] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Note the session of the request or end it, and answer."""
        key, now = request.session.session_key, clock.now()
        seen = self.noted.get(key) if key else now
        if (seen is None or now - seen >= NOTE_EVERY) and request.user.is_authenticated:
            if len(self.noted) >= MAX_CHECKED:
                self.noted.clear()
            self._note(request, str(key), now)
        return self.get_response(request)

    def _note(self, request: HttpRequest, key: str, now: datetime) -> None:
        if selectors.session_is_over(key, now):
            log.info("accounts.session_over", user=f"user:{request.user.pk}")
            logout(request)
            # They did not leave: a draft in the browser is still theirs to come back to.
            request.signed_out = False  # type: ignore[attr-defined]
            return
        UserSession.objects.create_from_request(request)
        self.noted[key] = now


class TokenAuth(HttpBearer):
    """Lets a REST call in that brought a good API token."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:  # noqa: ARG002 judged by the middleware
        """Return who asks, as the middleware found."""
        return getattr(request, "actor", None)


class SessionAuth(APIKeyCookie):
    """Lets a REST call in from a browser that has signed in."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self) -> None:
        super().__init__(csrf=False)  # the middleware has checked already

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:  # noqa: ARG002 judged by the middleware
        """Return who asks, as the middleware found."""
        return getattr(request, "actor", None)


class SocketActorMiddleware:
    """Sets ``scope["actor"]`` for websockets and closes the socket of who may no longer look."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        """Find out who connects, and hand on."""
        scope["actor"] = await database_sync_to_async(_actor_of_scope)(scope)
        if scope["actor"] is None:
            return await self.application(scope, receive, send)
        watch = Watch(scope, receive, send)
        try:
            return await self.application(scope, watch.receive, send)
        finally:
            watch.stop()


class Watch:
    """Hands a socket's messages on, asking every few seconds whether its actor still may look."""

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope, self.next_message, self.send = scope, receive, send
        self.pending: asyncio.Task[Any] | None = None

    async def receive(self) -> Any:
        """Return the next message, or the end when the person has been shut out."""
        pending = self.pending = self.pending or asyncio.ensure_future(self.next_message())
        while True:
            done, _ = await asyncio.wait({pending}, timeout=RECHECK_SECONDS)
            message = None
            if done:
                message, self.pending = pending.result(), None
            # Asked for each message too, or whoever keeps talking would never be asked about.
            talks = message is None or message["type"] == "websocket.receive"
            if talks and not await still_holds(self.scope):
                await self.send({"type": "websocket.close", "code": SHUT_OUT})
                return {"type": "websocket.disconnect", "code": SHUT_OUT}
            if message is not None:
                return message

    def stop(self) -> None:
        """Stop waiting for messages."""
        if self.pending:
            self.pending.cancel()


_checked: dict[tuple[str, int], tuple[float, bool]] = {}


async def still_holds(scope: dict[str, Any]) -> bool:
    """Tell whether the session and membership behind a socket still stand.

    One question serves all sockets of a session for a few seconds. A database that is away shuts
    nobody out.
    """
    key = (str(scope["session"].session_key), scope["actor"].team)
    at, holds = _checked.get(key, (0.0, True))
    moment = asyncio.get_running_loop().time()
    if moment - at < RECHECK_SECONDS - 1:
        return holds
    if len(_checked) > MAX_CHECKED:
        _checked.clear()
    _checked[key] = (moment, holds)
    ask = database_sync_to_async(selectors.session_holds)
    try:
        holds = bool(await ask(key[0], scope["actor"].user_id, key[1], clock.now()))
    except (OperationalError, InterfaceError):
        return holds
    _checked[key] = (moment, holds)
    return holds


def _actor_of_scope(scope: dict[str, Any]) -> Actor | None:
    user = scope["user"]
    if user.is_authenticated and not selectors.may_enter(user.pk):
        return None
    return selectors.actor_of_user(scope["user"], scope["session"].get(TEAM_KEY))


def page_context(request: Any) -> dict[str, Any]:
    """Give every template who looks at it, for which team, and what may be done."""
    actor: Actor | None = getattr(request, "actor", None)
    context: dict[str, Any] = {
        "actor": actor,
        "environment": settings.ENVIRONMENT,
        "request_id": rest.request_id(request),
        "team": None,
        "teams": [],
        "can": frozenset(),
        "open_jobs": [],
    }
    if actor is not None and actor.user_id is not None:
        teams = sorted(request.teams, key=lambda team: team.name)
        context["teams"] = teams
        context["team"] = next((team for team in teams if team.id == actor.team_id), None)
        context["can"] = actor.permissions
        context["open_jobs"] = jobs.list_jobs(team_id=actor.team, open_only=True)
    return context


class AccountAdapter(DefaultAccountAdapter):
    """Signing up goes by invitation only; what changes at an account is told to its person."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 the framework's signature
        """Tell that nobody may open an account unasked."""
        return False

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Any,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell a person by mail what changed; a mail server that is away undoes no change."""
        try:
            super().send_notification_mail(template_prefix, user, context, email or user.email)
        except OSError as error:
            log.warning("accounts.notice_failed", mail=template_prefix, error=repr(error))


class GuessedFirstValidator(CommonPasswordValidator):
    """Refuses passwords that are guessed first, see ``kernel/passwords``."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002 the framework's signature
        """Raise ``ValidationError`` for a weak password."""
        if reason := passwords.weakness(password, self.passwords):
            raise ValidationError(reason, code="password_guessed")

    def get_help_text(self) -> str:
        """Return what to choose."""
        return "Several words nobody would think of make a good password."


def invitation_link(plain: str) -> str:
    """Return the address under which an invitation is accepted."""
    return settings.SITE_URL + reverse("accounts:join", args=[plain])


class SecondFactorAdapter(DefaultMFAAdapter):
    """Asks for second factors at sign-in, and draws the QR code on white to scan from the dark."""

    def is_mfa_enabled(self, user: Any, types: Any = None) -> bool:
        """Tell whether the user has a second factor that opens sessions.

        One of a demo account only signs decisions: it is not asked for at sign-in.
        """
        if user.is_anonymous:
            return False
        rows = Authenticator.objects.filter(user_id=user.pk)
        rows = rows if types is None else rows.filter(type__in=types)
        return any(not (user.is_demo and row.data.get(SIGNS_ONLY)) for row in rows)

    def encrypt(self, text: str) -> str:
        """Return a seed or code sealed, as it is stored."""
        return secrets.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return it as it was; what was stored before seeds were sealed is as it is."""
        sealed = encrypted_text.startswith(f"{secrets.MARK}.")
        return secrets.unseal(encrypted_text) if sealed else encrypted_text

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code of ``url`` as SVG."""
        head, tag, drawing = str(super().build_totp_svg(url)).partition("<path")
        return f'{head}<rect width="100%" height="100%" fill="white"/>{tag}{drawing}'
