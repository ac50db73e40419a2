"""A connection to one venue through ccxt: requests paced, faults typed."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from apps.core.errors import Denied, Invalid, LabError, NotFound, Unavailable
from apps.market.providers.pacing import Pacer, down, retry_seconds
from apps.market.providers.venues import Side

Market = Mapping[str, Any]
MARKETS_FOR = 6 * 3600
REFUSED = {400, 404, 405, 410, 422}
SHAPE_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError)


class Line:
    """One class of ccxt: its requests are paced, its faults typed.

    One request at a time goes over a line.
    """

    def __init__(self, side: Side, base_url: str, timeout: float, pacer: Pacer, cost: int) -> None:
        import ccxt

        self.ccxt, self.side, self.pacer, self.cost = ccxt, side, pacer, cost
        self.usual = cost
        self.loading = False
        self.status, self.method = 0, "GET"
        self.loaded_at = 0.0
        self.lock = threading.RLock()
        settings = {
            "enableRateLimit": False,  # the buckets do it, for all workers together
            "timeout": int(timeout * 1000),
            "options": dict(side.options),
        }
        self.exchange = getattr(ccxt, side.exchange)(settings)
        self.exchange.has["fetchCurrencies"] = False
        kinds = {code: getattr(ccxt, kind) for code, kind in side.errors.items()}
        self.exchange.exceptions["exact"].update(kinds)
        if base_url:
            self.exchange.urls["api"] = _moved(self.exchange.urls["api"], base_url)
        self.send = self.exchange.fetch
        self.exchange.fetch = self._paced
        self.exchange.on_rest_response = self._noted
        self.exchange.milliseconds = lambda: int(self.pacer.timing.now().timestamp() * 1000)

    def ask(self, pacer: Pacer, method: str, *args: Any, cost: int = 0) -> Any:
        """Call a method of the exchange. Raises typed errors only."""
        with self.lock:
            self.pacer = pacer
            self.cost = cost or self.usual
            self.loading = method == "load_markets"
            self.status = 0
            try:
                return getattr(self.exchange, method)(*args)
            except self.ccxt.BaseError as error:
                raise self._typed(error) from None
            except SHAPE_ERRORS:
                raise self._mangled() from None
            finally:
                self.cost = self.usual

    def markets(self, pacer: Pacer) -> Mapping[str, Market]:
        """Return the markets of the venue, asked for anew after some hours."""
        now = pacer.timing.now().timestamp()
        with self.lock:
            if now - self.loaded_at > MARKETS_FOR:
                self.ask(pacer, "load_markets", True)  # noqa: FBT003 ccxt counts by place
                self.loaded_at = now
            found: Mapping[str, Market] = self.exchange.markets
            return found

    def _paced(
        self, url: str, method: str = "GET", headers: Any = None, body: str | None = None
    ) -> Any:
        self.pacer.wait(self.cost)
        self.method = method
        self.exchange.last_response_headers = {}
        found = self.send(url, method, headers, body)
        if not isinstance(found, dict | list):
            raise self._mangled()
        if self.side.envelope and not self.loading and self.side.envelope not in found:
            raise self._mangled()
        return found

    def _noted(self, code: int, *rest: Any) -> Any:
        self.status = code
        return rest[4]  # reason, url, method, headers, body, …

    def _mangled(self) -> Unavailable:
        message = (
            f"{self.pacer.provider} answered in a shape that it doesn't have; try again later."
        )
        return Unavailable(message, code="provider.malformed")

    def _typed(self, error: Exception) -> LabError:
        ccxt, name = self.ccxt, self.pacer.provider
        headers = self.exchange.last_response_headers or {}
        after, now = headers.get("Retry-After"), self.pacer.timing.now()
        said = " ".join(str(error).split())[:200]
        if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection) or self.status == 429:
            return self.pacer.refusal(429, said, after)
        if self.status == 451:
            message = f"{name} doesn't serve the place this lab runs at. {said}"
            return Denied(message, code="provider.region")
        # What ccxt makes of these when it can't read the body: a venue that is away.
        unread = f"{self.exchange.id} {self.method} http" in said and self.status in REFUSED
        if (isinstance(error, ccxt.NetworkError) and not unread) or self.status >= 500:
            return down(name, f"can't answer ({type(error).__name__})", retry_seconds(after, now))
        if isinstance(error, ccxt.BadSymbol):
            return NotFound(f"{name} has no such symbol. {said}", code="symbol.unknown")
        if isinstance(error, ccxt.AuthenticationError):
            return Denied(f"{name} refuses: {said}", code="provider.auth")
        return Invalid(f"{name} refused the request: {said}", code="provider.refused")


def _moved(urls: Any, base_url: str) -> Any:
    """Return addresses with their hosts replaced, whatever they are nested in."""
    if isinstance(urls, dict):
        return {name: _moved(url, base_url) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    return re.sub(r"^https?://[^/]+", base_url.rstrip("/"), urls)
