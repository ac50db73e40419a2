"""Errors of trading that carry more than words."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.core.errors import Conflict, Invalid


class Refused(Invalid):
    """The pre-trade guard or the broker refused an order; all reasons at once."""

    code = "order.refused"

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        words = " ".join(message for _, message in reasons)
        found = [{"code": code, "message": message} for code, message in reasons]
        super().__init__(f"Refused: {words}", details={"refusals": found})


class NotApproved(Conflict):
    """A version may not be deployed: the approval that is missing is named."""

    code = "deploy.not_approved"


class Changed(NotApproved):
    """What would run is no longer what was approved: the approval is void."""

    code = "deploy.changed"

    def __init__(self, message: str, *, proposal_id: UUID, changed: Sequence[str]) -> None:
        super().__init__(message, details={"changed": list(changed)})
        self.proposal_id, self.changed = proposal_id, tuple(changed)
