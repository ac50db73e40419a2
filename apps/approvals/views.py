"""Pages of approvals: the inbox, a proposal, the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.approvals import forms, schemas, selectors, services
from apps.approvals.kernel.states import STATUSES
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import Invalid, LabError
from apps.core.rest import page


def _attempt(request: HttpRequest, act: Callable[[], Any], done: str) -> None:
    """Do it and say so, or say why not."""
    try:
        act()
        messages.success(request, done)
    except LabError as error:
        messages.error(request, error.message)


@require_GET
@permission("team.read")
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for the reader, and the team's proposals."""
    actor, now = signed_in(request), clock.now()
    status = request.GET.get("status", "")
    rows = selectors.find_proposals(actor, now=now, status=status)
    found = page(rows, request, limit=50, row=schemas.proposal_row)
    context = {
        "waiting": [schemas.proposal_row(row) for row in selectors.list_waiting(actor, now)],
        "proposals": found["items"],
        "next": found["next"],
        "status": status,
        "statuses": STATUSES,
        "labels": selectors.labels_of(actor.team),
    }
    return render(request, "approvals/inbox.html", context)


@require_GET
@permission("team.read")
def proposal(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Show a proposal: evidence, gates, who decides, what happened."""
    actor = signed_in(request)
    found = selectors.get_proposal(proposal_id, actor.team)
    return _proposal(request, found)


def _proposal(
    request: HttpRequest, found: Any, error: LabError | None = None, words: str = ""
) -> HttpResponse:
    actor = signed_in(request)
    now = clock.now()
    context = {
        "proposal": schemas.proposal_detail(found, actor, now),
        **selectors.page_of(found, actor, now),
        "error": error,
        "words": words,
    }
    status = error.status if error else 200
    return render(request, "approvals/proposal.html", context, status=status)


@require_POST
@permission("team.read")
def decide(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Approve or reject; a refused decision keeps the words that were written."""
    form, actor = forms.DecisionForm(request.POST), signed_in(request)
    try:
        services.decide(actor=actor, proposal_id=proposal_id, now=clock.now(), **form.arguments())
    except LabError as error:
        found = selectors.get_proposal(proposal_id, actor.team)
        return _proposal(request, found, error, request.POST.get("rationale", ""))
    messages.success(request, "Your decision is in the ledger.")
    return redirect("approvals:proposal", proposal_id)


@require_POST
@permission("proposals.create")
def withdraw(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Take one's own proposal back."""
    actor, now, reason = signed_in(request), clock.now(), request.POST.get("reason", "")
    _attempt(
        request,
        lambda: services.withdraw(actor=actor, proposal_id=proposal_id, reason=reason, now=now),
        "The proposal is withdrawn.",
    )
    return redirect("approvals:proposal", proposal_id)


@require_POST
@permission("proposals.create")
def amend(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Put other words in a proposal's place; its votes are void."""
    actor, now, form = signed_in(request), clock.now(), forms.AmendForm(request.POST)
    try:
        made = services.amend(actor=actor, proposal_id=proposal_id, now=now, **form.words())
    except LabError as error:
        messages.error(request, error.message)
        return redirect("approvals:proposal", proposal_id)
    messages.success(request, "This proposal takes its place; it is decided anew.")
    return redirect("approvals:proposal", made.pk)


@require_POST
@permission("proposals.decide")
def revoke(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Take an approval back."""
    actor, now, words = signed_in(request), clock.now(), request.POST.get("rationale", "")
    _attempt(
        request,
        lambda: services.revoke(actor=actor, proposal_id=proposal_id, rationale=words, now=now),
        "The approval is taken back; what ran under it has stopped.",
    )
    return redirect("approvals:proposal", proposal_id)


@permission("team.read")
def policies(request: HttpRequest) -> HttpResponse:
    """Show the policies, and which past approvals would fail by them or by other gates."""
    if request.method != "POST":
        return _policies(request)
    form = _policy_form(request, forms.GATES)
    try:
        return _policies(request, form, gates=form.value())
    except LabError as error:
        return _policies(request, form, refused=(forms.GATES, error))


def _policy_form(request: HttpRequest, key: str) -> forms.PolicyForm:
    view = selectors.get_setting_view(signed_in(request).team, key)
    return forms.PolicyForm(request.POST.dict(), view=view)


def _policies(
    request: HttpRequest,
    form: forms.PolicyForm | None = None,
    refused: tuple[str, LabError] | None = None,
    **asked: Any,
) -> HttpResponse:
    context = selectors.policies_page(signed_in(request).team, now=clock.now(), **asked)
    rows = [forms.policy_row(row, form, refused) for row in context["policies"]]
    context |= {"policies": rows, "is_tried": bool(asked), "gates_key": forms.GATES}
    status = _say(request, refused, {row["key"] for row in rows})
    return render(request, "approvals/policies.html", context, status=status)


def _say(request: HttpRequest, refused: tuple[str, LabError] | None, shown: set[str]) -> int:
    """Return the page's status; what is refused of a setting not shown here is said on top."""
    if refused and refused[0] not in shown:
        messages.error(request, refused[1].message)
    return refused[1].status if refused else 200


@require_POST
@permission("proposals.create")
def propose_setting(request: HttpRequest, key: str) -> HttpResponse:
    """Propose a policy's new value; a refused one keeps what was written."""
    form = _policy_form(request, key)
    actor, now = signed_in(request), clock.now()
    try:
        made = services.propose_setting(actor=actor, key=key, now=now, **form.change())
    except LabError as error:
        return _policies(request, form, refused=(key, error))
    return redirect("approvals:proposal", made.pk)


@require_GET
@permission("team.read")
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show the settings that can be changed at run time, with their versions."""
    return _settings(request)


def _settings(
    request: HttpRequest,
    form: forms.SettingForm | None = None,
    refused: tuple[str, LabError] | None = None,
) -> HttpResponse:
    team_id = signed_in(request).team
    context: dict[str, Any] = {
        "settings": [
            {
                **schemas.setting_text(row),
                **(form.typed() if form and refused and row.key == refused[0] else {}),
                **forms.told(row.key, refused),
            }
            for row in selectors.list_settings(team_id)
            if not row.by_proposal
        ],
        "versions": selectors.list_recent_versions(team_id),
        "changeable": selectors.list_changeable(),
        "labels": selectors.labels_of(team_id),
    }
    status = _say(request, refused, {row["key"] for row in context["settings"]})
    return render(request, "approvals/settings.html", context, status=status)


@require_POST
@permission("settings.write")
def change_setting(request: HttpRequest, key: str) -> HttpResponse:
    """Show what would change; store it when the same person confirms that within a minute."""
    form, given = forms.SettingForm(request.POST), request.POST.get("confirmation", "")
    who: dict[str, Any] = {"actor": signed_in(request), "now": clock.now()}
    try:
        token = services.attempt_setting(**who, key=key, change=form.change(), given=given)
    except LabError as error:
        return _settings(request, form, (key, error))
    if token:
        return _ask(request, key, form, token)
    messages.success(request, f"{key} is changed.")
    return redirect("approvals:settings")


def _ask(request: HttpRequest, key: str, form: forms.SettingForm, token: str) -> HttpResponse:
    context = selectors.change_page(signed_in(request).team, key, form.change()["value"])
    context |= {"confirmation": token, "sent": form.data}
    return render(request, "approvals/confirm.html", context)


@require_POST
@permission("settings.write")
def roll_back_setting(request: HttpRequest, key: str) -> HttpResponse:
    """Go back to an earlier value."""
    actor, now, version = signed_in(request), clock.now(), request.POST.get("version", "")
    try:
        number = int(version)
    except ValueError as error:
        raise Invalid(f"{version!r} is not a version.", code="setting.version") from error
    _attempt(
        request,
        lambda: services.roll_back_setting(actor=actor, key=key, version=number, now=now),
        f"{key} holds the value of version {number} again.",
    )
    return redirect("approvals:settings")
