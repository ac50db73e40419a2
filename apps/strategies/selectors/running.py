"""What runs under a name: a member of the library, or a user's text in the sandbox."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from apps.approvals.selectors import find_approval
from apps.core.errors import Conflict
from apps.core.plugs import load_plug
from apps.strategies.kernel.interface import Strategy
from apps.strategies.kernel.user_code import read
from apps.strategies.sandbox.base import Sandbox, Status
from apps.strategies.sandbox.own import OwnStrategy
from apps.strategies.selectors import library
from apps.strategies.selectors.recipes import CODE, own_row

SANDBOXES = "SANDBOXES"
LIVE_TIER = "A"


def get_strategy(name: str, team_id: int | None = None, *, keep: str = "") -> Strategy:
    """Return what runs under the name that a version has.

    Of a team's own text (``code:<digest>``) every call goes through the sandbox, and is refused
    with ``strategy.not_approved`` until a person approved exactly that text, and with
    ``sandbox.unavailable`` where the sandbox does not hold. What decides from bar to bar for long,
    as ``deployment:7`` does, gives its name as ``keep``: its process then waits for the next bar.

    Raises ``NotFound``, also for the text of another team.
    """
    if not name.startswith(CODE):
        return library.get_strategy(name)
    row = own_row(name, team_id)
    declared = read(row.strategy.name, row.source)
    check = partial(_check_approved, row.team_id, row.strategy.title)
    found: Strategy = OwnStrategy(declared, row.source, sandbox(), check, keep)
    return found


def check_runnable(name: str, team_id: int, *, live: bool = False) -> None:
    """Raise ``Conflict`` when what runs under the name must not run: a text nobody approved.

    For ``live`` money the sandbox must hold with all its fences (``sandbox.tier``).
    """
    found = get_strategy(name, team_id)
    if not isinstance(found, OwnStrategy):
        return
    found.check()
    if live and (status := sandbox_status()).tier != LIVE_TIER:
        message = (
            f"A Python strategy trades live in tier {LIVE_TIER} of the sandbox only; here it is "
            f"{status.tier or 'none'} ({status.why}). Paper accounts may go on."
        )
        raise Conflict(message, code="sandbox.tier", details={"tier": status.tier})


def code_approval(team_id: int, digest: str) -> Any:
    """Return the approval of the text with that digest; None while nobody approved it."""
    subject = f"{CODE}{digest}"
    return find_approval(team_id=team_id, kind="code", subject=subject, digest=digest)


def sandbox() -> Sandbox:
    """Return the sandbox of this process."""
    found: Sandbox = load_plug(SANDBOXES, "default")
    return found


def sandbox_status(*, fresh: bool = False) -> Status:
    """Return whether users' Python may run here; it tries to break out at most once an hour."""
    return sandbox().status(fresh=fresh)


def fences_of(name: str) -> dict[str, str] | None:
    """Return tier and guard that a text would run within now; None for the lab's own code."""
    if not name.startswith(CODE):
        return None
    status = sandbox_status()
    return {"tier": status.tier, "guard": status.guard}


def kernel_release() -> str:
    """Return the kernel that holds the fences up."""
    return os.uname().release


def sandbox_status_if_made() -> Status | None:
    """Return the same, None while its files have not been made: that takes some seconds."""
    return sandbox_status() if sandbox().is_made else None


def _check_approved(team_id: int, title: str, digest: str) -> None:
    if code_approval(team_id, digest) is None:
        message = (
            f"The text of {title} (sha-256 {digest[:12]}…) may not run: nobody has approved "
            "exactly this text. Propose it, and let a validator who did not write it approve it."
        )
        raise Conflict(message, code="strategy.not_approved", details={"digest": digest})
