"""The form of limits on the risk page."""

from __future__ import annotations

from typing import Any

from django import forms

# name, label, unit, decimals of the step
FIELDS = (
    ("max_position_value", "Largest position", "USD"),
    ("max_position_share", "Largest position", "of equity"),
    ("min_position_value", "Smallest position", "USD"),
    ("max_exposure", "Gross exposure", "of equity"),
    ("max_leverage", "Leverage", "times"),
    ("max_positions", "Positions at once", ""),
    ("max_daily_loss", "Loss in a day", "of equity"),
    ("price_collar", "Price collar", "of price"),
    ("max_orders_per_minute", "Orders a minute", ""),
    ("max_price_age_seconds", "Age of a price", "s"),
)
WHOLE = {"max_positions", "max_orders_per_minute"}


class LimitsForm(forms.Form):
    """Every limit; an empty field switches it off."""

    subject = forms.CharField(required=False, max_length=80)
    restricted = forms.CharField(required=False, max_length=4000)
    reason = forms.CharField(min_length=3, max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label, _unit in FIELDS:
            kind = forms.IntegerField if name in WHOLE else forms.FloatField
            self.fields[name] = kind(required=False, min_value=0, label=label)

    def asked(self) -> dict[str, Any]:
        """Return what the service takes: subject, values, reason."""
        data = self.cleaned_data
        return {"subject": data["subject"], "reason": data["reason"], "values": self.values()}

    def values(self) -> dict[str, Any]:
        """Return the limits by name; None switches one off."""
        given = {name: self.cleaned_data[name] for name, _, _ in FIELDS}
        symbols = str(self.cleaned_data["restricted"]).replace(",", " ").split()
        return {**given, "restricted": symbols}


def rows_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the page needs of each limit: name, label, unit, value."""
    return [
        {"name": name, "label": label, "unit": unit, "value": values[name]}
        for name, label, unit in FIELDS
    ]


def words_of(form: forms.BaseForm) -> str:
    """Return a form's errors as one sentence."""
    return " ".join(f"{name}: {' '.join(map(str, e))}" for name, e in form.errors.items())


def words_of_change(version: int, proposal_id: object) -> str:
    """Return what a change of limits came to, in words."""
    if proposal_id:
        return "Wider limits wait for a decision: see Approvals. Until then the old ones hold."
    return f"Version {version} of the limits holds from now on."
