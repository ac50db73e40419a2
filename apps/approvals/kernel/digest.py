"""What an approval is bound to: the sha-256 of exactly what was seen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from apps.core.kernel.hashing import canonical_json

MAX_WHOLE = 2**53 - 1
FORMAT = "quantsite-proposal/v1"
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
HEX = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is a sha-256 in lower-case hex."""
    return HEX.fullmatch(text) is not None


def proposal_digest(**parts: Any) -> str:
    """Return the digest of everything a decider is shown: the parts of ``PARTS``."""
    return sha256(proposal_content(parts)).hexdigest()


def proposal_content(parts: Mapping[str, Any]) -> bytes:
    """Return everything a decider is shown as the canonical JSON that the digest is taken of.

    Raises ``KeyError`` when a part is missing.
    """
    shown = {name: parts[name] for name in PARTS}
    return canonical_json(finite({"format": FORMAT, **shown}))


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
