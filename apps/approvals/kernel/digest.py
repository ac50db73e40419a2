"""What an approval is bound to: the sha-256 of exactly what was seen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from apps.core.kernel.hashing import canonical_json

MAX_WHOLE = 2**53 - 1
# The first form had no identity: the same words proposed twice had one digest.
FIRST = "quantsite-proposal/v1"
FORMAT = "quantsite-proposal/v2"
PARTS = (
    "kind",
    "subject",
    "subject_digest",
    "title",
    "target_stage",
    "tier",
    "rationale",
    "evidence",
    "gates",
)
FORMATS = {FIRST: PARTS, FORMAT: (*PARTS, "id", "team_id", "author", "terms", "expires_at")}
HEX = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is a sha-256 in lower-case hex."""
    return HEX.fullmatch(text) is not None


def proposal_digest(parts: Mapping[str, Any], form: str = FORMAT) -> str:
    """Return the digest of everything a decider is shown: the parts of the form."""
    return sha256(proposal_content(parts, form)).hexdigest()


def proposal_content(parts: Mapping[str, Any], form: str = FORMAT) -> bytes:
    """Return everything a decider is shown as the canonical JSON that the digest is taken of.

    Raises ``KeyError`` when a part is missing, or for an unknown form.
    """
    shown = {name: _plain(parts[name]) for name in FORMATS[form]}
    return canonical_json(finite({"format": form, **shown}))


def _plain(value: Any) -> Any:
    """Return a part as it is whether it was just made or comes from the database."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, dict | list | str | int | float | None) else str(value)


def finite(value: Any) -> Any:
    """Return JSON that can be kept, hashed and shown: NaN and infinity become null.

    Whole numbers too large for JSON become floats, as which they come back from the database.
    """
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        return float(value)
    return value
