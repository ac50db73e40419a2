"""Forms of the live page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django import forms

from apps.core.errors import LabError


class DeployForm(forms.Form):
    """Which approved version, with how much money, on which instruments."""

    version_id = forms.TypedChoiceField(coerce=int)
    allocation = forms.DecimalField(min_value=Decimal(100), max_digits=20, decimal_places=2)
    symbols = forms.CharField(required=False, max_length=4000)

    def __init__(self, *args: Any, versions: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version_id"].choices = versions  # type: ignore[attr-defined]

    def clean_symbols(self) -> list[str]:
        """Return the symbols, separated by commas or spaces."""
        return str(self.cleaned_data["symbols"]).replace(",", " ").split()


class OrderForm(forms.Form):
    """A market order by hand."""

    symbol = forms.CharField(max_length=40)
    side = forms.ChoiceField(choices=(("buy", "Buy"), ("sell", "Sell")))
    quantity = forms.DecimalField(max_digits=24, decimal_places=8)


class WhatIfForm(OrderForm):
    """An order that is being typed: asked about as soon as it is whole."""

    def orders(self) -> list[dict[str, Any]]:
        """Return the order; nothing while something of it is missing."""
        return [dict(self.cleaned_data)] if self.is_valid() else []


class ReasonForm(forms.Form):
    """A scope and why it is halted or resumed."""

    scope = forms.CharField(max_length=40)
    reason = forms.CharField(max_length=500)


class AccountForm(forms.Form):
    """A new paper account."""

    name = forms.CharField(max_length=80)
    cash = forms.DecimalField(min_value=Decimal(1), max_digits=16, decimal_places=2)
    feed = forms.CharField(max_length=64)
    fee_bps = forms.FloatField(min_value=0, max_value=1000)
    slippage_bps = forms.FloatField(min_value=0, max_value=1000)


class TradeForm(forms.Form):
    """A single trade for others to agree to."""

    symbol = forms.CharField(max_length=40)
    side = forms.ChoiceField(choices=(("buy", "Buy"), ("sell", "Sell")))
    quantity = forms.DecimalField(max_digits=24, decimal_places=8)
    kind = forms.CharField(max_length=10)
    minutes = forms.IntegerField(required=False)
    rationale = forms.CharField(max_length=4000, required=False)

    def clean_symbol(self) -> str:
        """Return the symbol as instruments are written."""
        return str(self.cleaned_data["symbol"]).strip().upper()

    def trade(self) -> dict[str, Any]:
        """Return the trade itself."""
        return {name: self.cleaned_data[name] for name in ("symbol", "side", "quantity", "kind")}

    def asked(self) -> dict[str, Any]:
        """Return the arguments of ``services.propose_order``."""
        return dict(self.cleaned_data)


class BalancerForm(forms.Form):
    """What a balancer is set to; shares in percent, empty is without."""

    method = forms.CharField(max_length=40)
    universe = forms.CharField(max_length=64, required=False)
    budget = forms.FloatField()
    min_weight = forms.FloatField()
    max_weight = forms.FloatField()
    max_correlation = forms.FloatField(required=False)
    max_turnover = forms.FloatField(required=False)
    cost = forms.FloatField(required=False)
    window = forms.IntegerField()
    min_trade = forms.FloatField()
    every_seconds = forms.IntegerField(required=False)
    daily_at = forms.CharField(max_length=5, required=False)
    output = forms.CharField(max_length=20)
    minutes = forms.IntegerField()
    is_on = forms.BooleanField(required=False)
    reason = forms.CharField(max_length=500)

    PERCENT = ("budget", "min_weight", "max_weight", "max_turnover", "cost", "min_trade")

    def policy(self) -> dict[str, Any]:
        """Return the values as a balancer's policy has them."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "reason"}
        shares = {name: values[name] for name in self.PERCENT if values[name] is not None}
        return values | {name: share / 100.0 for name, share in shares.items()}

    @classmethod
    def texts(cls, policy: Any) -> dict[str, Any]:
        """Return a policy as the fields of the form show it."""
        found = {name: getattr(policy, name) for name in cls.base_fields if name != "reason"}
        for name in cls.PERCENT:
            found[name] = None if found[name] is None else f"{found[name] * 100.0:.10g}"
        return found


def told_of(made: Any) -> str:
    """Return what a change of a balancer came to, in words."""
    if made.proposal_id:
        return "Proposed: it sends orders by itself when a risk manager agrees."
    return f"Version {made.view.version} holds from now on."


class PromotionForm(forms.Form):
    """A version for a stage, on which terms."""

    target_stage = forms.CharField(max_length=20)
    title = forms.CharField(max_length=200, required=False)
    account = forms.IntegerField(required=False)
    capital_usd = forms.FloatField(required=False)
    valid_days = forms.IntegerField(required=False)
    review_days = forms.IntegerField(required=False)
    open_days = forms.IntegerField(required=False)
    study = forms.CharField(max_length=40, required=False)
    rationale = forms.CharField(max_length=4000)

    def asked(self) -> dict[str, Any]:
        """Return the arguments of ``services.propose_run``."""
        return dict(self.cleaned_data)


def attempt(form: forms.Form, act: Callable[[], Any]) -> Any:
    """Do it if all was filled in well, and return what it gave.

    A refusal is told at the field at fault; then, and before anything was sent, there is None.
    """
    if not form.is_valid():
        return None
    try:
        return act()
    except LabError as error:
        field = str(error.details.get("field", ""))
        form.add_error(field if field in form.fields else None, error.message)
        return None


def texts_of(form: forms.Form, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what stands in each field and what is wrong with it; ``given`` before it was sent."""
    return {
        name: {
            "value": form.data.get(name, "") if form.is_bound else given.get(name, ""),
            "error": " ".join(map(str, form.errors.get(name, []))) if form.is_bound else "",
        }
        for name in form.fields
    }


def status_of(form: forms.Form) -> int:
    """Return the status of a page with the form: 422 when something in it is wrong."""
    return 422 if form.is_bound and form.errors else 200


def words_of(form: forms.BaseForm) -> str:
    """Return a form's errors as one sentence."""
    return " ".join(
        f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()
    )
