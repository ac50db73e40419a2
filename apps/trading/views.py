"""Pages of trading: the live page of an account, and the acts on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.backtests import services as backtests
from apps.core import clock
from apps.core.actors import Actor
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError
from apps.trading import forms, selectors, services
from apps.trading.selectors import pages, promotions, trades


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


@require_GET
@permission("team.read")
def what_if(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show what an order would do to the account's risk; part of a page."""
    form, team = forms.WhatIfForm(request.GET), signed_in(request).team
    seen = pages.order_what_if(account_id, team, form.orders(), now=clock.now())
    return render(request, "risk/_what_if.html", {"seen": seen})


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


@require_http_methods(["GET", "POST"])
@permission("proposals.create")
def propose_trade(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show what a single trade would do to the account, and propose it."""
    actor, now = signed_in(request), clock.now()
    context = trades.trade_page(account_id, actor.team)
    form = forms.TradeForm(request.POST or None)
    context["preview"] = _preview_trade(actor, account_id, form, now)
    made = _propose_trade(actor, account_id, form, now) if "propose" in request.POST else None
    if made is not None:
        return redirect("approvals:proposal", made.pk)
    context |= {"fields": forms.texts_of(form, request.GET), "form": form}
    return render(request, "trading/propose_trade.html", context, status=forms.status_of(form))


def _preview_trade(actor: Actor, account_id: int, form: forms.TradeForm, now: datetime) -> Any:
    act = lambda: trades.preview_trade(  # noqa: E731
        account_id, actor.team, now=now, **form.trade()
    )
    return forms.attempt(form, act)


def _propose_trade(actor: Actor, account_id: int, form: forms.TradeForm, now: datetime) -> Any:
    act = lambda: services.propose_order(  # noqa: E731
        actor=actor, account_id=account_id, now=now, **form.asked()
    )
    return forms.attempt(form, act)


@require_http_methods(["GET", "POST"])
@permission("proposals.create")
def propose_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Propose a run's version for a stage: account, capital, conditions, study."""
    actor, now = signed_in(request), clock.now()
    stage = (request.POST or request.GET).get("target_stage", "")
    context = promotions.promotion_page(run_id, actor.team, stage, now)
    form = forms.PromotionForm(request.POST or None)
    made = _propose_run(actor, run_id, form, now)
    if made is not None:
        return redirect("approvals:proposal", made.pk)
    context |= {"fields": forms.texts_of(form, context), "form": form}
    return render(request, "trading/propose_run.html", context, status=forms.status_of(form))


def _propose_run(actor: Actor, run_id: UUID, form: forms.PromotionForm, now: datetime) -> Any:
    act = lambda: backtests.propose_run(  # noqa: E731
        actor=actor, run_id=run_id, now=now, **form.asked()
    )
    return forms.attempt(form, act)


@require_GET
@permission("team.read")
def show_order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Show an order: its state, its fills, whose agreement it rests on."""
    context = trades.order_page(order_id, signed_in(request).team)
    return render(request, "trading/order.html", context)


@require_GET
@permission("team.read")
def balancer(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show the balancer of an account and what its runs came to."""
    return _balancer_page(request, account_id, forms.BalancerForm())


@require_POST
@permission("trading.deploy")
def set_balancer(request: HttpRequest, account_id: int) -> HttpResponse:
    """Set the balancer of an account, or propose what lets it send more by itself."""
    actor, now, form = signed_in(request), clock.now(), forms.BalancerForm(request.POST)
    made = _set_balancer(actor, account_id, form, now)
    if made is None:
        return _balancer_page(request, account_id, form)
    messages.success(request, forms.told_of(made))
    return redirect("trading:balancer", account_id)


def _balancer_page(
    request: HttpRequest, account_id: int, form: forms.BalancerForm
) -> HttpResponse:
    actor, now, run = signed_in(request), clock.now(), request.GET.get("run", "")
    context = selectors.balancer_page(account_id, actor.team, run, now)
    fields = forms.texts_of(form, forms.BalancerForm.texts(context["policy"]))
    context |= {"fields": fields, "form": form}
    return render(request, "trading/balancer.html", context, status=forms.status_of(form))


def _set_balancer(
    actor: Actor, account_id: int, form: forms.BalancerForm, now: datetime
) -> services.BalancerChange | None:
    act = lambda: services.change_balancer(  # noqa: E731
        actor=actor,
        account_id=account_id,
        values=form.policy(),
        reason=form.cleaned_data["reason"],
        now=now,
    )
    found: services.BalancerChange | None = forms.attempt(form, act)
    return found


@require_POST
@permission("team.read")
def run_balancer(request: HttpRequest, account_id: int) -> HttpResponse:
    """Run the balancer of an account now, or only look at what it would do."""
    actor, now, is_trial = signed_in(request), clock.now(), "try" in request.POST
    try:
        services.ask_for_balance(actor=actor, account_id=account_id, is_trial=is_trial, now=now)
    except LabError as error:
        messages.error(request, error.message)
    return redirect("trading:balancer", account_id)
