"""Forms of the account pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms

from apps.accounts.kernel.roles import ROLES
from apps.core.errors import LabError

LIFETIMES = ((30, "30 days"), (90, "90 days"), (180, "180 days"), (366, "1 year"))


def role_name(role: str) -> str:
    """Return a role as people read it."""
    return role.replace("_", " ")


ROLE_CHOICES = [(role, role_name(role)) for role in ROLES]
# What each role may do, for the page of people.
ROLE_TABLE = [(role_name(role), sorted(may)) for role, may in ROLES.items()]


def tell(error: LabError, form: forms.Form | None) -> bool:
    """Tell a refusal at the field of the form that it names; returns whether there is such one."""
    name = str(error.details.get("field", ""))
    if form is None or name not in form.fields:
        return False
    form.add_error(name, error.message)
    return True


def by_state(tokens: Iterable[Any], now: datetime) -> dict[str, list[Any]]:
    """Return the tokens that still work, and those that ended."""
    found: dict[str, list[Any]] = {"good": [], "ended": []}
    for token in tokens:
        is_over = token.revoked_at or (token.expires_at and token.expires_at <= now)
        found["ended" if is_over else "good"].append(token)
    return found


class InviteForm(forms.Form):
    """Whom to invite, as what."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(choices=ROLE_CHOICES, initial="viewer")


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(choices=ROLE_CHOICES)


class TokenForm(forms.Form):
    """What a new API token is for and what it allows."""

    name = forms.CharField(
        label="Name", max_length=100, help_text="What uses it: a script, a host"
    )
    days = forms.TypedChoiceField(label="Expires after", choices=LIFETIMES, coerce=int, initial=90)
    scopes = forms.MultipleChoiceField(
        label="Allows",
        widget=forms.CheckboxSelectMultiple,
        help_text="Tick only what the program needs; more can't be added later",
    )

    networks = forms.CharField(
        label="Works from",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "10.1.2.3 or 10.1.0.0/16"}),
        help_text="Addresses or networks, one a line; empty for any",
    )

    def clean_networks(self) -> list[str]:
        """Return the lines."""
        lines: str = self.cleaned_data["networks"]
        return lines.replace(",", "\n").split()

    def __init__(self, *args: Any, permissions: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        scopes.choices = [(name, name) for name in sorted(permissions)]  # type: ignore[attr-defined]
        scopes.initial = ["team.read"]


class JoinForm(forms.Form):
    """The name and password of somebody who follows an invitation."""

    name = forms.CharField(label="Your name", max_length=100)
    password = forms.CharField(
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters; several words nobody would think of",
    )
