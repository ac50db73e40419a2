"""Forms of the live page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms


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


def words_of(form: forms.BaseForm) -> str:
    """Return a form's errors as one sentence."""
    return " ".join(
        f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()
    )
