"""JSON from a vendor over HTTP: paced, every fault typed, the key never told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import httpx
import orjson

from apps.core.errors import Invalid, Unavailable
from apps.market.providers.pacing import Pacer, down

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wire:
    """Requests to one vendor with one key.

    Parameters
    ----------
    headers
        Sent along with every request; the place for a key, which must not stand in an address.
    """

    base_url: str
    pacer: Pacer
    timeout: float = 20.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a path."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON answered to a body."""
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        self.pacer.wait()
        name, address = self.pacer.provider, f"{self.base_url.rstrip('/')}{path}"
        asked = {"headers": dict(self.headers), "timeout": self.timeout, **what}
        try:
            with _client().stream(method, address, **asked) as answer:
                content = self._content(answer)
        except httpx.TimeoutException:
            raise down(name, f"did not answer within {self.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise down(name, f"can't be reached ({type(error).__name__})") from None
        if answer.status_code >= 300:
            after = answer.headers.get("Retry-After")
            raise self.pacer.refusal(answer.status_code, _said(content), after)
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            message = f"{name} sent something that is not JSON; try again later."
            raise Unavailable(message, code="provider.malformed") from None

    def _content(self, answer: httpx.Response) -> bytes:
        """Return the body, unless it is larger than any answer should be."""
        parts, size = [], 0
        for part in answer.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                message = f"{self.pacer.provider} sent over {MAX_BYTES >> 20} MB; ask for less."
                raise Invalid(message, code="provider.answer")
        return b"".join(parts)


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    """Return the process's client, which keeps connections between requests."""
    return httpx.Client()


def _said(content: bytes) -> str:
    """Return what a refusal says, whatever the vendor calls it."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(body, dict):
        return ""
    found = (body.get(name) for name in ("Error Message", "message", "error", "errors", "detail"))
    return next((str(text) for text in found if text), "")
