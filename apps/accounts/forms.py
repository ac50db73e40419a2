"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts.kernel.roles import ROLES

LIFETIMES = ((30, "30 days"), (90, "90 days"), (180, "180 days"), (366, "1 year"))


def role_name(role: str) -> str:
    """Return a role as people read it."""
    return role.replace("_", " ")


ROLE_CHOICES = [(role, role_name(role)) for role in ROLES]


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
