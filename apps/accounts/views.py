"""Pages of accounts: settings, people, API tokens, joining by invitation, choosing a team."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import backends, forms, selectors, services
from apps.core import clock
from apps.core.doors import PUBLIC, permission, signed_in
from apps.core.errors import LabError

PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"  # noqa: S105 a class name


def _attempt(request: HttpRequest, act: Callable[[], Any], done: str, form: Any = None) -> Any:
    """Do it and say so, or say why not, at the field at fault; return what it gave, or None."""
    try:
        result = act()
    except LabError as error:
        if not forms.tell(error, form):
            messages.error(request, error.message)
        return None
    messages.success(request, done)
    return result


@require_GET
@permission("team.read")
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show what can be set: one's own account, the team, its people and tokens."""
    permissions = sorted(signed_in(request).permissions)
    return render(request, "accounts/settings.html", {"permissions": permissions})


@require_GET
@permission("team.read")
def people_page(request: HttpRequest) -> HttpResponse:
    """Show the team's people; administrators invite, change and remove."""
    return _people(request, forms.InviteForm())


def _people(request: HttpRequest, form: forms.InviteForm, link: str = "") -> HttpResponse:
    actor = signed_in(request)
    context = {
        "members": selectors.list_members(actor.team),
        "invitations": selectors.list_open_invitations(actor.team, clock.now()),
        "roles": forms.ROLE_CHOICES,
        "may": forms.ROLE_TABLE,
        "form": form,
        "link": link,
    }
    return render(request, "accounts/people.html", context)


@require_POST
@permission("people.manage")
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the link is shown this once."""
    form, actor, now = forms.InviteForm(request.POST), signed_in(request), clock.now()
    if not form.is_valid():
        return _people(request, form)
    act = lambda: services.invite(actor=actor, now=now, **form.cleaned_data)  # noqa: E731
    done = f"Send this link to {form.cleaned_data['email']}."
    made = _attempt(request, act, done, form)
    return _people(request, form, backends.invitation_link(made[1]) if made else "")


@require_POST
@permission("people.manage")
def revoke_invitation(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Make the link of an invitation useless."""
    actor, now = signed_in(request), clock.now()
    _attempt(
        request,
        lambda: services.revoke_invitation(actor=actor, invitation_id=invitation_id, now=now),
        "The link no longer works.",
    )
    return redirect("accounts:people")


@require_POST
@permission("people.manage")
def change_role(request: HttpRequest, user_id: int) -> HttpResponse:
    """Give a member another role."""
    actor, now, role = signed_in(request), clock.now(), request.POST.get("role", "")
    _attempt(
        request,
        lambda: services.change_role(actor=actor, user_id=user_id, role=role, now=now),
        f"The role is now {forms.role_name(role)}.",
    )
    return redirect("accounts:people")


@require_POST
@permission("people.manage")
def remove_member(request: HttpRequest, user_id: int) -> HttpResponse:
    """Take a person out of the team."""
    actor, now = signed_in(request), clock.now()
    _attempt(
        request,
        lambda: services.remove_member(actor=actor, user_id=user_id, now=now),
        "They no longer belong to the team.",
    )
    return redirect("accounts:people")


@require_http_methods(["GET", "POST"])
@permission("team.read")
def tokens_page(request: HttpRequest) -> HttpResponse:
    """List one's API tokens, and make one, whose text is shown this once."""
    actor, now = signed_in(request), clock.now()
    form = forms.TokenForm(request.POST or None, permissions=actor.permissions)
    act = lambda: services.create_token(actor=actor, now=now, **form.cleaned_data)  # noqa: E731
    done = "Copy the token now; it is not shown again."
    made = _attempt(request, act, done, form) if form.is_valid() else None
    owner = None if actor.may("people.manage") else actor.user_id
    tokens = forms.by_state(selectors.list_tokens(actor.team, owner), now)
    context = {**tokens, "form": form, "now": now, "plain": made[1] if made else ""}
    return render(request, "accounts/tokens.html", context)


@require_POST
@permission("team.read")
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """End an API token."""
    actor, now = signed_in(request), clock.now()
    _attempt(
        request,
        lambda: services.revoke_token(actor=actor, token_id=token_id, now=now),
        "The token no longer works.",
    )
    return redirect("accounts:tokens")


@require_POST
@permission("team.read")
@reauthentication_required  # type: ignore[untyped-decorator]
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End another of one's sessions."""
    actor, now = signed_in(request), clock.now()
    _attempt(
        request,
        lambda: services.end_session(actor=actor, session_id=session_id, now=now),
        "That session has ended.",
    )
    return redirect("usersessions_list")


@require_POST
@permission("team.read")
def switch_team(request: HttpRequest) -> HttpResponse:
    """Go over to another of one's teams."""
    team_id = request.POST.get("team", "")
    wanted = int(team_id) if team_id.isdecimal() else 0
    chosen = services.choose_team(user_id=signed_in(request).user_id, team_id=wanted)
    request.session[backends.TEAM_KEY] = chosen.team
    return redirect("/")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@permission(PUBLIC)
def join_page(request: HttpRequest, secret: str) -> HttpResponse:
    """Let an invited person in: new people choose a password, known ones sign in first."""
    invitation = selectors.find_invitation(secret, clock.now())
    known = invitation is not None and selectors.find_user(invitation.email) is not None
    form = forms.JoinForm(request.POST or None)
    if request.method == "POST" and (known or form.is_valid()) and _join(request, secret, form):
        return redirect("/")
    context = {"invitation": invitation, "known": known, "form": form}
    return render(request, "accounts/join.html", context, status=200 if invitation else 404)


def _join(request: HttpRequest, secret: str, form: forms.JoinForm) -> bool:
    given: dict[str, str] = form.cleaned_data if form.is_valid() else {}
    here = request.user.email if request.user.is_authenticated else ""
    act = lambda: services.accept_invitation(  # noqa: E731
        plain=secret, now=clock.now(), signed_in_as=here, **given
    )
    member = _attempt(request, act, "Welcome.")
    if member and not here:
        user = authenticate(request, email=member.user.email, password=given["password"])
        login(request, user, backend=PASSWORD_BACKEND)
    return member is not None
