"""What the pages of approvals are sent."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from apps.approvals.kernel.signatures import PASSKEY, TOTP
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


class DryRunForm(forms.Form):
    """Gates to try on past approvals, as JSON; those in force when left out."""

    gates = forms.CharField(max_length=20_000)

    def asked(self) -> dict[str, Any]:
        """Return the arguments of ``selectors.dry_run``. Raises ``Invalid``."""
        return {"gates": read_json(self.data.get("gates", ""))} if self.is_bound else {}

    def typed(self, key: str) -> dict[str, str]:
        """Return the text that was tried, in place of the gates in force."""
        return {"text": self.data.get("gates", "")} if self.is_bound and key == GATES else {}


class SettingProposalForm(forms.Form):
    """A policy's new value as JSON, and why."""

    value = forms.CharField(max_length=20_000)
    rationale = forms.CharField(max_length=4000)

    def __init__(self, *args: Any, key: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key

    def change(self) -> dict[str, Any]:
        """Return the arguments of ``services.propose_setting``. Raises ``Invalid``."""
        value = read_json(self.data.get("value") or self.data.get("gates", ""))
        return {"value": value, "rationale": self.data.get("rationale", "")}

    def typed(self, key: str) -> dict[str, str]:
        """Return what was written for the policy it is about."""
        if key != self.key:
            return {}
        text = self.data.get("value") or self.data.get("gates", "")
        return {"text": text, "rationale": self.data.get("rationale", "")}


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
