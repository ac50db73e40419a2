"""Roles and what each may do. Code, not data: a change is reviewed."""

from __future__ import annotations

from apps.core.errors import Invalid

READ = frozenset({"team.read", "audit.read"})
HALT = frozenset({"trading.halt"})
ASK = frozenset({"assistant.use"})

# Marks an authenticator of a demo account that signs decisions and opens no session.
SIGNS_ONLY = "signs_only"

ROLES: dict[str, frozenset[str]] = {
    "viewer": READ,
    "researcher": READ | ASK | {"data.write", "research.write", "proposals.create"},
    "validator": READ | ASK | {"proposals.decide", "proposals.decide.paper"},
    "risk_manager": READ
    | ASK
    | HALT
    | {
        "proposals.create",
        "proposals.decide",
        "proposals.decide.live",
        "limits.write",
        "trading.resume",
    },
    "trader": READ
    | ASK
    | HALT
    | {"proposals.create", "trading.deploy", "trading.order", "trading.resume"},
    "admin": READ
    | {"people.manage", "keys.manage", "settings.write", "proposals.create", "ops.manage"},
    "auditor": READ | {"audit.export"},
}
PERMISSIONS: frozenset[str] = frozenset().union(*ROLES.values())


def permissions_of(role: str) -> frozenset[str]:
    """Return what ``role`` may do; nothing for an unknown role."""
    return ROLES.get(role, frozenset())


def check_role(role: str) -> str:
    """Return ``role``. Raises ``Invalid`` for an unknown one."""
    if role not in ROLES:
        message = f"There is no role {role!r}; known are {', '.join(ROLES)}."
        raise Invalid(message, code="role.unknown", details={"field": "role"})
    return role
