"""Tags of runs and studies: ``key`` or ``key=value``, few and short."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from apps.core.errors import Invalid

KEY = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,39}")
MOST_TAGS = 40
LONGEST_VALUE = 120
# They would be taken for the signs of JSON where tags are searched as text.
REFUSED = re.compile(r'["\\\x00-\x1f\x7f]')


def read_tags(texts: Iterable[str]) -> dict[str, str]:
    """Return tags by key; without a value it is empty. Raises ``Invalid``."""
    found = {}
    for text in texts:
        key, _, value = text.strip().partition("=")
        key, value = key.strip().lower(), value.strip()
        if not KEY.fullmatch(key):
            message = (
                f"The tag {text!r} has the key {key!r}; letters, digits, _, . and - are expected, "
                "at most 40, and a value after =."
            )
            raise Invalid(message, code="tag.key", details={"field": "tag"})
        if len(value) > LONGEST_VALUE or REFUSED.search(value):
            message = (
                f"The value of the tag {key!r} has at most {LONGEST_VALUE} characters, without "
                "quotation marks, backslashes and line ends."
            )
            raise Invalid(message, code="tag.value", details={"field": "tag"})
        found[key] = value
    return found


def retagged(
    tags: Mapping[str, str], added: Mapping[str, str], removed: Iterable[str]
) -> dict[str, str]:
    """Return tags with some added or given another value, and some removed by key.

    Raises ``Invalid`` when they are too many.
    """
    gone = set(removed)
    found = {key: value for key, value in tags.items() if key not in gone} | dict(added)
    if len(found) > MOST_TAGS:
        message = f"There would be {len(found)} tags; at most {MOST_TAGS} go on one thing."
        raise Invalid(message, code="tag.many", details={"field": "tag"})
    return found
