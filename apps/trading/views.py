"""Pages of trading: the live page of an account, and the acts on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError
from apps.trading import forms, selectors, services


@require_GET
@permission("team.read")
def live(request: HttpRequest) -> HttpResponse:
    """Go to the account that trades, or offer to open one."""
    account = selectors.find_busiest_account(signed_in(request).team)
    if account is None:
        return render(request, "trading/none.html", selectors.new_account_context())
    return redirect("trading:account", account.pk)


@require_GET
@permission("team.read")
def account(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show an account: equity, drawdown, positions, orders, deployments, halts."""
    return render(request, "trading/live.html", _context(request, account_id))


def _context(request: HttpRequest, account_id: int) -> dict[str, Any]:
    return selectors.live_context(account_id, signed_in(request).team)


def _attempt(
    request: HttpRequest, account_id: int, act: Callable[[], Any], done: str
) -> HttpResponse:
    """Do it and say so, or say why not; go back to the account."""
    try:
        act()
        messages.success(request, done)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("trading:account", account_id)


def _wrong(request: HttpRequest, account_id: int, form: Any) -> HttpResponse:
    messages.error(request, forms.words_of(form))
    return redirect("trading:account", account_id)


@require_POST
@permission("trading.deploy")
def open_account(request: HttpRequest) -> HttpResponse:
    """Open a paper account."""
    form, actor, now = forms.AccountForm(request.POST), signed_in(request), clock.now()
    if not form.is_valid():
        messages.error(request, forms.words_of(form))
        return redirect("trading:live")
    try:
        row = services.create_account(actor=actor, now=now, **form.cleaned_data)
    except LabError as error:
        messages.error(request, error.message)
        return redirect("trading:live")
    return redirect("trading:account", row.pk)


@require_POST
@permission("trading.deploy")
def deploy(request: HttpRequest, account_id: int) -> HttpResponse:
    """Put an approved version to work on the account."""
    actor, now = signed_in(request), clock.now()
    form = forms.DeployForm(request.POST, versions=selectors.deployable_choices(actor.team))
    if not form.is_valid():
        return _wrong(request, account_id, form)
    act = lambda: services.deploy(  # noqa: E731
        actor=actor, account_id=account_id, now=now, **form.cleaned_data
    )
    return _attempt(request, account_id, act, "Deployed: it decides at the feed's next close.")


@require_POST
@permission("trading.deploy")
def stop(request: HttpRequest, account_id: int, deployment_id: int) -> HttpResponse:
    """Stop a deployment; its positions stay with the account."""
    actor, now = signed_in(request), clock.now()
    act = lambda: services.stop_deployment(  # noqa: E731
        actor=actor, deployment_id=deployment_id, now=now, reason="Stopped on the live page."
    )
    return _attempt(request, account_id, act, "Stopped. Its positions are the account's own now.")


@require_POST
@permission("trading.order")
def order(request: HttpRequest, account_id: int) -> HttpResponse:
    """Place a market order by hand."""
    form, actor, now = forms.OrderForm(request.POST), signed_in(request), clock.now()
    if not form.is_valid():
        return _wrong(request, account_id, form)
    act = lambda: services.place_order(  # noqa: E731
        actor=actor, account_id=account_id, now=now, **form.cleaned_data
    )
    return _attempt(request, account_id, act, "Sent: it fills at the feed's next open.")


@require_POST
@permission("trading.halt")
def halt(request: HttpRequest, account_id: int) -> HttpResponse:
    """Halt the account or one of its deployments."""
    form, actor, now = forms.ReasonForm(request.POST), signed_in(request), clock.now()
    if not form.is_valid():
        return _wrong(request, account_id, form)
    act = lambda: services.halt(actor=actor, now=now, **form.cleaned_data)  # noqa: E731
    return _attempt(request, account_id, act, f"{form.cleaned_data['scope']} is halted.")


@require_POST
@permission("trading.resume")
def resume(request: HttpRequest, account_id: int) -> HttpResponse:
    """Propose that a halted scope trades again, with a reason."""
    form, actor, now = forms.ReasonForm(request.POST), signed_in(request), clock.now()
    if not form.is_valid():
        return _wrong(request, account_id, form)
    act = lambda: services.propose_resume(actor=actor, now=now, **form.cleaned_data)  # noqa: E731
    words = f"Proposed: {form.cleaned_data['scope']} trades again when a risk manager agrees."
    return _attempt(request, account_id, act, words)
