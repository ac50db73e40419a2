"""What the pages of approvals are sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from apps.approvals.kernel.fields import Field, read_fields, text_of
from apps.approvals.kernel.signatures import PASSKEY, TOTP
from apps.approvals.selectors import SettingView, fields_of
from apps.core.errors import Invalid, LabError

GATES = "approvals.gates"


class DecisionForm(forms.Form):
    """The signature box: ``services.decide`` judges what it holds."""

    rationale = forms.CharField(max_length=4000)
    digest = forms.CharField(max_length=64)
    code = forms.CharField(max_length=12, required=False)
    passkey = forms.CharField(max_length=20_000, required=False)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``services.decide``."""
        names = {"decision": "decision", "rationale": "rationale", "seen_digest": "digest"}
        sent = {name: str(self.data.get(sent, "")) for name, sent in names.items()}
        return {**sent, "signature": self.signature()}

    def signature(self) -> dict[str, Any] | None:
        """Return what was signed with: a passkey's answer if there is one, else the code."""
        try:
            answer = json.loads(self.data.get("passkey") or "null")
        except ValueError:
            answer = {}
        if isinstance(answer, dict):
            return {**answer, "kind": PASSKEY}
        code = self.data.get("code", "")
        return {"kind": TOTP, "code": code} if code else None


class AmendForm(forms.Form):
    """Other words for a proposal."""

    title = forms.CharField(max_length=200, required=False)
    rationale = forms.CharField(max_length=4000, required=False)

    def words(self) -> dict[str, Any]:
        """Return what was written; what was left empty stays as it is."""
        return {name: self.data[name] for name in self.fields if self.data.get(name, "").strip()}


class PolicyForm:
    """What was sent about one policy: what stands in its fields, and why."""

    def __init__(self, data: Mapping[str, str], *, view: SettingView) -> None:
        self.key, self.data = view.key, data
        self._before, self._fields = view.value, fields_of(view)

    def value(self) -> Any:
        """Return the value that the fields make. Raises ``Invalid`` with what is wrong where."""
        made, errors = read_fields(self._fields, self.data, self._before)
        if errors:
            message = f"{len(errors)} of the fields can't be so; it is said next to them."
            raise Invalid(message, code="setting.fields", details={"fields": errors})
        if not self._fields:
            message = f"{self.key} has no form here; propose its value over REST."
            raise Invalid(message, code="setting.fields")
        return made

    def change(self) -> dict[str, Any]:
        """Return the arguments of ``services.propose_setting``. Raises ``Invalid``."""
        return {"value": self.value(), "rationale": self.data.get("rationale", "")}


def policy_row(
    view: SettingView, form: PolicyForm | None, refused: tuple[str, LabError] | None
) -> dict[str, Any]:
    """Return a policy with its fields; for the one that was sent, with what was written."""
    sent = form.data if form and form.key == view.key else None
    found = refused[1].details.get("fields") if refused and refused[0] == view.key else None
    wrong = found if isinstance(found, dict) else {}
    return {
        "key": view.key,
        "label": view.label,
        "hint": view.hint,
        "version": view.version,
        "rationale": sent.get("rationale", "") if sent else "",
        "fields": [
            {
                **_drawn(field),
                "value": text_of(field, view.value) if sent is None else sent.get(field.name, ""),
                "error": wrong.get(field.name, ""),
            }
            for field in fields_of(view)
        ],
        **told(view.key, refused),
    }


def _drawn(field: Field) -> dict[str, Any]:
    """Return what the page needs to draw a field; numbers as text, the same in every language."""
    low, high = field.minimum, field.maximum
    return {
        "name": field.name,
        "label": field.label,
        "type": field.kind,
        "options": field.choices,
        "group": field.group,
        "unit": field.unit,
        "step": "1" if field.is_whole else "any",
        "min": "" if low is None else f"{low:.15g}",
        "max": "" if high is None else f"{high:.15g}",
        "range": "" if low is None or high is None else f"{low:,.15g} to {high:,.15g}",
    }


def told(key: str, refused: tuple[str, LabError] | None) -> dict[str, str]:
    """Return what is wrong with a setting, where it is that which was refused."""
    if refused is None or refused[0] != key:
        return {}
    field = str(refused[1].details.get("field", "value"))
    name = "rationale" if field in ("rationale", "note") else "value"
    return {f"{name}_error": refused[1].message}


def read_json(text: str) -> Any:
    """Return what a person typed as JSON. Raises ``Invalid`` saying where it is wrong."""
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"The value is not JSON: {error}."
        raise Invalid(message, code="setting.json") from error


class SettingForm(forms.Form):
    """A setting's new value as JSON, with the version that was seen."""

    value = forms.CharField(max_length=20_000)
    note = forms.CharField(max_length=200, required=False)
    version = forms.IntegerField(min_value=0, required=False)

    def change(self) -> dict[str, Any]:
        """Return the arguments of ``services.set_setting``. Raises ``Invalid``."""
        if not self.is_valid():
            words = "; ".join(f"{name}: {text[0]}" for name, text in self.errors.items())
            raise Invalid(f"The change can't be read: {words}", code="setting.form")
        return {
            "value": read_json(self.cleaned_data["value"]),
            "note": self.cleaned_data["note"],
            "expected_version": self.cleaned_data["version"],
        }

    def typed(self) -> dict[str, str]:
        """Return what was written."""
        return {"text": self.data.get("value", ""), "note": self.data.get("note", "")}
