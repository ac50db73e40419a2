"""What an approval is bound to: the sha-256 of exactly what was seen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from apps.core.kernel.hashing import digest_json

MAX_WHOLE = 2**53 - 1
HEX = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is a sha-256 in lower-case hex."""
    return HEX.fullmatch(text) is not None


def proposal_digest(
    *,
    kind: str,
    subject: str,
    subject_digest: str,
    title: str,
    target_stage: str,
    tier: int,
    rationale: str,
    evidence: Mapping[str, Any],
    gates: list[dict[str, Any]],
) -> str:
    """Return the digest of everything a decider is shown."""
    content = finite(
        {
            "format": "quantsite-proposal/v1",
            "kind": kind,
            "subject": subject,
            "subject_digest": subject_digest,
            "title": title,
            "target_stage": target_stage,
            "tier": tier,
            "rationale": rationale,
            "evidence": evidence,
            "gates": gates,
        }
    )
    return digest_json(content)


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
