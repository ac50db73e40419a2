"""JSON from a vendor over HTTP: paced, every fault typed, the key never told."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
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
        name = self.pacer.provider
        try:
            with httpx.Client(
                timeout=self.timeout, headers=dict(self.headers), verify=_trust()
            ) as client:
                answer = client.request(method, f"{self.base_url.rstrip('/')}{path}", **what)
        except httpx.TimeoutException:
            raise down(name, f"did not answer within {self.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise down(name, f"can't be reached ({type(error).__name__})") from None
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Any:
        if answer.status_code >= 300:
            said, after = _said(answer), answer.headers.get("Retry-After")
            raise self.pacer.refusal(answer.status_code, said, after) from None
        if len(answer.content) > MAX_BYTES:
            raise Invalid(f"{self.pacer.provider} sent over 64 MB.", code="provider.answer")
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            message = f"{self.pacer.provider} sent something that is not JSON; try again later."
            raise Unavailable(message, code="provider.malformed") from None


@cache
def _trust() -> ssl.SSLContext:
    """Return whom to trust, read once: it takes longer than many an answer."""
    return httpx.create_ssl_context()


def _said(answer: httpx.Response) -> str:
    """Return what a refusal says, whatever the vendor calls it."""
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(body, dict):
        return ""
    found = (body.get(name) for name in ("Error Message", "message", "error", "errors", "detail"))
    return next((str(text) for text in found if text), "")
