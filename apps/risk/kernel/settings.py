"""The settings of risk that can be changed at run time."""

from __future__ import annotations

from typing import Any

from apps.accounts.kernel.roles import ROLES
from apps.approvals.kernel.fields import CHECK, Field
from apps.approvals.kernel.setting_specs import Spec, register

REPORT_ROLES = "risk.report_roles"


def _check_roles(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(role, str) for role in value):
        message = "roles are a list of names"
        raise ValueError(message)
    unknown = sorted(set(value) - set(ROLES))
    if unknown or len(set(value)) != len(value):
        message = f"roles are different ones of {', '.join(ROLES)}"
        raise ValueError(message)


def _role_fields(_: Any) -> tuple[Field, ...]:
    return tuple(
        Field(role, role.replace("_", " ").capitalize(), kind=CHECK, word=role) for role in ROLES
    )


register(
    Spec(
        REPORT_ROLES,
        "Roles that get the nightly risk report by mail",
        ["risk_manager"],
        _check_roles,
        hint="each member can say otherwise for themselves on the page of reports",
        fields=_role_fields,
    )
)
