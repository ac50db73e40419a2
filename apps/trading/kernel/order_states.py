"""What an order may become: one table, one function.

An order is stored as an intent before it is sent. From ``submitted`` on, only what the venue says
moves it; where its answer is missing the order is ``unknown`` and stays so until there is
evidence: it is never assumed dead and never sent again under another id.
"""

from __future__ import annotations

from apps.core.errors import Conflict

CREATED = "created"
REFUSED = "refused"
SUBMITTED = "submitted"
UNKNOWN = "unknown"
ACCEPTED = "accepted"
PART_FILLED = "partially_filled"
FILLED = "filled"
CANCELLED = "cancelled"
REJECTED = "rejected"
EXPIRED = "expired"

STATES = (
    CREATED,
    REFUSED,
    SUBMITTED,
    UNKNOWN,
    ACCEPTED,
    PART_FILLED,
    FILLED,
    CANCELLED,
    REJECTED,
    EXPIRED,
)
WORKING = frozenset({CREATED, SUBMITTED, UNKNOWN, ACCEPTED, PART_FILLED})
FINAL = frozenset(STATES) - WORKING

NEXT: dict[tuple[str, str], str] = {
    (CREATED, "submit"): SUBMITTED,
    (CREATED, "cancel"): CANCELLED,
    (CREATED, "expire"): EXPIRED,
    (SUBMITTED, "accept"): ACCEPTED,
    (SUBMITTED, "reject"): REJECTED,
    (SUBMITTED, "fill"): FILLED,
    (SUBMITTED, "part_fill"): PART_FILLED,
    (SUBMITTED, "lose"): UNKNOWN,
    (SUBMITTED, "cancel"): CANCELLED,
    (UNKNOWN, "accept"): ACCEPTED,
    (UNKNOWN, "reject"): REJECTED,
    (UNKNOWN, "fill"): FILLED,
    (UNKNOWN, "part_fill"): PART_FILLED,
    (UNKNOWN, "cancel"): CANCELLED,
    (ACCEPTED, "fill"): FILLED,
    (ACCEPTED, "part_fill"): PART_FILLED,
    (ACCEPTED, "cancel"): CANCELLED,
    (ACCEPTED, "reject"): REJECTED,
    (ACCEPTED, "expire"): EXPIRED,
    (ACCEPTED, "lose"): UNKNOWN,
    (PART_FILLED, "part_fill"): PART_FILLED,
    (PART_FILLED, "fill"): FILLED,
    (PART_FILLED, "cancel"): CANCELLED,
    (PART_FILLED, "expire"): EXPIRED,
    (PART_FILLED, "lose"): UNKNOWN,
}


def advance(state: str, event: str) -> str:
    """Return the state after ``event``. Raises ``Conflict`` when that can't happen."""
    found = NEXT.get((state, event))
    if found is None:
        possible = sorted(name for before, name in NEXT if before == state) or ["nothing"]
        message = f"An order that is {state} can't {event}; possible: {', '.join(possible)}."
        raise Conflict(message, code="order.state", details={"state": state, "event": event})
    return found
