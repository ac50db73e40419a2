"""What the pages of risk are asked, and the addresses they ask for their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.urls import reverse

from apps.risk.kernel.policies import SWITCHES, WHOLE

# name, label, unit
FIELDS = (
    ("max_order_value", "Largest order", "USD"),
    ("max_order_quantity", "Largest order", "units"),
    ("max_position_value", "Largest position", "USD"),
    ("max_position_share", "Largest position", "of equity"),
    ("min_position_value", "Smallest position", "USD"),
    ("max_group_share", "Largest sector", "of equity"),
    ("max_exposure", "Gross exposure", "of equity"),
    ("max_net_exposure", "Net exposure", "of equity"),
    ("max_leverage", "Leverage", "times"),
    ("max_leverage_perpetual", "Leverage, perpetuals", "times"),
    ("max_risk_per_trade", "Risk of a trade", "of equity"),
    ("max_positions", "Positions at once", ""),
    ("max_daily_loss", "Loss in a day", "of equity"),
    ("price_collar", "Price collar", "of price"),
    ("max_orders_per_minute", "Orders a minute", ""),
    ("max_messages_per_minute", "Messages a minute", ""),
    ("duplicate_seconds", "Same order again", "s"),
    ("max_price_age_seconds", "Age of a price", "s"),
    ("only_in_session", "Only while the feed runs", ""),
    ("ess_drawdown", "Emergency stop, drawdown", "of peak"),
    ("ess_daily_loss", "Emergency stop, day's loss", "of equity"),
    ("ess_warning", "It warns at", "of these"),
    ("ess_cool_down_minutes", "Its cool-down", "min"),
    ("protect_stop", "Protective stop", "of price"),
    ("protect_multiple", "Protective stop", "sigmas"),
    ("protect_max", "Furthest stop", "of price"),
)


class LimitsForm(forms.Form):
    """Every limit; an empty field switches it off."""

    subject = forms.CharField(required=False, max_length=80)
    restricted = forms.CharField(required=False, max_length=4000)
    reason = forms.CharField(min_length=3, max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label, _unit in FIELDS:
            if name in SWITCHES:
                self.fields[name] = forms.BooleanField(required=False, label=label)
                continue
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
        {
            "name": name,
            "label": label,
            "unit": unit,
            "value": values[name],
            "is_switch": name in SWITCHES,
        }
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


class ScenarioForm(forms.Form):
    """A scenario, its table written a line per shock: ``sector Energy -30%``."""

    subject = forms.CharField(required=False, max_length=120)
    name = forms.CharField(required=False, max_length=80)
    title = forms.CharField(required=False, max_length=160)
    note = forms.CharField(required=False, max_length=500)
    version = forms.IntegerField(required=False, min_value=0)
    table = forms.CharField(max_length=60_000)

    def clean_table(self) -> dict[str, dict[str, float]]:
        """Return the shocks by kind and name. Raises ``ValidationError`` naming the line."""
        found: dict[str, dict[str, float]] = {}
        for number, line in enumerate(str(self.cleaned_data["table"]).splitlines(), start=1):
            if line.strip():
                kind, name, value = _shock_of(number, line)
                if name in found.setdefault(kind, {}):
                    words = f"Line {number}: {kind} {name} stands there twice."
                    raise forms.ValidationError(words)
                found[kind][name] = value
        return found

    def asked(self) -> dict[str, Any]:
        """Return what the service takes."""
        data = self.cleaned_data
        kept = {name: data[name] for name in ("name", "title", "note", "version")}
        return {**kept, "shocks": data["table"]}


def _shock_of(number: int, line: str) -> tuple[str, str, float]:
    kind, _, rest = line.strip().partition(" ")
    name, _, size = rest.strip().rpartition(" ")
    try:
        value = float(size.rstrip("%")) / (100.0 if size.endswith("%") else 1.0)
    except ValueError:
        value = float("nan")
    if not name.strip() or value != value:
        words = f"Line {number} is {line.strip()[:60]!r}; write it like: sector Energy -30%"
        raise forms.ValidationError(words)
    return kind.lower(), name.strip(), value


def table_text(shocks: dict[str, dict[str, float]]) -> str:
    """Return shocks as the form shows them, a line each."""
    return "\n".join(
        f"{kind} {name} {100 * value:g}%"
        for kind, rows in shocks.items()
        for name, value in rows.items()
    )


class StressForm(forms.Form):
    """Which book to stress, and how hard."""

    subject = forms.CharField(required=False, max_length=120)
    loss = forms.FloatField(required=False)
    correlation = forms.FloatField(required=False)
    volatility = forms.FloatField(required=False)
    scenario = forms.IntegerField(required=False, min_value=1)

    def asked(self) -> dict[str, Any]:
        """Return what the page is asked for; what can't be read is left at its default."""
        self.is_valid()
        data = {
            name: value for name, value in self.cleaned_data.items() if value not in (None, "")
        }
        shares = {name: data[name] / 100.0 for name in ("loss",) if name in data}
        return {**data, **shares}


class StopForm(forms.Form):
    """Which emergency stop is to end, and why."""

    scope = forms.CharField(max_length=40)
    reason = forms.CharField(min_length=3, max_length=500)


FIGURES = ("fan", "components", "exceptions")


def places_of(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a page of a book finds its figures and parts."""
    subject = context["subject"]
    about = urlencode({"subject": subject})
    figures = {name: f"{reverse('api:get_risk_figure', args=[name])}?{about}" for name in FIGURES}
    parts = {
        "measures": f"{reverse('risk:measures')}?{about}",
        "stress": f"{reverse('risk:worst')}?{about}",
        "breaches": f"{reverse('risk:breaches')}?{about}",
    }
    limited = subject if subject.startswith("account:") else ""
    return {"figures": figures, "parts": parts, "limits_subject": limited}
